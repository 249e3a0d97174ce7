"""Where one guess ends: Newton's method, and what helps where that fails.

The search follows a guess by Newton's method on r(h), with steps halved until they lower ‖r‖. (Without halving, it cycles or
diverges from most guesses for a random GRU.) If the method sticks, Levenberg–Marquardt starts from the same guess, and a few
steps of Newton's method follow. `fixed_points_search` has chosen the units: in them the tolerances below are plain numbers.

*Slow points.* Levenberg–Marquardt ends at minima of the speed q = ½‖r‖² that need not be zeros: the slow points of Sussillo &
Barak ("Opening the black box", Neural Computation 25, 2013). Newton's method on ∇q finds them to full accuracy. On a manifold
along which the state hardly moves there is a slow point near every state, and Newton's method would move to a zero that is
far away. So a guess as slow as the tolerance τ is only moved in the directions in which it decays or grows faster than τ per
size of a state: by Gauss–Newton steps with a constant damping.

*Uncertainty.* A computed zero is off by about ρ = ‖J⁻¹ r‖ + ‖J⁻¹‖ e + u ‖h‖, where J = ∂r/∂h and e is the rounding error of
r, at least u (1 + ‖h‖). It may be more, because r may be a sum of terms that are much larger, so it is measured:
r(h + d) − r(h − d) differs from 2 J d by rounding alone for d of u^⅔ (to third order in d, that is u²).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from .._base.types import AnyArray
from ..linalg._solve import inv, solve
from .directions import directions

_NEWTON_STEPS = 40

_DAMPED_STEPS = 100

_POLISHING_STEPS = 5

_RELAXING_STEPS = 20

_HALVINGS = 8

_HALVED = 4  # a halved step counts as this many steps, since Levenberg–Marquardt is better then

_PROBES = 8  # pairs of states at which rounding is measured

_RESIDUAL = {64: 1e-12, 32: 1e-6}


class End(NamedTuple):
    """Where a guess ended: the point, its uncertainty ρ, a sample of errors that it may have, and whether it is a fixed point
    or a slow one."""

    point: Float[AnyArray, " N"]
    radius: Float[AnyArray, ""]
    errors: Float[AnyArray, "K N"]
    fixed: Bool[AnyArray, ""]
    slow: Bool[AnyArray, ""]


class Slowness(NamedTuple):
    """What to return besides fixed points: points whose speed, the size of `residual`, is at most `limit` (`None`: the
    default one), and with `minima` every local minimum of the speed."""

    residual: Callable[[Array], Array]
    limit: Float[ArrayLike, ""] | None
    minima: bool


def roundoff(array: AnyArray) -> float:
    """Returns the spacing u of the array's floats at 1."""
    return float(jnp.finfo(array.dtype).eps)


Function = Callable[[Array], Array]


def value_and_jacobian(function: Function, h: Float[Array, " N"]) -> tuple[Array, Array]:
    """Returns a function's value and its Jacobian, in one evaluation."""

    def twice(h):
        value = function(h)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(h)
    return value, jacobian


def follow(F: Function, guess: Float[Array, " N"], slow: Slowness | None) -> End:
    """Returns where Newton's method ends from the guess. If it neither comes to rest nor is on the way to a multiple zero, it
    starts again from where Levenberg–Marquardt ends. Both attempts go through one loop, which is compiled once."""
    crawls = jnp.array(False)
    if slow is not None:
        crawls = jnp.linalg.norm(slow.residual(guess)) <= slow.limit
        guess = jax.lax.cond(crawls, lambda h: _relaxed(slow, h), lambda h: h, guess)

    def attempt(state):
        first, _, _ = state
        start, settled = jax.lax.cond(first, lambda: (guess, jnp.array(False)), lambda: _damped(F, guess))
        h, rested = _descend(F, start, jnp.where(first & ~crawls, _NEWTON_STEPS, _POLISHING_STEPS))
        settled = jnp.where(first, rested, settled)
        end = _judged(F, h, settled, crawls)
        return jnp.array(False), first & ~settled & ~end.fixed & ~crawls, end

    no = jnp.array(False)
    nothing = End(guess, jnp.zeros((), guess.dtype), _no_errors(guess), no, no)
    *_, end = jax.lax.while_loop(lambda state: state[1], attempt, (jnp.array(True), jnp.array(True), nothing))
    if slow is None:
        return end
    end = end._replace(fixed=end.fixed & ~(crawls & (jnp.linalg.norm(end.point - guess) > _widest(guess))))
    start = jnp.where(crawls, guess, end.point)
    return jax.lax.cond(end.fixed, lambda _: end, lambda start: _slow_end(slow, start, crawls), start)


