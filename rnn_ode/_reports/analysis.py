"""What `analyse` found."""

import dataclasses
from typing import Any

import numpy as np

from .._base.shown import Shown
from .._base.text import Table, plain
from .._methods.base import AbstractMethod
from .analysis_side import Side
from .analysis_table import analysis_tables


@dataclasses.dataclass(frozen=True)
class Analysis(Shown):
    """A network beside its flow: `sides` the two of them, `x` the constant input, `method` the conversion.

    `axes` (2, N) and `centre` (N,) span the plane of the phase portraits, `grid` (m,) its coordinates for two units.
    `table()` is a text table, `plot()` one page, `to_json()` the same as data.
    """

    sides: tuple[Side, Side]
    x: np.ndarray
    method: AbstractMethod
    centre: np.ndarray
    axes: np.ndarray
    grid: np.ndarray

    def _tables(self) -> tuple[Table, ...]:
        return analysis_tables(self.sides)

    def plot(self):
        """Every answer as one page (needs the `app` extra)."""
        from ..plot import analysis

        return analysis(self)

    def _data(self) -> dict[str, Any]:
        network, flow = (side.to_dict() for side in self.sides)
        return {"x": plain(self.x), "method": self.method.label, "network": network, "flow": flow}
