"""What a search for a closed orbit ended on: its multipliers, and whether it is an orbit of that period at all."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int

from .._base.checks import from_host, is_concrete
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import frozen
from .._base.types import AnyArray
from .._base.verdict import Verdict, which
from .._systems.base import AbstractSystem
from .._systems.time import Discrete
from .kinks import jumps
from .orbits_clock import repeats, samples_of
from .orbits_mesh import error_of, evaluated
from .orbits_newton import Ended, size_of
from .orbits_ring import Grid, starts

_UNIFORM = 120  # times at which the orbit of a flow is compared with itself


class Multipliers(NamedTuple):
    """The fields of a `PeriodicOrbit` with these names."""

    multipliers: Complex[Array, " N"]
    trivial: Int[Array, ""]
    trivial_error: Float[Array, ""]
    verdict: Verdict


def split(M: Float[AnyArray, "N N"], f: Float[AnyArray, " N"]) -> tuple[Any, Any]:
    """Returns the monodromy matrix across the orbit (N − 1, N − 1), and the image (N,) of the direction f of the orbit in
    coordinates of which the first is along f. It should be (1, 0, …). Arrays of NumPy give arrays of NumPy."""
    xp = M.__array_namespace__()
    size, eye = xp.linalg.norm(f), xp.eye(len(f), dtype=M.dtype)
    u = f / xp.where(size > 0, size, 1)
    u = u + xp.where(u[0] < 0, -eye[0], eye[0])
    reflection = eye - 2 * xp.outer(u, u) / xp.sum(u**2)
    turned = reflection @ M @ reflection
    return turned[1:, 1:], turned[:, 0]


def multipliers_of(
    system: AbstractSystem,
    M: Float[Array, "N N"],
    f: Float[Array, " N"],
    on_kink: Bool[Array, ""],
    converged: Bool[Array, ""],
    free: bool,
) -> Multipliers:
    """Returns what the monodromy matrix M of an orbit in direction f says; where it has not `converged`, nothing. If the
    values are known, NumPy computes it, with nothing to compile."""
    if not is_concrete(M, f, on_kink, converged):
        return _masked(_multipliers(system, M, f, on_kink, free), converged)
    M, f, on_kink, converged = jax.device_get((M, f, on_kink, converged))
    with np.errstate(all="ignore"):
        found = _masked(_multipliers(system, M, f, on_kink, free), converged)
    values, trivial, off = (from_host(np.asarray(part)) for part in found[:3])
    return Multipliers(values, trivial, off, found.verdict)


def _multipliers(system: AbstractSystem, M: Any, f: Any, on_kink: Any, free: bool) -> Multipliers:
    xp = M.__array_namespace__()
    if not free:
        time = system.time if system.time.own_step else Discrete()
        values, verdict = time.judged(M, on_kink)
        return Multipliers(values, xp.asarray(-1), xp.asarray(xp.nan, dtype=M.dtype), verdict)
    across, along = split(M, f)
    values, verdict = Discrete().judged(across, False)
    values = xp.concatenate([values, along[:1].astype(values.dtype)])
    order = xp.argsort(-xp.abs(values), stable=True)
    trivial = xp.argmax(order == len(f) - 1)
    off = along - xp.eye(len(f), dtype=M.dtype)[0]
    return Multipliers(values[order], trivial, xp.linalg.norm(off), verdict)


def _masked(found: Multipliers, converged: Any) -> Multipliers:
    xp = found.multipliers.__array_namespace__()
    values = xp.where(converged, found.multipliers, xp.nan)
    return found._replace(multipliers=values, verdict=which(Verdict, converged, found.verdict, Verdict.UNDETERMINED))


class Described(NamedTuple):
    """What an orbit is: whether a map's step has a kink at a state, the estimated error of the points, whether it is an orbit
    of that period, and the reason if not."""

    on_kink: Bool[Array, ""]
    error: Float[Array, ""]
    converged: Bool[Array, ""]
    result: RESULTS


@compiled
def described(
    system: AbstractSystem, ended: Ended, grid: Grid, extent: Array, free: bool, turns: tuple[int, ...]
) -> Described:
    """Returns what an orbit is that a search from a guess of that `extent` ended on. It may have gone round `turns` times."""
    own_step = system.time.own_step
    S = frozen(ended.S)
    on_kink = _on_kink(system, S, grid) if own_step else jnp.asarray(False)
    error = jnp.zeros((), S.dtype) if own_step else error_of(S, grid.widths)
    share = jnp.arange(_UNIFORM, dtype=S.dtype) / _UNIFORM

    def after(turn):
        if own_step:
            return jnp.roll(S[:, 0], -round(turn * len(S)), axis=0)
        return evaluated(S, grid.widths, (share + turn) % 1)

    points = after(0.0)
    size, own = size_of(points), extent_of(points)
    near = float(jnp.finfo(S.dtype).eps) ** 0.4
    still = own <= near * size
    rests = still | ((own <= 0.01 * extent) & ~ended.converged & (ended.residual <= near * size))

    samples = samples_of(system)

    def goes_round(k):
        same = jnp.max(jnp.abs(points - after(1 / k))) <= near * own
        return same if free or own_step or samples else same & repeats(system, points[0], ended.T / k)

    shorter = jnp.any(jnp.array([goes_round(k) for k in turns], bool))
    # an answer that is constant has the period of the input
    answers = not free and (not own_step or bool(samples))
    rests, shorter = rests & (not answers) & (len(points) > 1), shorter & ~(still & answers)
    result = RESULTS.where(ended.converged, RESULTS.successful, RESULTS.orbit_not_found)  # pyright: ignore
    result = RESULTS.where(ended.converged & shorter & ~rests, RESULTS.orbit_of_shorter_period, result)
    result = RESULTS.where(rests, RESULTS.orbit_at_rest, result)
    converged = ended.converged & ~rests & ~shorter
    return Described(on_kink, error, converged, result)


def _on_kink(system: AbstractSystem, S: Array, grid: Grid) -> Bool[Array, ""]:
    """Returns whether the Jacobian of a map's step jumps at a state of the orbit."""
    advance = system.stepper().advance

    def one(row):
        step, h = row
        return jumps(jax.jacfwd(lambda h: advance(step, h)), h)

    return jnp.any(jax.lax.map(one, (grid.step, starts(S))))


@jax.jit
def extent_of(points: Float[Array, "m N"]) -> Float[Array, ""]:
    """Returns how far the states are from their mean at most."""
    return jnp.max(jnp.linalg.norm(points - jnp.mean(points, axis=0, keepdims=True), axis=1))
