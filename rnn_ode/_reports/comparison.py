"""What `compare` found."""

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from .._analyses.spectrum import Spectrum
from .._base.shown import ShownArrays, Variables
from .._base.states import flat_rows
from .._base.text import Table, plain
from .._run.trajectory import Trajectory
from .comparison_finding import comparison_finding
from .comparison_rows import ERROR_LIMIT, Row
from .comparison_table import comparison_table
from .counterparts import why_ended
from .linear_growth import Growth


@dataclasses.dataclass(frozen=True)
class Comparison(ShownArrays):
    """What `compare` found: a network beside its counterparts.

    `finding` is the result in one sentence, `table()` a text table, `plot()` a figure, `to_json()` the same as data.

    **Fields:**

    - `network`: the network's `Trajectory`.
    - `rows`: a row for each method: its trajectory, errors, verdict and rates, or why it does not exist.
    - `spectrum`: the `Spectrum` of the network's linear part.
    - `network_verdict`: the name of the verdict on that part.
    - `measured_rate`: its growth by simulation, in nats per step.
    - `linear_part`: what that part is, in words.
    - `growth`: ‖Wᵏ‖ and ‖exp(W k)‖ at whole steps.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> round(c.network.states[-1].item(), 3), [row.parted_at for row in c.rows]
    (1.992, [1.0, None])

    ```
    """

    error_limit: ClassVar[float] = ERROR_LIMIT
    network: Trajectory
    rows: tuple[Row, ...]
    spectrum: Spectrum
    network_verdict: str
    measured_rate: float | None
    linear_part: str
    growth: Growth

    @property
    def finding(self) -> str:
        """The result in one sentence: the verdicts of the network and of a flow, and how far they are from each other.

        The flow is the textbook's if that ran, and otherwise the nearest one.

        ```python
        >>> import jax.numpy as jnp, rnn_ode as ro
        >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
        >>> print(ro.compare(cell, jnp.ones((8, 1)), methods=ro.Textbook()).finding.split(":")[0])
        The network's linear part decays; exp(W_h t) grows

        ```
        """
        return comparison_finding(self.rows, self.network_verdict)

    def _tables(self) -> tuple[Table, ...]:
        eps = float(jnp.finfo(self.spectrum.matrix.dtype).eps)
        table = comparison_table(
            self.rows,
            finding=self.finding,
            network_verdict=self.network_verdict,
            network_rates=(float(self.spectrum.rate()), self.measured_rate),
            network_ended=why_ended(self.network),
            linear_part=self.linear_part,
            rounding=4 * len(self.spectrum.matrix) * eps,  # N roundings of a step, and those of 2000 sums of them
        )
        return (table,)

    def plot(self):
        """The comparison as one matplotlib figure (needs the `app` extra)."""
        from ..plot import comparison

        return comparison(self)

    def _data(self) -> dict[str, Any]:
        s = self.spectrum
        return {
            "finding": self.finding,
            "network": {
                "verdict": self.network_verdict,
                "linear_part": self.linear_part,
                "predicted_rate": plain(s.rate()),
                "measured_rate": plain(self.measured_rate),
                "radius": plain(s.radius),
                "abscissa": plain(s.abscissa),
                "steps": int(self.network.ts.shape[0]) - 1,
                "reason": why_ended(self.network),
            },
            "rows": [row.to_dict() for row in self.rows],
        }

    def _variables(self) -> Variables:
        return {
            "time": (("time",), self.network.ts, "the unit of dt"),
            "method": (("method",), np.array([row.method.label for row in self.rows], str), ""),
            "states": (("time", "unit"), flat_rows(self.network.states), ""),
            "errors": (
                ("method", "time"),
                np.stack([row.errors for row in self.rows]),
                "of the network's largest state",
            ),
        }
