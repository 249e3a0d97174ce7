"""What a linear system does before its eigenvalues decide: growth, Kreiss constant, departure from normality.

A stable non-normal matrix may magnify a disturbance a lot before the disturbance decays. With W the step of a map,

    peak = sup over k ≥ 0 of ‖Wᵏ‖,    K = sup over |z| > 1 of (|z| − 1) ‖(z − W)⁻¹‖,    K ≤ peak ≤ e N K,

and with A the matrix of a flow, exp(A t) instead of Wᵏ and Re z > 0 instead of |z| > 1 (Trefethen & Embree, "Spectra and
Pseudospectra", 2005, ch. 14-18). Norms are spectral ones. Both numbers are searched for (`peak`, `linalg._resolvent`): they
are lower bounds, to rounding, and only the time after which nothing exceeds the peak is proven.
"""

import math
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float

from .._base.checks import as_matrix, brief, in_single
from .._base.compiled import compiled
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, number, plain
from .._base.verdict import Verdict, verdict_name
from .._systems.base import AbstractSystem
from .._systems.time import AbstractTime, Discrete
from ..linalg._eig import Modes
from ..linalg._norms import spectral_norm
from ..linalg._resolvent import departure, kreiss_constant
from .kinks import jumps
from .peak import highest, sampled_norms


class Transient(ShownArrays, eqx.Module):
    """How far disturbances of a linear system grow before they decay, if they do. Times are in the system's unit of time.

    **Fields:**

    - `eigenvalues` (N,): complex, fastest growing first; `condition` (N,), their condition numbers.
    - `verdict`: what happens in the long run; `rate`, the growth of the fastest eigenvalue in nats per unit time.
    - `peak`: the supremum over all times of ‖Wᵏ‖ or ‖exp(A t)‖, at `peak_time`.
    - `kreiss`: the Kreiss constant.
    - `numerical_radius`: max |xᴴ W x| over unit x for a map, `None` for a flow.
    - `numerical_abscissa`: max Re xᴴ A x for a flow, the slope of the norm at time 0, `None` for a map.
    - `departure`: from normality (Henrici), √(‖W‖_F² − Σ|λ|²).
    - `times` (n,) and `norms` (n,): the curve as far as it was sampled, NaN where it was not.

    Peak, peak time and Kreiss constant are infinite where the verdict is GROWS or the norm overflows. Where it is PERSISTS
    the peak is the largest norm within 1/√ε steps (ε that of the precision): 1 at time 0 for an orthogonal map. Where it is
    UNDETERMINED there are two cases. If a norm fell to 1 again, the peak is the supremum. Otherwise it is looked for within
    1/√ε steps, or within those before rounding errors dominate: infinite if the norm grew by a quarter over the last octave,
    and else the largest norm, which is a lower bound.

    At a kink, a state at which the Jacobian jumps, as that of a ReLU network does at 0 without bias, the verdict is
    UNDETERMINED. All other fields belong to the one Jacobian that JAX's derivative picks there by convention.

    ```python
    >>> import rnn_ode as ro
    >>> t = ro.transient([[0.5, 10.0], [0.0, 0.5]])
    >>> [round(float(norm), 1) for norm in t.norms[:4]], round(float(t.numerical_radius), 2)
    ([1.0, 10.0, 10.0, 7.5], 5.5)

    ```
    """

    eigenvalues: Complex[Array, " N"]
    condition: Float[Array, " N"]
    verdict: Verdict
    rate: Float[Array, ""]
    peak: Float[Array, ""]
    peak_time: Float[Array, ""]
    kreiss: Float[Array, ""]
    numerical_radius: Float[Array, ""] | None
    numerical_abscissa: Float[Array, ""] | None
    departure: Float[Array, ""]
    times: Float[Array, " n"]
    norms: Float[Array, " n"]

    _alone = "norms", 1

    def plot(self):
        """The growth against time, with the peak. A matplotlib figure (needs the `app` extra)."""
        from ..plot import transient as draw

        return draw(self)

    def _tables(self) -> tuple[Table, ...]:
        values = [
            ("peak", self.peak, "the largest norm at any time"),
            ("at time", self.peak_time, ""),
            ("Kreiss constant", self.kreiss, "a lower bound of the peak; e N times it is an upper bound"),
            ("rate", self.rate, "of the fastest eigenvalue, in nats per unit time"),
            ("numerical radius", self.numerical_radius, "the largest |xᴴ W x| over unit x"),
            ("numerical abscissa", self.numerical_abscissa, "the slope of the norm at time 0"),
            ("departure", self.departure, "from normality; 0 for a normal matrix"),
        ]
        rows = tuple((name, number(value, 4), says) for name, value, says in values if value is not None)
        title = f"Growth of disturbances before the eigenvalues decide: {Verdict[self.verdict]}"
        return (Table((Column(""), Column("value", ">"), Column("")), rows, title),)

    def _data(self) -> dict[str, Any]:
        names = ("eigenvalues", "condition", "rate", "peak", "peak_time", "kreiss", "departure")
        found = {name: getattr(self, name) for name in names}
        found |= {"numerical_radius": self.numerical_radius, "numerical_abscissa": self.numerical_abscissa}
        return plain({"verdict": verdict_name(self.verdict), **found, **self._curve()}, infinities=True)

    def _curve(self) -> dict[str, np.ndarray]:
        """The times and norms that were sampled."""
        seen = ~np.isnan(np.asarray(self.norms))
        return {"times": np.asarray(self.times)[seen], "norms": np.asarray(self.norms)[seen]}

    def _variables(self) -> Variables:
        curve = self._curve()
        return {
            "time": (("time",), curve["times"], "time"),
            "norms": (("time",), curve["norms"], ""),
            "eigenvalues": (("mode",), self.eigenvalues, "per step of a map, per unit time of a flow"),
            "condition": (("mode",), self.condition, ""),
            "peak": ((), self.peak, ""),
            "peak_time": ((), self.peak_time, "time"),
            "kreiss": ((), self.kreiss, ""),
        }


