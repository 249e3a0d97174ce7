"""What `analyse` found."""

import dataclasses
import json
from typing import Any

import numpy as np

from .._base.text import plain
from .._methods.base import AbstractMethod
from .analysis_side import Side
from .analysis_table import analysis_table


@dataclasses.dataclass(frozen=True)
class Analysis:
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

    def table(self) -> str:
        """Every answer as a text table, the network and the flow in two columns."""
        return analysis_table(self.sides)

    def plot(self):
        """Every answer as one page (needs the `app` extra)."""
        from ..plot import analysis

        return analysis(self)

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain numbers and strings, ready for json."""
        network, flow = (side.to_dict() for side in self.sides)
        return {"x": plain(self.x), "method": self.method.label, "network": network, "flow": flow}

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)