def _widest(h: Float[Array, " N"]) -> Float[Array, ""]:
    """Returns the largest uncertainty that a point may have."""
    return roundoff(h) ** 0.25 * (1 + jnp.linalg.norm(h))


def _judged(F: Function, h: Float[Array, " N"], settled: Bool[Array, ""], crawls: Bool[Array, ""]) -> End:
    """Returns whether a point is a fixed point, and how uncertain its place is. `settled`: the search came to rest there.
    `crawls`: it began at a slow state, which is one of many fixed points if it only moves by rounding."""
    r, J = value_and_jacobian(F, h)
    inverse = inv(J)
    noise = _rounding(F, J, h)
    step, widest = jnp.linalg.norm(inverse @ r), _widest(h)
    still = jnp.linalg.norm(r) <= 2 * noise
    small = still | (jnp.linalg.norm(r) <= _RESIDUAL[jnp.finfo(h.dtype).bits])
    # ‖r‖ may vanish towards infinity too, but there Newton steps are long
    fixed = jnp.where(crawls, still, small & settled) | (small & (step <= widest))
    fixed = fixed & jnp.all(jnp.isfinite(h))
    radius = step + noise * jnp.linalg.norm(inverse) + roundoff(h) * jnp.linalg.norm(h)
    radius = jnp.where(radius <= widest / 4, radius, widest / 4)
    return End(h, radius, _errors(inverse, r, noise, radius), fixed, jnp.array(False))


def _rounding(F: Function, J: Float[Array, "N N"], h: Float[Array, " N"]) -> Float[Array, ""]:
    """Returns the rounding error of F, the larger of two estimates. One is the rounding of a sum of terms of order one and of
    h. The other is measured by differences over distances so short that F has no curvature there (they may be 0 where F
    hardly changes)."""
    u, size = roundoff(h), jnp.linalg.norm(h)
    distance = u ** (2 / 3) * (1 + size / h.shape[0] ** 0.5)

    def difference(v):
        ahead, behind = h + distance * v, h - distance * v
        return jnp.linalg.norm(F(ahead) - F(behind) - J @ (ahead - behind))

    seen = jax.vmap(difference)(directions(_PROBES, h.shape[0], h.dtype, 2))
    return jnp.maximum(jnp.max(seen), u * (1 + size))


def _errors(
    inverse: Float[Array, "N N"], r: Float[Array, " N"], noise: Float[Array, ""], radius: Float[Array, ""]
) -> Float[Array, "K N"]:
    """Returns errors that a zero may have: four times the Newton step from it (near a zero of multiplicity m a step is the
    distance over m), and the effects of rounding errors in random directions. Each is at most four times the radius."""
    v = directions(_PROBES, r.shape[0], r.dtype, 3)
    v = v / jnp.linalg.norm(v, axis=1, keepdims=True)
    errors = jnp.concatenate([4 * r[None], 2 * noise * v]) @ inverse.T
    length, most = jnp.linalg.norm(errors, axis=1, keepdims=True), 4 * radius
    errors = jnp.where(length <= most, errors, most * errors / length)
    return jnp.where(jnp.isfinite(errors), errors, most * jnp.concatenate([v[:1], v]))


def _no_errors(h: Float[Array, " N"]) -> Float[Array, "K N"]:
    return jnp.zeros((_PROBES + 1, *h.shape), h.dtype)


def _damped(F: Function, guess: Float[Array, " N"]) -> tuple[Float[Array, " N"], Bool[Array, ""]]:
    """Returns where Levenberg–Marquardt ends from the guess, and whether it came to rest."""
    u, kind = roundoff(guess), guess.dtype
    # moved a little, because the guess may be on top of a symmetric hill of the speed
    nudge = u**0.5 * (1 + jnp.linalg.norm(guess)) * directions(1, guess.shape[0], kind, 0)[0]
    solver = optx.LevenbergMarquardt(u**0.75, u**0.75, linear_solver=_Dense())
    wide = jnp.result_type(float)  # the type of the solver's own numbers
    search = optx.least_squares(
        lambda h, _: F(h.astype(kind)).astype(wide),
        solver,
        (guess + nudge).astype(wide),
        max_steps=_DAMPED_STEPS,
        throw=False,
    )
    return search.value.astype(kind), search.result == optx.RESULTS.successful


