"""The run of one counterpart of a network, and why it is missing or where it ended."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .._base.compiled import compiled
from .._base.protocol import is_linear_in_steps, is_partial
from .._base.results import RESULTS
from .._base.states import flat_rows, real_dtype
from .._base.types import Cell, Field, State
from .._bridge.to_ode import to_ode
from .._methods.base import AbstractMethod
from .._methods.existence import NoSuchFlow
from .._paths.held import Hold
from .._run.integrate import integrate
from .._run.tolerances import default_rtol
from .._run.trajectory import Trajectory, is_successful

_NEAR = 0.1  # of a pole: Tustin's exponents are above 40 a step there


def run_counterpart(
    cell: Cell, method: AbstractMethod, xs: Array, h0: State, dt: float
) -> tuple[Trajectory | None, str]:
    """The trajectory of the method's flow at the samples, and why it is missing or where it ended (else empty)."""
    try:
        field = to_ode(cell, method, dt=dt)
    except NoSuchFlow as error:
        return None, f"does not exist here: {error.obstacle.text}"
    except (TypeError, ValueError) as error:
        return None, f"does not exist here: {error}"
    partial = is_partial(field)
    if partial and (why := _obstacle_at(cell, method, np.asarray(xs)[0], h0, "t = 0")):
        return None, f"does not exist here: {why}"
    trajectory = integrate(field, Hold(xs, dt), h0, **_effort(field, h0, len(xs)), throw=False)
    if partial and bool(trajectory.result == RESULTS.field_undefined):
        return trajectory, _undefined(cell, method, xs, trajectory)
    if bool(trajectory.result == RESULTS.max_steps_reached):
        return trajectory, why_ended(trajectory) + _out_of_steps(cell, method, xs, trajectory)
    return trajectory, why_ended(trajectory)


def _effort(field: Field, h0: State, samples: int) -> dict[str, Any]:
    """Tolerance and number of steps for `integrate`, never finer than the state's type can hold.

    They are the default ones for a linear field. Other fields get a lower accuracy: kinks of the activation cost steps, and
    where the field may not exist everywhere, a step costs linear algebra and the field may jump with the Jacobian.
    """
    if is_linear_in_steps(field):
        return {}
    rtol, least, each = (1e-6, 1024, 16) if is_partial(field) else (1e-8, 4096, 64)
    return {"rtol": max(rtol, default_rtol(field, h0)), "max_steps": max(least, each * samples)}


@compiled
def local_jacobian(cell: Cell, x: Array, h: State) -> Float[Array, "M M"]:
    """∂cell/∂h at an input and a state, of flat states."""
    flat, unravel = ravel_pytree(h)
    return jax.jacfwd(lambda v: ravel_pytree(cell(x, unravel(v)))[0])(flat)


def _obstacle_at(cell: Cell, method: AbstractMethod, x: ArrayLike, h: State, at: str) -> str:
    """Why the method does not exist at a state: which multiplier of the local step forbids it; empty if none does."""
    why = method.obstacle(local_jacobian(cell, jnp.asarray(x), h))
    if why is None:
        return ""
    reason, *advice = ("zero multiplier" if why.zero else why.text.replace("its", "the local step's")).split("; ")
    return "; ".join([f"{reason} at {at}", *advice])


def _undefined(cell: Cell, method: AbstractMethod, xs: Array, trajectory: Trajectory) -> str:
    """Why the method stopped existing during a run."""
    at = f"t = {float(np.asarray(trajectory.ts)[_last_finite(trajectory)]):g}"
    why = _obstacle_at(cell, method, *_last_step(xs, trajectory), at)
    return f"does not exist here: {why}" if why else f"does not exist here from shortly after {at}"


def _out_of_steps(cell: Cell, method: AbstractMethod, xs: Array, trajectory: Trajectory) -> str:
    """What a run out of steps may have met, a pole of the method, and what to do: words that follow those of `why_ended`."""
    more = "; ro.integrate may go on with a larger max_steps"
    if method.pole is None:
        return more
    multipliers = np.linalg.eigvals(np.asarray(local_jacobian(cell, *_last_step(xs, trajectory))))
    near = multipliers[np.argmin(abs(multipliers - method.pole))]
    if abs(near - method.pole) > _NEAR:
        return more
    shown = f"{near.real:.3g}" if near.imag == 0 else f"{near:.3g}"
    return (
        f"; the local step's multiplier {shown} is near {method.pole:g}, a pole of {method.label}, where its field is large; "
        "a method without a pole, such as forward:3, meets none"
    )


def _last_step(xs: Array, trajectory: Trajectory) -> tuple[Array, State]:
    """Input and state of the step in which a run ended."""
    k = _last_finite(trajectory)
    return xs[min(k, len(xs) - 1)], jax.tree.map(lambda rows: jnp.real(rows[k]), trajectory.states)


def why_ended(trajectory: Trajectory) -> str:
    """Why a run ended early and after which time; empty if it did not."""
    if is_successful(trajectory.result):
        return ""
    at = f"t = {float(np.asarray(trajectory.ts)[_last_finite(trajectory)]):g}"
    wider = " (in float32; float64 may go on)" if real_dtype(trajectory.states) == jnp.float32 else ""
    for result, words in (
        (RESULTS.left_float_range, f"left the float range after {at}{wider}"),
        (RESULTS.not_a_number, f"not a number after {at}"),
        (RESULTS.field_undefined, f"the field is not finite shortly after {at}"),
        (RESULTS.max_steps_reached, f"stopped after {at}: out of solver steps"),
        (
            RESULTS.stiff,
            f"stopped after {at}: the field is stiff; ro.integrate can solve it with solver=diffrax.Kvaerno5()",
        ),
        (
            RESULTS.step_vanished,
            f"stopped after {at}: the solution runs off to infinity there, or the field jumps{wider}",
        ),
    ):
        if bool(trajectory.result == result):
            return words
    return f"{RESULTS[trajectory.result]} ({at})"


def _last_finite(trajectory: Trajectory) -> int:
    """Index of the last row before a run ended."""
    finite = np.append(np.isfinite(flat_rows(trajectory.states)).all(axis=1), False)
    return int(np.argmin(finite)) - 1
