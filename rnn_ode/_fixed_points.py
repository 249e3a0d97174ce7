"""Fixed points of maps and flows: where they are, and what the eigenvalues say of each.

Every guess is followed by itself: Newton's method on the residual r(h), which is cell(x, h) − h or dh/dt, with steps
halved until they lower ‖r‖ (undamped, it cycles or runs off from most guesses at a random GRU); where that sticks,
Levenberg–Marquardt from the same guess, and a few steps of Newton's again. Levenberg–Marquardt ends at minima of the
speed q = ½‖r‖² that need not be zeros: the *slow points* of Sussillo & Barak ("Opening the black box", Neural Computation
25, 2013), found to full accuracy by Newton's method on ∇q.

What counts as one point. A computed zero is off by about ρ = ‖J⁻¹ r‖ + ‖J⁻¹‖ e, where J = ∂r/∂h and e is the rounding
error of r itself, u (‖|J| (1 + |h|)‖ + 1 + ‖h‖): the ones stand for what r is summed of, which need not be small where h
is. Two are the same if they are within 4 (ρ₁ + ρ₂) of each other (four, because near a zero of multiplicity m a Newton
step is the distance over m), and never beyond u^¼ (1 + ‖h‖) each. The most accurate one leads and others join it, nearest
leader first, so that a chain of neighbours does not grow into one point.

Kinds are named by the *leading* eigenvalue, the one nearest to the boundary (Kuznetsov, "Elements of Applied Bifurcation
Theory", 2.2, with the node whose orbits change sides at every step taken apart as a flip).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, PyTree

from ._errors import RESULTS, as_number, check_count, check_finite, check_flag
from ._kinks import surroundings
from ._linalg import inv, solve
from ._systems import AbstractSystem, check_system
from ._types import frozen
from ._verdict import Verdict, backward_error

_NEWTON_STEPS = 40
_DAMPED_STEPS = 100
_POLISHING_STEPS = 5
_HALVINGS = 8
_HALVED = 4  # as many steps as a halved one counts for, since Levenberg–Marquardt is the better cure
_RESIDUAL = {64: 1e-12, 32: 1e-6}


class Kind(eqx.Enumeration):
    """What a fixed point looks like from nearby. `Kind[item]` is the text, which begins with the name.

    The leading eigenvalue is the one nearest to the boundary, |λ| = 1 of a map or Re μ = 0 of a flow.

    ```python
    >>> import rnn_ode as ro
    >>> print(ro.Kind[ro.Kind.SADDLE])
    SADDLE: some directions grow and some decay.

    ```
    """

    NODE = "NODE: all directions grow or all decay, and the leading eigenvalue is real (of a map: and positive)."
    FOCUS = "FOCUS: all directions grow or all decay, and the leading eigenvalues are a complex pair: orbits turn."
    FLIP = (
        "FLIP: all directions grow or all decay, and the leading multiplier is negative: orbits change sides each step."
    )
    SADDLE = "SADDLE: some directions grow and some decay."
    CENTRE = "CENTRE: complex pairs lie on the boundary to within rounding, and nothing grows."
    UNDETERMINED = (
        "UNDETERMINED: a real eigenvalue lies on the boundary (a fold, a branch point, a flip, a line of fixed points, a "
        "gate that rounds to 1), the point is on a kink, or the eigenvalues are too ill conditioned to say."
    )
    SLOW = "SLOW: no fixed point, but a local minimum of the speed."
    NONE = "NONE: an empty row."


class FixedPoints(eqx.Module):
    """The distinct fixed points that n guesses reached: `count` rows, in the order in which the guesses first reached
    them, then slow points if asked for, then rows of NaN.

    **Fields:** `points` (n, N) flat states (`system.unravel` has them as the cell does); `residuals` (n,) 2-norms of
    cell(x, h) − h or of dh/dt; `eigenvalues` (n, N) of the step's or the velocity's Jacobian, fastest growing first;
    `leading` (n,) the one nearest to the boundary, which names the kind;
    `verdicts` (n,) `Verdict` items and `kinds` (n,) `Kind` items; `converged` (n,) whether the row is a fixed point;
    `on_kink` (n,) whether the Jacobian jumps there, so that its eigenvalues are a convention and the verdict UNDETERMINED;
    `reached` (n,) for each *guess* the row it ended in, −1 for none; `result` a `RESULTS`, `successful` if none is −1.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[5.0]], [[1.0]], [0.0], jnp.tanh)
    >>> flow = ro.Flow(ro.to_ode(cell, ro.Forward(2)), jnp.zeros(1))
    >>> found = ro.fixed_points(flow, jnp.linspace(-0.1, 1.0, 12)[:, None])
    >>> [round(h, 3) for h in jnp.sort(found.points[found.absent_from(ro.Map(cell, jnp.zeros(1))), 0]).tolist()]
    [-0.051, 0.051]

    ```
    """

    points: Float[Array, "n N"]
    residuals: Float[Array, " n"]
    eigenvalues: Complex[Array, "n N"]
    leading: Complex[Array, " n"]
    verdicts: Verdict
    kinds: Kind
    converged: Bool[Array, " n"]
    on_kink: Bool[Array, " n"]
    reached: Int[Array, " n"]
    result: RESULTS

    @property
    def count(self) -> Int[Array, ""]:
        """How many distinct fixed points there are: the first rows."""
        return jnp.sum(self.converged)

    @property
    def slow(self) -> Bool[Array, " n"]:
        """Which rows are slow points: minima of the speed that are not zeros of it."""
        return self.kinds == Kind.SLOW

    @property
    def kind_names(self) -> list[str]:
        """The names of the kinds, row by row ("NODE", …, "NONE"), on the host."""
        return _names(Kind, self.kinds)

    @property
    def verdict_names(self) -> list[str]:
        """The names of the verdicts, row by row, on the host."""
        return _names(Verdict, self.verdicts)

    @eqx.filter_jit
    def absent_from(self, system: AbstractSystem) -> Bool[Array, " n"]:
        """Which of these fixed points `system` does not have: there its residual is above √u (1 + ‖h‖).

        Asked of a flow's points with the network as `system`, the equilibria that the conversion added; the other way
        round, the fixed points that it lost. A residual is compared, not points, so that it does not matter which guesses
        either search was given.
        """
        points = jnp.where(self.converged[:, None], self.points, 0)
        speeds = jax.vmap(lambda h: jnp.linalg.norm(system.residual(h)))(points)
        allowed = _roundoff(points) ** 0.5 * (1 + jnp.linalg.norm(points, axis=1))
        return self.converged & ~(speeds <= allowed)


def _roundoff(array) -> float:
    return float(jnp.finfo(array.dtype).eps)


def _names(enumeration, items) -> list[str]:
    (codes,) = (np.asarray(leaf).tolist() for leaf in jax.tree.leaves(items))
    # an Enumeration reads JAX's scalars, not NumPy's
    names = {c: enumeration[jax.tree.map(lambda _, c=c: jnp.asarray(c), items)].split(":")[0] for c in set(codes)}
    return [names[c] for c in codes]


def draw_guesses(key: PRNGKeyArray, n: int, states: PyTree, spread: float = 0.0) -> Float[Array, "n N"]:
    """Guesses for `fixed_points`: states chosen at random, with replacement, each moved by Gaussian noise.

    **Arguments:** `key` a random key; `n` how many; `states` (T, …) those of a run (`ro.iterate(…).states`), as an array or
    a pytree, or one row of zeros for guesses about the origin; `spread` the standard deviation of the noise, in units of
    the state. **Returns:** flat rows (n, N). **Raises:** `ValueError` for states that are not finite or of no rows, n < 1 and
    a negative spread.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> ro.draw_guesses(jax.random.key(0), 5, jnp.zeros((1, 3)), spread=1.0).shape
    (5, 3)

    ```
    """
    check_count("n", n)
    spread = as_number("spread", spread)
    if not 0 <= spread < float("inf"):
        raise ValueError(f"spread must be a finite number of at least 0; got {spread}.")
    return _drawn(key, n, _as_rows("states", states), spread)


@partial(jax.jit, static_argnums=1)
def _drawn(key, n: int, rows, spread):
    which, noise = jax.random.split(key)
    chosen = rows[jax.random.randint(which, (n,), 0, rows.shape[0])]
    return chosen + spread * jax.random.normal(noise, chosen.shape, chosen.dtype)


def fixed_points(system: AbstractSystem, guesses: ArrayLike | Sequence | PyTree, *, slow: bool = False) -> FixedPoints:
    """The distinct fixed points of a map or equilibria of a flow that Newton's method reaches from the guesses.

    **Arguments:** `system` a `Map` or `Flow` with a constant input; `guesses` (n, N) flat states, or a pytree of states with
    that leading axis (`draw_guesses` draws some); `slow` whether to return also local minima of the speed ½‖residual‖²
    that are not fixed points, merged where they are within u^¼ (1 + ‖h‖) of each other.

    **Returns:** `FixedPoints`, of as many rows as there are guesses. A point has converged when its residual (2-norm) is at
    most 1e-12 (1e-6 in float32), or the rounding error of the residual where the states are large. What did not is in no
    row, and `reached` says so. Points are differentiable in the system's weights and input, by the implicit function
    theorem; eigenvalues too.

    **Raises:** `ValueError` for a system whose input changes with time, and for guesses of the wrong size, that are not
    finite, or none. Traced guesses are not looked at.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> network = ro.Map(lambda x, h: jnp.tanh(1.5 * h))
    >>> found = ro.fixed_points(network, jnp.array([[-1.0], [0.1], [1.0], [2.0]]))
    >>> int(found.count), [round(h, 3) + 0.0 for h in found.points[:3, 0].tolist()]
    (3, [-0.859, 0.0, 0.859])
    >>> found.verdict_names[:3]
    ['DECAYS', 'GROWS', 'DECAYS']

    ```
    """
    check_system("system", system)
    check_flag("slow", slow)
    system.require_constant("fixed_points")
    rows = _as_rows("guesses", guesses)
    return _fixed_points(system, rows.astype(system.as_point("each of the guesses", rows[0]).dtype), slow)


def _as_rows(name: str, states) -> Float[Array, "n N"]:
    """A pytree of states with a leading axis as flat rows, checked."""
    try:
        states = jax.tree.map(jnp.asarray, states, is_leaf=lambda leaf: isinstance(leaf, list))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold arrays of numbers: {error}.") from None
    leaves = jax.tree.leaves(states)
    shapes = ", ".join(str(leaf.shape) for leaf in leaves)
    if not leaves or any(leaf.ndim < 2 or leaf.shape[0] != leaves[0].shape[0] for leaf in leaves):
        raise ValueError(
            f"{name} must be flat states (n, N), or a pytree of states with a leading axis of n; got {shapes}."
        )
    if leaves[0].shape[0] == 0:
        raise ValueError(f"{name} must have at least one row; got {shapes}.")
    for leaf in leaves:
        check_finite(name, leaf)
    rows = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    if jnp.iscomplexobj(rows):
        raise TypeError(f"{name} must hold real numbers; got {rows.dtype}.")
    return rows if jnp.issubdtype(rows.dtype, jnp.floating) else rows.astype(jnp.result_type(float))


@eqx.filter_jit
def _fixed_points(system, guesses, slow) -> FixedPoints:
    with jax.default_matmul_precision("highest"):
        still = frozen(system)
        ends = _each(lambda guess: _follow(still, guess, slow), jax.lax.stop_gradient(guesses))
        rows, found, reached = _distinct(ends)
        ends = jax.tree.map(lambda leaf: leaf[rows], ends)
        describe = partial(_describe, system)
        described = jax.lax.map(
            lambda row: jax.lax.cond(row[0], describe, _blank, row[1]), (found, jax.lax.stop_gradient(ends))
        )
    result = RESULTS.where(jnp.any(reached < 0), RESULTS.guesses_failed, RESULTS.successful)  # pyright: ignore
    return FixedPoints(**described, reached=reached, result=result)


def _each(function, rows):
    """A function of every row: side by side, but one by one on a CPU, where nothing is gained from waiting for the
    slowest."""
    return jax.lax.platform_dependent(
        rows, cpu=lambda rows: jax.lax.map(function, rows), default=lambda rows: jax.vmap(function)(rows)
    )


# Following one guess.


class _End(NamedTuple):
    """Where a guess ended: the point, how uncertain it is, and whether it is a fixed point or a slow one."""

    point: Float[Array, " N"]
    radius: Float[Array, ""]
    fixed: Bool[Array, ""]
    slow: Bool[Array, ""]


def _follow(system, guess, slow: bool) -> _End:
    """Where Newton's method ends from the guess or, if that neither comes to rest nor is on the way to a multiple zero, from
    where Levenberg–Marquardt ends: twice round one loop, so that it is compiled once."""
    residual = system.residual

    def attempt(state):
        first, _, _ = state
        start, settled = jax.lax.cond(first, lambda: (guess, jnp.array(False)), lambda: _damped(residual, guess))
        h, rested = _descend(residual, start, jnp.where(first, _NEWTON_STEPS, _POLISHING_STEPS))
        settled = jnp.where(first, rested, settled)
        end = _judged(residual, h, settled)
        return jnp.array(False), first & ~settled & ~end.fixed, end

    no = jnp.array(False)
    nothing = _End(guess, jnp.zeros((), guess.dtype), no, no)
    *_, end = jax.lax.while_loop(lambda state: state[1], attempt, (jnp.array(True), jnp.array(True), nothing))
    return jax.lax.cond(end.fixed, lambda end: end, lambda end: _slow_end(residual, end), end) if slow else end


def _judged(residual, h, settled) -> _End:
    """Whether a point is a fixed point, and how uncertain its place is; `settled` if the search came to rest there."""
    u = _roundoff(h)
    r, J = _value_and_jacobian(residual, h)
    inverse, size = inv(J), jnp.linalg.norm(h)
    noise = u * (jnp.linalg.norm(jnp.abs(J) @ (1 + jnp.abs(h))) + 1 + size)
    step, widest = jnp.linalg.norm(inverse @ r), u**0.25 * (1 + size)
    small = jnp.linalg.norm(r) <= jnp.maximum(_RESIDUAL[jnp.finfo(h.dtype).bits], noise)
    # towards infinity ‖r‖ may vanish as well, but no Newton step is small there
    fixed = small & (settled | (step <= widest)) & jnp.all(jnp.isfinite(h))
    radius = 4 * (step + noise * jnp.linalg.norm(inverse) + u * size)
    return _End(h, jnp.where(radius <= widest, radius, widest), fixed, jnp.array(False))


def _damped(residual, guess):
    """Where Levenberg–Marquardt ends from the guess, and whether it came to rest."""
    # moved a little, lest it sits on top of a symmetric hill of the speed
    u = _roundoff(guess)
    nudge = u**0.5 * (1 + jnp.linalg.norm(guess)) * jax.random.normal(jax.random.key(0), guess.shape, guess.dtype)
    solver = optx.LevenbergMarquardt(u**0.75, u**0.75, linear_solver=_Dense())
    search = optx.least_squares(lambda h, _: residual(h), solver, guess + nudge, max_steps=_DAMPED_STEPS, throw=False)
    return search.value, search.result == optx.RESULTS.successful


def _value_and_jacobian(function, h):
    def twice(h):
        value = function(h)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(h)
    return value, jacobian


def _descend(function, h, count):
    """Newton's method for a zero of the function, where a step that does not lower its norm is halved and, if eight halves
    do not either, refused, which is the end; and whether it came to rest at a step of no size."""

    def advance(state):
        h, k, _, _ = state
        value, jacobian = _value_and_jacobian(function, h)
        step, size = solve(jacobian, value), jnp.linalg.norm(value)
        rested = jnp.linalg.norm(step) <= _roundoff(h) ** 0.75 * (1 + jnp.linalg.norm(h))

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


def _slow_end(residual, end: _End) -> _End:
    """The local minimum of the speed next to where the search for a zero came to rest, if there is one."""
    gradient = jax.grad(lambda h: 0.5 * jnp.sum(residual(h) ** 2))
    h, _ = _descend(gradient, end.point, 2 * _POLISHING_STEPS)
    r, J = _value_and_jacobian(residual, h)
    slope, curvature = _value_and_jacobian(gradient, h)
    tolerance = _roundoff(h) ** 0.5
    at_rest = jnp.linalg.norm(slope) <= tolerance * jnp.linalg.norm(J) * jnp.linalg.norm(r)
    curvatures = jnp.linalg.eigvalsh(curvature)
    minimum = jnp.all(curvatures > -tolerance * jnp.max(jnp.abs(curvatures)))
    widest = _roundoff(h) ** 0.25 * (1 + jnp.linalg.norm(h))
    return _End(h, widest / 2, end.fixed, at_rest & minimum & (jnp.linalg.norm(r) > 0) & jnp.all(jnp.isfinite(h)))


class _Dense(lx.AbstractLinearSolver):
    """`_linalg.solve`, safe under `vmap` on a CPU, where optimistix wants a linear solver; a tall system, as that of
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


def _distinct(ends: _End):
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


def _lead(ends: _End) -> Int[Array, " n"]:
    """For each end the one that leads its cluster (itself, if it does), −1 for what is no point.

    One pass over the ends, the most accurate first. Distances are of differences, one end at a time: the shorter way by
    ‖a‖² + ‖b‖² − 2ab would lose half the digits.
    """
    found = ends.fixed | ends.slow
    points = jnp.where(found[:, None], ends.point, 0)
    index = jnp.arange(found.shape[0])

    def visit(leaders, i):
        distance = jnp.linalg.norm(points - points[i][None], axis=1)
        near = (leaders == index) & (distance <= ends.radius + ends.radius[i])
        leader = jnp.where(jnp.any(near), jnp.argmin(jnp.where(near, distance, jnp.inf)), i)
        return leaders.at[i].set(jnp.where(found[i], leader, -1)), None

    order = jnp.lexsort((ends.radius, ~ends.fixed))
    return jax.lax.scan(visit, jnp.full_like(index, -1), order)[0]


# What is said of one point.


def _describe(system, end: _End) -> dict[str, Any]:
    h = _differentiable(system, end)
    J = system.jacobian(h)
    eigenvalues, condition = system.modes(J)
    kink, change = surroundings(system.jacobian, end.point, end.radius)
    boundary = jnp.abs(system.reading.contour(eigenvalues, jnp.zeros_like(change)) - eigenvalues)
    verdict = system.verdict(J, eigenvalues, condition)
    # of a Jacobian that is the wrong one by `change`, at a fold for instance
    moved = change * jnp.minimum(condition[0], _roundoff(h) ** -0.5)
    unsure = (verdict != Verdict.PERSISTS) & (boundary[0] <= moved)
    verdict = Verdict.where(kink | unsure | ~end.fixed, Verdict.UNDETERMINED, verdict)
    leading = jnp.argmin(jnp.where(jnp.isnan(boundary), jnp.inf, boundary))
    kind = _kind(system, verdict, eigenvalues, leading, boundary, condition * backward_error(J))
    kind = Kind.where(end.fixed, kind, Kind.SLOW)
    return {
        "points": h,
        "residuals": jnp.linalg.norm(system.residual(end.point)),
        "eigenvalues": eigenvalues,
        "leading": eigenvalues[leading],
        "verdicts": verdict,
        "kinds": kind,
        "converged": end.fixed,
        "on_kink": kink,
    }


def _blank(end: _End) -> dict[str, Any]:
    nothing, no = jnp.full_like(end.point, jnp.nan), jnp.array(False)
    eigenvalues = nothing.astype(jnp.result_type(nothing, jnp.complex64))
    return {
        "points": nothing,
        "residuals": nothing[0],
        "eigenvalues": eigenvalues,
        "leading": eigenvalues[0],
        "verdicts": Verdict.where(no, Verdict.DECAYS, Verdict.UNDETERMINED),
        "kinds": Kind.where(no, Kind.NODE, Kind.NONE),
        "converged": no,
        "on_kink": no,
    }


def _differentiable(system, end: _End) -> Float[Array, " N"]:
    """The point as it is, with the derivative that a Newton step at it has: that of the implicit function theorem."""
    residual, jacobian = _value_and_jacobian(system.residual, end.point)
    step = solve(jacobian, residual)
    moves = end.fixed & jnp.all(jnp.isfinite(step))
    return end.point - jnp.where(moves, step - jax.lax.stop_gradient(step), 0)


def _kind(system, verdict, eigenvalues, leading, boundary, reach) -> Kind:
    """The kind of a fixed point with these eigenvalues, fastest growing first, of which `leading` is the number of the one
    nearest to the boundary, each at that distance from it and known to within `reach`."""
    # a double one is ill conditioned without end, and yet moves by no more than √u
    reach = jnp.minimum(reach, _roundoff(reach) ** 0.5 * (1 + jnp.abs(eigenvalues)))
    turns, on_boundary = jnp.abs(eigenvalues.imag) > reach, boundary <= 10 * reach
    growing = verdict == Verdict.GROWS
    kind = Kind.where(system.flips(eigenvalues)[leading], Kind.FLIP, Kind.NODE)
    kind = Kind.where(turns[leading], Kind.FOCUS, kind)
    decays = (system.growth(eigenvalues) < 0) & ~on_boundary
    kind = Kind.where(growing & jnp.any(decays), Kind.SADDLE, kind)
    kind = Kind.where(verdict == Verdict.PERSISTS, Kind.CENTRE, kind)
    unclear = (verdict == Verdict.UNDETERMINED) | jnp.any(on_boundary & ~turns)
    return Kind.where(unclear, Kind.UNDETERMINED, kind)
