"""`PeriodicOrbit`: a closed orbit, and how it shows itself."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._base.checks import counted
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, complex_number, number, plain
from .._base.verdict import Verdict, verdict_name


class PeriodicOrbit(ShownArrays, eqx.Module):
    """A closed orbit of a map or a flow: what `periodic_orbit` returns.

    **Fields:**

    - `points` (m, N): flat states in the order in which they follow each other. Those of a map are all its states; those of
      a flow are dense where it moves fast.
    - `times` (m,): when the orbit is there, from 0 on, in units of time.
    - `period` (): in units of time; that of a map is its number of steps times `dt`.
    - `multipliers` (N,): Floquet multipliers, the eigenvalues of what a small disturbance is multiplied by in one period,
      largest first. NaN if `converged` is False.
    - `trivial`: where the trivial multiplier is among them, −1 if there is none. A flow that no input drives has one for a
      shift along its orbit, which is exactly 1. It is told by its direction.
    - `trivial_error`: how far the computed shift is from what it should be, relative to it; NaN if there is none. The other
      multipliers have errors of this size.
    - `verdict`: of small disturbances, those along the orbit of an autonomous flow left out. DECAYS says that the orbit
      attracts. UNDETERMINED where a map's Jacobian jumps, or without convergence.
    - `residual` (): by how much a state misses its equation at most, in units of the state.
    - `error` (): of a flow's points, an estimate of the largest, relative to the orbit's extent; 0 of a map. Period and
      multipliers are more exact.
    - `converged`: whether this is an orbit, and of no shorter period.
    - `result`: a `RESULTS`: `successful`, or what the search ended on and what to try.

    Without convergence `points` are the states at which the search ended.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> henon = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]))
    >>> orbit = ro.periodic_orbit(henon, jnp.array([[1.0, -0.15], [-0.5, 0.3]]), 2)
    >>> [round(value, 2) for value in orbit.multipliers.real.tolist()], orbit.verdict_name
    ([-3.01, -0.03], 'GROWS')

    ```
    """

    points: Float[Array, "m N"]
    times: Float[Array, " m"]
    period: Float[Array, ""]
    multipliers: Complex[Array, " N"]
    trivial: Int[Array, ""]
    trivial_error: Float[Array, ""]
    verdict: Verdict
    residual: Float[Array, ""]
    error: Float[Array, ""]
    converged: Bool[Array, ""]
    result: RESULTS

    _alone = "points", 2

    def plot(self):
        """The orbit in a plane, and against time. A matplotlib figure (needs the `app` extra)."""
        from ..plot import orbit

        return orbit(self)

    @property
    def verdict_name(self) -> Any:
        """The name of the verdict, on the host."""
        return verdict_name(self.verdict)

    def _tables(self) -> tuple[Table, ...]:
        count, size = self.points.shape
        ended = how_it_ended(self.result)
        if not bool(self.converged):
            return (Table(title="No such orbit.", notes=(ended,)),)
        trivial = int(self.trivial)
        title = f"An orbit of period {number(self.period, 8)}: {count} states of {counted(size, 'number')}."
        rows = tuple(
            (
                complex_number(complex(value), 6),
                number(abs(value), 4),
                "along the orbit" if i == trivial else "grows" if abs(value) > 1 else "decays",
            )
            for i, value in enumerate(np.asarray(self.multipliers)[:_SHOWN])
        )
        notes = [_SAID[self.verdict_name]]
        if trivial >= 0:
            off = number(self.trivial_error, 1)
            notes.append(f"The multiplier of a shift along the orbit is 1; the computed one is off by {off}.")
        if float(self.error) > 0:
            notes.append(f"Error of the points: {number(self.error, 1)} of the orbit's extent.")
        notes += [] if ended == "successful" else [ended]
        return (Table(_COLUMNS, rows, title, tuple(notes), max(size - _SHOWN, 0)),)

    def _data(self) -> dict[str, Any]:
        names = "points", "times", "period", "multipliers", "trivial", "trivial_error", "residual", "error", "converged"
        found = {name: np.asarray(getattr(self, name)) for name in names}
        return plain({**found, "verdict": self.verdict_name, "result": how_it_ended(self.result)}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "time": (("time",), self.times, "the unit of dt"),
            "points": (("time", "unit"), self.points, ""),
            "multipliers": (("mode",), self.multipliers, "per period"),
            "period": ((), self.period, "the unit of dt"),
        }


_SHOWN = 8  # multipliers

_SAID = {
    "DECAYS": "The orbit attracts: small disturbances across it decay.",
    "PERSISTS": "Small disturbances across the orbit neither grow nor decay, to within rounding.",
    "GROWS": "The orbit is unstable: almost every small disturbance grows.",
    "UNDETERMINED": "The multipliers cannot say whether the orbit attracts: one is within rounding of the unit circle, or "
    "the Jacobian jumps at a state.",
}

_COLUMNS = (
    Column("multiplier", ">", "what a small disturbance is multiplied by in one period"),
    Column("modulus", ">"),
    Column("disturbance"),
)
