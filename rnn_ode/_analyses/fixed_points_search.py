"""The search for fixed points: each guess is followed by itself, then the ends that are one point are put together.

Units. The caller's units mean nothing, so the search takes its own from the guesses. A state is measured by the lower
quartile of the guesses' sizes (root mean square over a guess's entries; guesses of zeros do not count), since half of them
may be far away, as those from a run that grows are. The residual r is measured by the median size of ∂r/∂h at the guesses,
one over a time for a flow. Both hardly change with the number of guesses or with copies of them. In these units the
tolerances below are plain numbers.

A guess is followed by Newton's method on r(h) with steps halved until they lower ‖r‖ (undamped, it cycles or runs off from
most guesses at a random GRU). Where that sticks, Levenberg–Marquardt starts from the same guess, and a few steps of Newton's
follow.

Slow points. Levenberg–Marquardt ends at minima of the speed q = ½‖r‖² that need not be zeros: the slow points of Sussillo &
Barak ("Opening the black box", Neural Computation 25, 2013), found to full accuracy by Newton's method on ∇q. On a manifold
along which the state hardly moves there is one about every state, and Newton's method would leave for a zero that is far
away. So a guess as slow as the tolerance τ is only moved in the directions in which it decays or grows faster than τ per
size of a state: by Gauss–Newton steps with a constant damping.

What counts as one point. A computed zero is off by about ρ = ‖J⁻¹ r‖ + ‖J⁻¹‖ e + u ‖h‖, where J = ∂r/∂h and e is the
rounding error of r, at least u (1 + ‖h‖). More is measured, because r may be a sum of terms that are much larger:
r(h + d) − r(h − d) differs from 2 J d by rounding alone for d of u^⅔ (to third order in d, that is u²). Two ends are the same
point if they are within 4 (ρ₁ + ρ₂) of each other (four, because near a zero of multiplicity m a Newton step is the distance
over m), and never beyond u^¼ (1 + ‖h‖) each. The most accurate one leads and others join it, nearest leader first, so
that a chain of neighbours does not grow into one point.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from ..linalg._solve import inv, solve

_NEWTON_STEPS = 40

_DAMPED_STEPS = 100

_POLISHING_STEPS = 5

_RELAXING_STEPS = 20

_HALVINGS = 8

_HALVED = 4  # as many steps as a halved one counts for, since Levenberg–Marquardt is the better cure

_PROBES = 8  # pairs of states at which rounding is measured

_RESIDUAL = {64: 1e-12, 32: 1e-6}

_SLOW = {64: 1e-6, 32: 3e-4}  # default speed of a slow point


class End(NamedTuple):
    """Where a guess ended: the point, how uncertain it is (ρ), a sample of how far off it may be, and whether it is a fixed
    point or a slow one."""

    point: Float[Array, " N"]
    radius: Float[Array, ""]
    errors: Float[Array, "K N"]
    fixed: Bool[Array, ""]
    slow: Bool[Array, ""]


class Slowness(NamedTuple):
    """What is asked for besides fixed points: points of a speed up to `limit`, `None` for the default one, and with
    `minima` every local minimum of the speed. `residual` is what the speed is the size of."""

    residual: Callable[[Array], Array]
    limit: Float[Array, ""] | None
    minima: bool


def roundoff(array) -> float:
    return float(jnp.finfo(array.dtype).eps)


def value_and_jacobian(function, h):
    def twice(h):
        value = function(h)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(h)
    return value, jacobian


def search(
    equation: Callable[[Array], Array], guesses: Float[Array, "n N"], slowness: Slowness | None
) -> tuple[End, Float[Array, ""]]:
    """Where each guess ends, (n, …), by the zeros of `equation`; and the size of a state."""
    size, length = _sizes(guesses)
    unit = guesses / size
    F = _scaled(equation, size, unit)
    slow = None
    if slowness is not None:
        speed, rate = _with_rate(slowness.residual, size, unit)
        bits = jnp.finfo(guesses.dtype).bits
        limit = _SLOW[bits] * guesses.shape[1] ** 0.5 if slowness.limit is None else slowness.limit / (size * rate)
        slow = Slowness(speed, jnp.asarray(limit, guesses.dtype), slowness.minima)
    ends = _each(lambda guess: _follow(F, guess, slow), unit)
    return ends._replace(point=size * ends.point, radius=size * ends.radius, errors=size * ends.errors), length


def _sizes(guesses) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The unit of a state's entries, a power of two, and the size (2-norm) of a typical state."""
    size = _quantile_of_positive(jnp.linalg.norm(guesses, axis=1) / guesses.shape[1] ** 0.5, 0.25)
    return _power_of_two(size), jnp.asarray(size * guesses.shape[1] ** 0.5)


