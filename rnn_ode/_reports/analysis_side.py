"""What one system of an analysis answered."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._analyses.fixed_points import FixedPoints
from .._analyses.gradients import GradientFlow
from .._analyses.lyapunov import Lyapunov
from .._analyses.orbits_result import PeriodicOrbit
from .._analyses.transient import Transient
from .._base.text import plain
from .._base.verdict import verdict_name
from .._systems.base import AbstractSystem


@dataclasses.dataclass(frozen=True)
class Side:
    """What one system answered. Whatever could not be computed is `None`, and `reason` says why."""

    name: str
    system: AbstractSystem | None
    times: np.ndarray
    """(n,) times of `orbit`."""
    orbit: np.ndarray
    """(n, N) flat states from h0 on, as far as they are finite."""
    points: FixedPoints | None
    added: np.ndarray
    """(n,) which fixed points the other system does not have. For the flow, the conversion added them; for the network, the
    conversion lost them."""
    undefined: np.ndarray
    """(n,) at which of them the other system does not exist, so that `added` is not known."""
    mark: str
    """The word for the points in `added`: "added" for the flow, "lost" for the network."""
    exponents: Lyapunov | None
    gradients: GradientFlow | None
    transient: Transient | None
    """The transient growth at the fixed point `about`."""
    about: np.ndarray | None
    """(N,) the fixed point nearest to the end of the orbit."""
    nullclines: np.ndarray | None
    """(2, m, m) components of the residual on `Analysis.grid`, for two units."""
    reason: str
    closed: PeriodicOrbit | None = None
    """The closed orbit that the run ends in; `None` where it comes to rest or does not come back."""

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain numbers and strings, ready for json: `None` for no answer, "-inf" and "inf" for an exponent or
        a slope that is infinite, and `None` for the peak, its time and the Kreiss constant where growth has no bound."""
        exponents, gradients, transient = self.exponents, self.gradients, self.transient
        answers = {
            "exponents": exponents and exponents.exponents,
            "exponents_stderr": exponents and exponents.stderr,
            "kaplan_yorke": exponents and exponents.kaplan_yorke,
            "kaplan_yorke_range": exponents and jnp.stack(exponents.kaplan_yorke_range),
            "gradient_log_norms": gradients and gradients.log_norms,
            "gradient_rate": gradients and gradients.measured_rate,
        }
        return {
            "name": self.name,
            "reason": self.reason,
            "fixed_points": self._points(),
            "orbits": [self.closed.to_dict()] if self.closed is not None else [],
            **plain(answers, infinities=True),
            "transient_verdict": transient and verdict_name(transient.verdict),
            "transient_peak": transient and plain(transient.peak),
            "transient_peak_time": transient and plain(transient.peak_time),
            "kreiss": transient and plain(transient.kreiss),
        }

    def _points(self) -> list[dict[str, Any]]:
        if self.points is None:
            return []
        found = self.points
        kinds, verdicts, leading = found.kind_names, found.verdict_names, np.asarray(found.leading)
        rows = [
            {
                "point": found.points[i],
                "residual": found.residuals[i],
                "kind": kinds[i],
                "verdict": verdicts[i],
                "leading_eigenvalue": [leading[i].real, abs(leading[i].imag)],
                "on_kink": found.on_kink[i],
                f"{self.mark}_by_the_conversion": self.added[i],
                "undefined_in_the_other": self.undefined[i],
            }
            for i in range(int(found.count))
        ]
        return plain(rows, infinities=True)