def _descend(
    function: Function, h: Float[Array, " N"], count: Int[Array, ""] | int
) -> tuple[Float[Array, " N"], Bool[Array, ""]]:
    """Returns where Newton's method ends on the way to a zero of the function, and whether it came to rest: whether the last
    step was within rounding of 0. A step that does not lower the norm is halved; if eight halvings do not help, the method
    ends."""

    def advance(state):
        h, k, _, _ = state
        value, jacobian = value_and_jacobian(function, h)
        step, size = solve(jacobian, value), jnp.linalg.norm(value)
        rested = jnp.linalg.norm(step) <= roundoff(h) ** 0.75 * (1 + jnp.linalg.norm(h))

        def halve(trial):
            part, *_ = trial
            moved = h - part / 2 * step
            return part / 2, moved, jnp.linalg.norm(function(moved))

        def too_long(trial):
            part, _, lower = trial
            return ~(lower < size) & (part > jnp.where(rested, 1, 2.0**-_HALVINGS))

        start = (jnp.full_like(size, 2.0), h, jnp.full_like(size, jnp.inf))
        part, moved, lower = jax.lax.while_loop(too_long, halve, start)
        kept = lower < size
        return jnp.where(kept, moved, h), k + jnp.where(part < 1, _HALVED, 1), kept & ~rested, rested

    def moves(state):
        return state[2] & (state[1] < count)

    start = (h, jnp.zeros((), int), jnp.array(True), jnp.array(False))
    h, _, _, rested = jax.lax.while_loop(moves, advance, start)
    return h, rested


def _relaxed(slow: Slowness, h: Float[Array, " N"]) -> Float[Array, " N"]:
    """Returns the state near h that has come to rest in every direction but the slow ones."""
    eye = jnp.eye(h.shape[0], dtype=h.dtype)

    def advance(state):
        h, k, _ = state
        r, J = value_and_jacobian(slow.residual, h)
        # J is squared here, so parts of J below √u of its size are lost in rounding
        damping = jnp.maximum(slow.limit / h.shape[0] ** 0.5, 4 * roundoff(h) ** 0.5 * jnp.linalg.norm(J))
        moved = h - solve(J.T @ J + damping**2 * eye, J.T @ r)
        lower = jnp.linalg.norm(slow.residual(moved)) < 0.99 * jnp.linalg.norm(r)
        return jnp.where(lower, moved, h), k + 1, lower

    def moves(state):
        return state[2] & (state[1] < _RELAXING_STEPS)

    return jax.lax.while_loop(moves, advance, (h, jnp.zeros((), int), jnp.array(True)))[0]


def _slow_end(slow: Slowness, start: Float[Array, " N"], crawls: Bool[Array, ""]) -> End:
    """Returns the slow point near the end of a search: the local minimum of the speed, if there is one and the state is not
    one of many slow ones (`crawls`), or else the state as it is; and whether it counts as slow."""
    gradient = jax.grad(lambda h: 0.5 * jnp.sum(slow.residual(h) ** 2))
    least, _ = _descend(gradient, start, 2 * _POLISHING_STEPS)
    r, J = value_and_jacobian(slow.residual, least)
    slope, curvature = value_and_jacobian(gradient, least)
    tolerance = roundoff(start) ** 0.5
    at_rest = jnp.linalg.norm(slope) <= tolerance * jnp.linalg.norm(J) * jnp.linalg.norm(r)
    curvatures = jnp.linalg.eigvalsh(curvature)
    minimum = jnp.all(curvatures > -tolerance * jnp.max(jnp.abs(curvatures)))
    found = at_rest & minimum & ~crawls & jnp.all(jnp.isfinite(least))
    h = jnp.where(found, least, start)
    speed = jnp.linalg.norm(slow.residual(h))
    slow_enough = (found & slow.minima) | (speed <= slow.limit)
    finite = jnp.all(jnp.isfinite(h)) & jnp.isfinite(speed)
    return End(h, _widest(h) / 8, _no_errors(h), jnp.array(False), finite & slow_enough & (crawls | (speed > 0)))


class _Dense(lx.AbstractLinearSolver):
    """Our `solve`, which is safe under `vmap` on a CPU, as a linear solver for optimistix. It solves a tall system, such as
    that of Levenberg–Marquardt, by its normal equations. These lose digits, which the steps of Newton's method that follow
    restore."""

    def init(self, operator: lx.AbstractLinearOperator, options: dict) -> Array:
        return operator.as_matrix()

    def compute(self, state: Array, vector: Any, options: dict) -> tuple[Any, lx.RESULTS, dict]:
        A, b = state, ravel_pytree(vector)[0]
        x = solve(A, b) if A.shape[0] == A.shape[1] else solve(A.T @ A, A.T @ b)
        return x, lx.RESULTS.successful, {}

    def transpose(self, state: Array, options: dict) -> tuple[Array, dict]:
        return state.T, options

    def conj(self, state: Array, options: dict) -> tuple[Array, dict]:
        return state.conj(), options

    def assume_full_rank(self) -> bool:
        return True
