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
    """A network beside its flow: what `analyse` returns.

    `table()` is a text table, `plot()` one page, `to_json()` the same as data.

    **Fields:**

    - `sides`: the answers of the network, and of the flow.
    - `x`: (D,) the constant input.
    - `method`: the conversion that made the flow.
    - `centre`: (N,) the centre of the phase portraits, and `axes`: (2, N) the directions that span them.
    - `grid`: (m,) coordinates on those axes, for two units.
    - `dt`: the length of the network's step, in time.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> a = ro.analyse(ro.VanillaCell([[1.5]], [[1.0]], [0.0], jnp.tanh), jnp.zeros(1), steps=100)
    >>> [(point["kind"], point["verdict"]) for point in a.to_dict()["flow"]["fixed_points"]]
    [('NODE', 'GROWS'), ('NODE', 'DECAYS'), ('NODE', 'DECAYS')]

    ```
    """

    sides: tuple[Side, Side]
    x: np.ndarray
    method: AbstractMethod
    centre: np.ndarray
    axes: np.ndarray
    grid: np.ndarray
    dt: float = 1.0

    def _tables(self) -> tuple[Table, ...]:
        return analysis_tables(self.sides)

    def plot(self):
        """Every answer as one page (needs the `app` extra)."""
        from ..plot import analysis

        return analysis(self)

    def _data(self) -> dict[str, Any]:
        network, flow = (side.to_dict() for side in self.sides)
        return {"x": plain(self.x), "method": self.method.label, "network": network, "flow": flow}