def _scaled(function, size, guesses):
    return _with_rate(function, size, guesses)[0]


def _with_rate(function, size, guesses):
    """A function of a state in units of the guesses, and the rate (one over time) that it has been divided by: the median
    size of its derivative, or where it has none its own."""

    def plain(z):
        return function(size * z) / size

    v = jax.random.normal(jax.random.key(1), guesses.shape[1:], guesses.dtype)
    v = v / jnp.linalg.norm(v)
    values, slopes = jax.lax.map(lambda z: jax.jvp(plain, (z,), (v,)), guesses)
    speeds = _quantile_of_positive(jnp.linalg.norm(values, axis=1) / guesses.shape[1] ** 0.5, 0.5)
    rate = _power_of_two(_quantile_of_positive(jnp.linalg.norm(slopes, axis=1), 0.5, speeds))
    return (lambda z: plain(z) / rate), rate


def _quantile_of_positive(values, share: float, default: Float[Array, ""] | float = 1.0):
    positive = jnp.isfinite(values) & (values > 0)
    return jnp.where(jnp.any(positive), jnp.nanquantile(jnp.where(positive, values, jnp.nan), share), default)


def _power_of_two(value):
    """The largest one up to the value, to divide by without rounding."""
    return value / jnp.frexp(value)[0] / 2


def _each(function, rows):
    """A function of every row: side by side, but one by one on a CPU, where nothing is gained from waiting for the
    slowest."""
    return jax.lax.platform_dependent(
        rows, cpu=lambda rows: jax.lax.map(function, rows), default=lambda rows: jax.vmap(function)(rows)
    )


# Following one guess.


def _follow(F, guess, slow: Slowness | None) -> End:
    """Where Newton's method ends from the guess or, if that neither comes to rest nor is on the way to a multiple zero, from
    where Levenberg–Marquardt ends: twice round one loop, so that it is compiled once."""
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


def _widest(h):
    """The largest uncertainty that a point may have."""
    return roundoff(h) ** 0.25 * (1 + jnp.linalg.norm(h))


def _judged(F, h, settled, crawls) -> End:
    """Whether a point is a fixed point, and how uncertain its place is; `settled` if the search came to rest there, `crawls`
    if it began at a slow state, which is one of many fixed points if it moves by rounding alone."""
    r, J = value_and_jacobian(F, h)
    inverse = inv(J)
    noise = _rounding(F, J, h)
    step, widest = jnp.linalg.norm(inverse @ r), _widest(h)
    still = jnp.linalg.norm(r) <= 2 * noise
    small = still | (jnp.linalg.norm(r) <= _RESIDUAL[jnp.finfo(h.dtype).bits])
    # towards infinity ‖r‖ may vanish as well, but no Newton step is small there
    fixed = jnp.where(crawls, still, small & settled) | (small & (step <= widest))
    fixed = fixed & jnp.all(jnp.isfinite(h))
    radius = step + noise * jnp.linalg.norm(inverse) + roundoff(h) * jnp.linalg.norm(h)
    radius = jnp.where(radius <= widest / 4, radius, widest / 4)
    return End(h, radius, _errors(inverse, r, noise, radius), fixed, jnp.array(False))


def _rounding(F, J, h):
    """The rounding error of F: that of a sum of terms of order one and of h, or what is seen in differences over distances so
    short that F has no curvature there (they may show none, where F hardly changes)."""
    u, size = roundoff(h), jnp.linalg.norm(h)
    distance = u ** (2 / 3) * (1 + size / h.shape[0] ** 0.5)

    def difference(v):
        ahead, behind = h + distance * v, h - distance * v
        return jnp.linalg.norm(F(ahead) - F(behind) - J @ (ahead - behind))

    seen = jax.vmap(difference)(jax.random.normal(jax.random.key(2), (_PROBES, *h.shape), h.dtype))
    return jnp.maximum(jnp.max(seen), u * (1 + size))


def _errors(inverse, r, noise, radius):
    """By how much a zero may be missed: four times the Newton step from it (its multiplicity, as above), and what rounding
    errors in random directions make of it, each no longer than four times the radius."""
    v = jax.random.normal(jax.random.key(3), (_PROBES, *r.shape), r.dtype)
    v = v / jnp.linalg.norm(v, axis=1, keepdims=True)
    errors = jnp.concatenate([4 * r[None], 2 * noise * v]) @ inverse.T
    length, most = jnp.linalg.norm(errors, axis=1, keepdims=True), 4 * radius
    errors = jnp.where(length <= most, errors, most * errors / length)
    return jnp.where(jnp.isfinite(errors), errors, most * jnp.concatenate([v[:1], v]))


def _no_errors(h):
    return jnp.zeros((_PROBES + 1, *h.shape), h.dtype)