def transient(system: AbstractSystem | ArrayLike | list, at: Any = None) -> Transient:
    """Transient growth of the map h ↦ W h, or of a system's small disturbances at a state.

    **Arguments:**

    - `system`: a matrix W (N, N), or a `Map` or `Flow` with a constant input.
    - `at`: with a system, the state at which its Jacobian is taken, a pytree or flat (N,).

    **Returns:** a `Transient`. Peak, Kreiss constant and numerical range are differentiable: the time or point where they are
    taken counts as fixed.

    **Raises:** `ValueError` for a matrix that is not square or not finite, an input that is not constant, a state that does
    not fit; `TypeError` if `at` is missing for a system or given for a matrix.

    ```python
    >>> import rnn_ode as ro
    >>> t = ro.transient([[0.5, 10.0], [0.0, 0.5]])
    >>> round(float(t.peak), 3), float(t.peak_time), round(float(t.kreiss), 3)
    (10.025, 1.0, 5.05)

    ```
    """
    if hasattr(system, "jacobian"):
        system = cast(AbstractSystem, system)
        if at is None:
            raise TypeError(
                f"transient(system, at) needs the state at which the Jacobian is taken; got {brief(system)} alone."
            )
        system.require_constant("transient")
        h = system.as_point("at", at)
        system.require_constant("transient", h)
        J, kink = _linearised(system, h)
        return _transient(system.time, J, kink, system.time.modes(J))
    if at is not None:
        raise TypeError(f"at is a state of a Map or Flow, and a matrix has no states to choose from; got at={at!r}.")
    W = in_single(as_matrix("system", system))
    return _transient(Discrete(1.0), W, False, Discrete(1.0).modes(W))


@compiled
def _linearised(system: AbstractSystem, h: Float[Array, " N"]) -> tuple[Float[Array, "N N"], Bool[Array, ""]]:
    """Returns the Jacobian at a state, and whether it jumps there."""
    return system.jacobian(h), jumps(system.jacobian, jax.lax.stop_gradient(h))


def _transient(time: AbstractTime, J: Float[Array, "N N"], kink: Bool[ArrayLike, ""], found: Modes) -> Transient:
    """Returns everything that follows from a Jacobian J and a kind of time; `found` are J's modes, and `kink` says whether J
    jumps at its state."""
    verdict = time.verdict_off_kink(kink, *jax.lax.stop_gradient((J, found)))
    with jax.default_matmul_precision("highest"):
        return _joined(time, J, found, verdict, kreiss_constant(J, found.values, time.region))


@eqx.filter_jit
def _joined(
    time: AbstractTime, J: Float[Array, "N N"], found: Modes, verdict: Verdict, kreiss: Float[Array, ""]
) -> Transient:
    """Returns `_transient`, given the verdict, and the Kreiss constant as the search for it found it."""
    fixed = jax.lax.stop_gradient(J)
    grain = time.grain(fixed)
    curve = sampled_norms(grain.step, verdict)
    peak_time, highest_norm = highest(grain, curve)
    again = spectral_norm(time.propagator(J, jnp.where(curve.unbounded, 0, peak_time)))
    # the value of the search, step by step, is the more exact one; the other one is differentiable
    peak = highest_norm + again - jax.lax.stop_gradient(again)
    unbounded = curve.unbounded | ~jnp.isfinite(peak)
    # Near the boundary rounding hides how large the resolvent of an ill-conditioned matrix is; the theorem bounds it.
    kreiss = jnp.maximum(peak / (math.e * J.shape[0]), kreiss)
    radius, abscissa = time.numerical_range(J)
    return Transient(
        found.values,
        found.condition,
        verdict,
        jnp.max(time.growth(found.values)),
        jnp.where(unbounded, jnp.inf, jnp.maximum(1, peak)),
        jnp.where(unbounded, jnp.inf, peak_time),
        jnp.where(unbounded, jnp.inf, kreiss),
        radius,
        abscissa,
        departure(J, found.values, found.vectors),
        curve.count * grain.length,
        jnp.where(curve.norms > 0, curve.norms, jnp.nan).at[0].set(1),
    )
