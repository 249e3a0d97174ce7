"""What a search for a closed orbit ended on: its multipliers, and whether it is an orbit of that period at all."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import frozen
from .._base.verdict import Verdict
from .._systems.base import AbstractSystem
from .._systems.time import Discrete
from .kinks import jumps
from .orbits_mesh import error_of, evaluated
from .orbits_newton import Ended, size_of
from .orbits_ring import Grid, starts

_UNIFORM = 120  # times at which the orbit of a flow is compared with itself, a multiple of the numbers below

TURNS = (2, 3, 4, 5, 6)  # times that the orbit of a flow may have gone round


class Multipliers(NamedTuple):
    """The multipliers (N,), largest first, the place of the trivial one (−1 for none), its error, and the verdict."""

    values: Complex[Array, " N"]
    trivial: Int[Array, ""]
    trivial_error: Float[Array, ""]
    verdict: Verdict


def split(M: Float[Array, "N N"], f: Float[Array, " N"]) -> tuple[Array, Array]:
    """Returns the monodromy matrix across the orbit (N − 1, N − 1), and the image (N,) of the direction f of the orbit in
    coordinates of which the first is along f. It should be (1, 0, …)."""
    size = jnp.linalg.norm(f)
    u = f / jnp.where(size > 0, size, 1)
    u = u.at[0].add(jnp.where(u[0] < 0, -1, 1))
    reflection = jnp.eye(len(f), dtype=M.dtype) - 2 * jnp.outer(u, u) / jnp.sum(u**2)
    turned = reflection @ M @ reflection
    return turned[1:, 1:], turned[:, 0]


def multipliers_of(system: AbstractSystem, M: Array, f: Array, on_kink: Bool[Array, ""], free: bool) -> Multipliers:
    """Returns what the monodromy matrix M says, where f is the direction of the orbit."""
    if not free:
        time = system.time if system.time.own_step else Discrete()
        values, verdict = time.judged(M, on_kink)
        return Multipliers(values, jnp.asarray(-1), jnp.asarray(jnp.nan, M.dtype), verdict)
    across, along = split(M, f)
    values, verdict = Discrete().judged(across, False)
    values = jnp.append(values, along[0].astype(values.dtype))
    order = jnp.argsort(-jnp.abs(values), stable=True)
    trivial = jnp.argmax(order == len(f) - 1)
    return Multipliers(values[order], trivial, jnp.linalg.norm(along.at[0].add(-1)), verdict)


class Described(NamedTuple):
    """What an orbit is: multipliers, the estimated error of its points, whether it is one, and the reason if not."""

    multipliers: Multipliers
    error: Float[Array, ""]
    converged: Bool[Array, ""]
    result: RESULTS


@compiled
def described(system: AbstractSystem, ended: Ended, grid: Grid, extent: Array, free: bool) -> Described:
    """Returns what an orbit is that a search from a guess of that `extent` ended on."""
    own_step = system.time.own_step
    S = frozen(ended.S)
    on_kink = _on_kink(system, S, grid) if own_step else jnp.asarray(False)
    found = multipliers_of(system, ended.linear.monodromy, ended.linear.rate[-1], on_kink, free)
    error = jnp.zeros((), S.dtype) if own_step else error_of(S, grid.widths)
    points = S[:, 0] if own_step else evaluated(S, grid.widths, jnp.arange(_UNIFORM, dtype=S.dtype) / _UNIFORM)
    size, own = size_of(points), extent_of(points)
    near = float(jnp.finfo(S.dtype).eps) ** 0.4
    rests = (own <= near * size) | ((own <= 0.01 * extent) & ~ended.converged & (ended.residual <= near * size))
    count = len(points)
    turns = [k for k in range(2, count + 1) if count % k == 0] if own_step else TURNS
    again = [jnp.max(jnp.abs(points - jnp.roll(points, count // k, axis=0))) <= near * own for k in turns]
    shorter = jnp.any(jnp.stack(again)) if again else jnp.asarray(False)
    # a constant response to a constant or to a periodic input has no shorter period than what was asked for
    rests, shorter = (rests & (free | (own_step & (count > 1)))), shorter & (free | own_step)
    result = RESULTS.where(ended.converged, RESULTS.successful, RESULTS.orbit_not_found)  # pyright: ignore
    result = RESULTS.where(ended.converged & shorter & ~rests, RESULTS.orbit_of_shorter_period, result)
    result = RESULTS.where(rests, RESULTS.orbit_at_rest, result)
    converged = ended.converged & ~rests & ~shorter
    values = jnp.where(converged, found.values, jnp.nan)
    verdict = Verdict.where(converged, found.verdict, Verdict.UNDETERMINED)
    return Described(found._replace(values=values, verdict=verdict), error, converged, result)


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