def _damped(F, guess):
    """Where Levenberg–Marquardt ends from the guess, and whether it came to rest."""
    # moved a little, lest it sits on top of a symmetric hill of the speed
    u, kind = roundoff(guess), guess.dtype
    nudge = u**0.5 * (1 + jnp.linalg.norm(guess)) * jax.random.normal(jax.random.key(0), guess.shape, kind)
    solver = optx.LevenbergMarquardt(u**0.75, u**0.75, linear_solver=_Dense())
    wide = jnp.result_type(float)  # that of the solver's own numbers
    search = optx.least_squares(
        lambda h, _: F(h.astype(kind)).astype(wide),
        solver,
        (guess + nudge).astype(wide),
        max_steps=_DAMPED_STEPS,
        throw=False,
    )
    return search.value.astype(kind), search.result == optx.RESULTS.successful


def _descend(function, h, count):
    """Newton's method for a zero of the function, where a step that does not lower its norm is halved and, if eight halves
    do not either, refused, which is the end; and whether it came to rest at a step of no size."""

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


def _relaxed(slow: Slowness, h):
    """A state that has come to rest in every direction but the slow ones, next to the given one."""
    eye = jnp.eye(h.shape[0], dtype=h.dtype)

    def advance(state):
        h, k, _ = state
        r, J = value_and_jacobian(slow.residual, h)
        # J is squared here, so that nothing below √u of it can be seen
        damping = jnp.maximum(slow.limit / h.shape[0] ** 0.5, 4 * roundoff(h) ** 0.5 * jnp.linalg.norm(J))
        moved = h - solve(J.T @ J + damping**2 * eye, J.T @ r)
        lower = jnp.linalg.norm(slow.residual(moved)) < 0.99 * jnp.linalg.norm(r)
        return jnp.where(lower, moved, h), k + 1, lower

    def moves(state):
        return state[2] & (state[1] < _RELAXING_STEPS)

    return jax.lax.while_loop(moves, advance, (h, jnp.zeros((), int), jnp.array(True)))[0]


def _slow_end(slow: Slowness, start, crawls) -> End:
    """The slow point where the search ended: the local minimum of the speed next to it, if there is one and the state is not
    one of many such, or else the state as it is; and whether it counts as slow."""
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
    """`linalg.solve`, safe under `vmap` on a CPU, where optimistix wants a linear solver; a tall system, as that of
    Levenberg–Marquardt, by its normal equations, whose loss of digits the polishing makes good."""

    def init(self, operator, options):
        return operator.as_matrix()

    def compute(self, state, vector, options):
        A, b = state, ravel_pytree(vector)[0]
        x = solve(A, b) if A.shape[0] == A.shape[1] else solve(A.T @ A, A.T @ b)
        return x, lx.RESULTS.successful, {}

    def transpose(self, state, options):
        return state.T, options

    def conj(self, state, options):
        return state.conj(), options

    def assume_full_rank(self):
        return True


# Which of the ends are one point.


def distinct(ends: End) -> tuple[Int[Array, " n"], Bool[Array, " n"], Int[Array, " n"]]:
    """An order of the n ends in which the distinct ones come first, fixed before slow; which rows are then in use; and
    for each guess the row of the point it reached, −1 for none."""
    leaders = _lead(ends)
    n = leaders.shape[0]
    index = jnp.arange(n)
    first = jax.ops.segment_min(index, jnp.where(leaders < 0, n, leaders), n)
    rank = jnp.where(leaders == index, first + jnp.where(ends.fixed, 0, n), 2 * n)
    order = jnp.argsort(rank, stable=True)
    row_of = jnp.zeros_like(index).at[order].set(index)
    return order, rank[order] < 2 * n, jnp.where(leaders < 0, -1, row_of[leaders])


def _lead(ends: End) -> Int[Array, " n"]:
    """For each end the one that leads its cluster (itself, if it does), −1 for what is no point.

    One pass over the ends, the most accurate first. Distances are of differences, one end at a time: the shorter way by
    ‖a‖² + ‖b‖² − 2ab would lose half the digits.
    """
    found = ends.fixed | ends.slow
    points = jnp.where(found[:, None], ends.point, 0)
    index = jnp.arange(found.shape[0])

    def visit(leaders, i):
        distance = jnp.linalg.norm(points - points[i][None], axis=1)
        near = (leaders == index) & (distance <= 4 * (ends.radius + ends.radius[i]))
        leader = jnp.where(jnp.any(near), jnp.argmin(jnp.where(near, distance, jnp.inf)), i)
        return leaders.at[i].set(jnp.where(found[i], leader, -1)), None

    order = jnp.lexsort((ends.radius, ~ends.fixed))
    return jax.lax.scan(visit, jnp.full_like(index, -1), order)[0]
