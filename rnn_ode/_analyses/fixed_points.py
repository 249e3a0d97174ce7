"""Fixed points of maps and flows: where they are, and what the eigenvalues say of each.

`fixed_points_search` finds them. Here each is described. Kinds are named by the *leading* eigenvalue, the one nearest to
the boundary (Kuznetsov, "Elements of Applied Bifurcation Theory", 2.2, with the node whose orbits change sides at every step
taken apart as a flip).

An eigenvalue λ of the Jacobian J at a computed point is off by two things. J is rounded: condition × backward error. And the
point is off by some e, which moves λ by yᴴ (J(h + e) − J(h)) x to first order, with yᴴ x = 1. A verdict which that could
change is UNDETERMINED.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, PyTree

from .._base.checks import as_number, check_count, check_finite
from .._base.results import RESULTS
from .._base.states import frozen
from .._base.verdict import Verdict, float64_hint, names_of
from .._systems.base import AbstractSystem, check_system
from ..linalg._solve import inv, solve
from ..linalg._verdict import eigenvalue_reach
from .fixed_points_search import End, Slowness, distinct, roundoff, search, value_and_jacobian
from .kinks import jumps


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

    **Fields:**

    - `points` (n, N) flat states (`system.unravel` has them as the cell does);
    - `residuals` (n,) 2-norms of cell(x, h) − h or of dh/dt;
    - `eigenvalues` (n, N) of the step's or the velocity's Jacobian, fastest growing first;
    - `right` (n, N, N) right eigenvectors of length 1 in columns, in the same order;
    - `left` (n, N, N) left eigenvectors in rows, `left[i] @ right[i]` = 1, without a derivative, as the right ones. A row is
      NaN where its eigenvector cannot be computed in this precision (of a defective matrix);
    - `timescales` (n, N) the time in which each mode decays by a factor e, −1/growth, in units of time: negative where
      it grows, +∞ where its growth is zero to within what is known of the eigenvalue;
    - `leading` (n,) the eigenvalue nearest to the boundary, which names the kind;
    - `verdicts` (n,) `Verdict` items and `kinds` (n,) `Kind` items;
    - `converged` (n,) whether the row is a fixed point;
    - `on_kink` (n,) whether the Jacobian jumps there, so that its eigenvalues are a convention and the verdict UNDETERMINED;
    - `reached` (n,) for each *guess* the row it ended in, −1 for none;
    - `size` () the size (2-norm) of the guesses, their lower quartile, by which tolerances are measured;
    - `result` a `RESULTS`, `successful` if none of `reached` is −1.

    Under `jax.vmap` every field and property has the batch as its leading axes.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[5.0]], [[1.0]], [0.0], jnp.tanh)
    >>> flow = ro.Flow(ro.to_ode(cell, ro.Forward(2)), jnp.zeros(1))
    >>> found = ro.fixed_points(flow, jnp.linspace(-0.1, 1.0, 12)[:, None])
    >>> [round(h, 3) for h in jnp.sort(found.points[found.absent_from(ro.Map(cell, jnp.zeros(1))), 0]).tolist()]
    [-0.051, 0.051]

    ```

    A line attractor keeps what an input adds along one direction. The direction is the right eigenvector of the slowest mode,
    and what of an input is kept is its product with the left one, the selection vector (Mante et al., Nature 503, 2013):

    ```python
    >>> W = jnp.array([[1.0, 0.5], [0.0, 0.5]])
    >>> at = ro.fixed_points(ro.Map(lambda x, h: W @ h), jnp.array([[1.0, 0.0]]))
    >>> slowest = int(jnp.argmax(jnp.abs(at.timescales[0])))
    >>> [round(time, 2) for time in at.timescales[0].tolist()], at.right[0, :, slowest].real.tolist()
    ([inf, 1.44], [1.0, 0.0])
    >>> at.left[0, slowest].real.round(2).tolist()
    [1.0, 1.0]

    ```
    """

    points: Float[Array, "n N"]
    residuals: Float[Array, " n"]
    eigenvalues: Complex[Array, "n N"]
    right: Complex[Array, "n N N"]
    left: Complex[Array, "n N N"]
    timescales: Float[Array, "n N"]
    leading: Complex[Array, " n"]
    verdicts: Verdict
    kinds: Kind
    converged: Bool[Array, " n"]
    on_kink: Bool[Array, " n"]
    reached: Int[Array, " n"]
    size: Float[Array, ""]
    result: RESULTS

    @property
    def count(self) -> Int[Array, "..."]:
        """How many distinct fixed points there are: the first rows."""
        return jnp.sum(self.converged, axis=-1)

    @property
    def slow(self) -> Bool[Array, "... n"]:
        """Which rows are slow points: states that hardly move, and are no fixed points."""
        return self.kinds == Kind.SLOW

    @property
    def kind_names(self) -> list:
        """The names of the kinds, row by row ("NODE", …, "NONE"), on the host."""
        return names_of(Kind, self.kinds)

    @property
    def verdict_names(self) -> list:
        """The names of the verdicts, row by row, on the host."""
        return names_of(Verdict, self.verdicts)

    @property
    def hint(self) -> str:
        """What to try where rounding leaves the verdict of a fixed point open, on the host; empty where float64 would not
        help (on a kink), or all of them are decided."""
        open_ = self.converged & (self.verdicts == Verdict.UNDETERMINED) & ~self.on_kink
        return float64_hint(self.points.dtype) if np.any(np.asarray(open_)) else ""

    @eqx.filter_jit
    def absent_from(self, system: AbstractSystem) -> Bool[Array, "... n"]:
        """Which of these fixed points `system` does not have: its speed there is more than √u times its speed at a distance
        of one state's size.

        Asked of a flow's points with the network as `system`, the equilibria that the conversion added; the other way
        round, the fixed points that it lost. A residual is compared, not points, so that it does not matter which guesses
        either search was given.
        """
        points = jnp.where(self.converged[..., None], self.points, 0)
        system.require_constant("absent_from", points.reshape(-1, points.shape[-1])[0])
        distance = jnp.broadcast_to(self.size[..., None], self.converged.shape)
        *batch, size = points.shape
        absent = jax.vmap(partial(_is_absent, system))(points.reshape(-1, size), distance.reshape(-1))
        return self.converged & absent.reshape(batch)


def _is_absent(system, h, size):
    """Whether a state is no fixed point of the system, for which a typical state has that size."""
    v = jax.random.normal(jax.random.key(4), (8, *h.shape), h.dtype)
    steps = (size + jnp.linalg.norm(h)) * v / jnp.linalg.norm(v, axis=1, keepdims=True)
    # the system may not exist far from the point
    steps = jnp.concatenate([steps, steps / 64])
    speeds = jnp.linalg.norm(jax.vmap(system.residual)(h[None] + steps), axis=1) * jnp.repeat(
        jnp.array([1, 64], h.dtype), 8
    )
    return ~(jnp.linalg.norm(system.residual(h)) <= roundoff(h) ** 0.5 * jnp.nanmax(speeds))


def draw_guesses(key: PRNGKeyArray, n: int, states: PyTree, spread: float = 0.0) -> Float[Array, "n N"]:
    """Guesses for `fixed_points`: states chosen at random, with replacement, each moved by Gaussian noise.

    **Arguments:** `key` a random key; `n` how many; `states` (T, N) those of a run (`ro.iterate(…).states`), an array or a
    pytree of arrays of two axes each, or one row of zeros for guesses about the origin; `spread` the standard deviation of
    the noise, in units of the state. **Returns:** flat rows (n, N). **Raises:** `ValueError` for states of three axes or more
    (a batch of runs is to be flattened first), that are not finite or of no rows, n < 1 and a negative spread.

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
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(states, is_leaf=lambda leaf: isinstance(leaf, list))]
    if any(len(shape) > 2 for shape in shapes):
        raise ValueError(
            f"states must be rows (T, N), one state each; got {', '.join(map(str, shapes))}. Flatten a batch of runs with "
            "states.reshape(-1, states.shape[-1]), and states of several axes with states.reshape(len(states), -1)."
        )
    return _drawn(key, n, _as_rows("states", states), spread)


@partial(jax.jit, static_argnums=1)
def _drawn(key, n: int, rows, spread):
    which, noise = jax.random.split(key)
    chosen = rows[jax.random.randint(which, (n,), 0, rows.shape[0])]
    return chosen + spread * jax.random.normal(noise, chosen.shape, chosen.dtype)


def fixed_points(
    system: AbstractSystem, guesses: ArrayLike | Sequence | PyTree, *, slow: bool | float = False
) -> FixedPoints:
    """The distinct fixed points of a map or equilibria of a flow that Newton's method reaches from the guesses.

    **Arguments:**

    - `system` a `Map` or `Flow` with a constant input, whose field does not depend on time;
    - `guesses` (n, N) flat states, or a pytree of states with that leading axis (`draw_guesses` draws some);
    - `slow` whether to return slow points too. A number: states of at most that speed, which is the 2-norm ‖cell(x, h) − h‖
      or ‖dh/dt‖ (the q = ½‖·‖² of Sussillo & Barak is half its square). `True`: every local minimum of the speed, and every
      state slower than 1e-6 (float32: 3e-4) × (size of a guess) / (time unit), where the time unit is 1 / the median size of
      the Jacobian at the guesses. If a guess is already that slow, the search does not move it along slow directions: states
      that have settled on a nearly continuous attractor stay where they are. Slow points are merged where they are within
      u^¼ (1 + ‖h‖) of each other, in units of the guesses.

    **Returns:** `FixedPoints`, of as many rows as there are guesses. A point has converged when its residual (2-norm) is at
    most 1e-12 (1e-6 in float32) in units of the guesses' lower quartile and of the system's own time, or within the rounding
    error of the residual. What did not is in no row, and `reached` says so. Points are differentiable in the system's
    weights and input, by the implicit function theorem; eigenvalues too.

    **Raises:** `ValueError` for a system whose input or field changes with time, and for guesses of the wrong size, that are
    not finite, or none; `TypeError` for half precision. Traced guesses are not looked at.

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
    slow, limit = _as_slow(slow)
    system.require_constant("fixed_points")
    rows = _as_rows("guesses", guesses)
    rows = rows.astype(system.as_point("each of the guesses", rows[0]).dtype)
    if jnp.finfo(rows.dtype).bits < 32:
        raise TypeError(f"fixed_points needs states of float32 or wider; guesses and system make them {rows.dtype}.")
    system.require_constant("fixed_points", rows[0])
    return _fixed_points(system, rows, slow, limit)


def _as_slow(slow) -> tuple[bool, float | None]:
    """Whether slow points are asked for, and up to which speed if that is said."""
    if isinstance(slow, bool | np.bool_):
        return bool(slow), None
    if isinstance(slow, str) or np.ndim(slow) != 0:
        raise TypeError(f"slow must be True, False or a speed; got {slow!r}.")
    limit = as_number("slow", slow)
    if not 0 < limit < float("inf"):
        raise ValueError(f"slow must be a positive, finite speed; got {limit}. slow=True takes a default one.")
    return True, limit


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
def _fixed_points(system, guesses, slow: bool, limit) -> FixedPoints:
    with jax.default_matmul_precision("highest"):
        still = frozen(system)
        slowness = Slowness(lambda h: still.residual(h), limit, limit is None) if slow else None
        ends, size = search(lambda h: still.equation(h), jax.lax.stop_gradient(guesses), slowness)
        defined = jax.vmap(lambda h: jnp.all(jnp.isfinite(still.residual(h))))(ends.point)
        rows, found, reached = distinct(ends._replace(fixed=ends.fixed & defined))
        ends = jax.tree.map(lambda leaf: leaf[rows], ends)
        describe = partial(_describe, system, jax.lax.stop_gradient(size), slow)
        described = jax.lax.map(
            lambda row: jax.lax.cond(row[0], describe, _blank, row[1]), (found, jax.lax.stop_gradient(ends))
        )
    failed = RESULTS.guesses_not_slow if slow else RESULTS.guesses_failed
    result = RESULTS.where(jnp.any(reached < 0), failed, RESULTS.successful)  # pyright: ignore
    return FixedPoints(**described, reached=reached, size=size, result=result)


# What is said of one point.


def _describe(system, size, slow: bool, end: End) -> dict[str, Any]:
    h = _differentiable(system, end)

    def at_rest(h):
        return system.jacobian_at_rest(h)

    J = jax.lax.cond(end.fixed, at_rest, lambda h: system.jacobian(h), h) if slow else at_rest(h)
    found = system.time.modes(J)
    eigenvalues, condition = found.values, found.balanced_condition
    right = _turned(jax.lax.stop_gradient(found.vectors))
    left = inv(right)
    moved = jax.lax.cond(end.fixed, lambda: _moved(system, end, left, right), lambda: jnp.zeros_like(condition))
    reach = eigenvalue_reach(J, condition, eigenvalues, found.balanced) + moved
    boundary = jnp.abs(system.time.region.reading.contour(eigenvalues, jnp.zeros_like(moved[0])) - eigenvalues)
    kink = jumps(at_rest, end.point, end.radius, size)
    verdict = system.time.verdict(J, found)
    unsure = (verdict != Verdict.PERSISTS) & (boundary[0] <= moved[0])
    verdict = Verdict.where(kink | unsure | ~end.fixed, Verdict.UNDETERMINED, verdict)
    leading = jnp.argmin(jnp.where(jnp.isnan(boundary), jnp.inf, boundary))
    kind = _kind(system, verdict, eigenvalues, leading, boundary, reach)
    kind = Kind.where(end.fixed, kind, Kind.SLOW)
    stays = boundary <= reach
    return {
        "points": h,
        "residuals": jnp.linalg.norm(system.residual(end.point)),
        "eigenvalues": eigenvalues,
        "right": right,
        "left": jnp.where((condition < 0.1 / roundoff(h) ** 0.5)[:, None], left, jnp.nan),
        "timescales": jnp.where(stays, jnp.inf, -1 / jnp.where(stays, 1, system.time.growth(eigenvalues))),
        "leading": eigenvalues[leading],
        "verdicts": verdict,
        "kinds": kind,
        "converged": end.fixed,
        "on_kink": kink,
    }


def _turned(vectors: Complex[Array, "N N"]) -> Complex[Array, "N N"]:
    """Returns eigenvectors, in columns, with the phase that makes the largest entry of each positive."""
    largest = jnp.take_along_axis(vectors, jnp.argmax(jnp.abs(vectors), axis=0)[None], axis=0)
    return vectors * jnp.conj(largest) / jnp.abs(largest)


def _moved(system, end: End, left, right):
    """By how much each eigenvalue may be off because the point is, to first order: yᴴ (J(h + e) − J(h − e)) x / 2, at most
    over the errors e; for eigenvectors that floats cannot tell at most u^−½ of the Jacobian's change."""

    def shift(error):
        change = (system.jacobian_at_rest(end.point + error) - system.jacobian_at_rest(end.point - error)) / 2
        most = jnp.linalg.norm(change) * roundoff(error) ** -0.5
        of_each = jnp.abs(jnp.sum((left @ change.astype(left.dtype)) * right.T, axis=1))
        return jnp.where(of_each <= most, of_each, most)

    return jnp.max(jax.lax.map(shift, end.errors), axis=0)


def _blank(end: End) -> dict[str, Any]:
    nothing, no = jnp.full_like(end.point, jnp.nan), jnp.array(False)
    eigenvalues = nothing.astype(jnp.result_type(nothing, jnp.complex64))
    vectors = jnp.full((len(nothing), len(nothing)), jnp.nan, eigenvalues.dtype)
    return {
        "points": nothing,
        "residuals": nothing[0],
        "eigenvalues": eigenvalues,
        "right": vectors,
        "left": vectors,
        "timescales": nothing,
        "leading": eigenvalues[0],
        "verdicts": Verdict.where(no, Verdict.DECAYS, Verdict.UNDETERMINED),
        "kinds": Kind.where(no, Kind.NODE, Kind.NONE),
        "converged": no,
        "on_kink": no,
    }


def _differentiable(system, end: End) -> Float[Array, " N"]:
    """The point as it is, with the derivative that a Newton step at it has: that of the implicit function theorem."""
    residual, jacobian = value_and_jacobian(system.equation, end.point)
    step = solve(jacobian, residual)
    moves = end.fixed & jnp.all(jnp.isfinite(step))
    return end.point - jnp.where(moves, step - jax.lax.stop_gradient(step), 0)


def _kind(system, verdict, eigenvalues, leading, boundary, reach) -> Kind:
    """The kind of a fixed point with these eigenvalues, fastest growing first, of which `leading` is the number of the one
    nearest to the boundary, each at that distance from it and known to within `reach`."""
    turns, on_boundary = jnp.abs(eigenvalues.imag) > reach, boundary <= 10 * reach
    growing = verdict == Verdict.GROWS
    kind = Kind.where(system.time.flips(eigenvalues)[leading], Kind.FLIP, Kind.NODE)
    kind = Kind.where(turns[leading], Kind.FOCUS, kind)
    decays = (system.time.growth(eigenvalues) < 0) & ~on_boundary
    kind = Kind.where(growing & jnp.any(decays), Kind.SADDLE, kind)
    kind = Kind.where(verdict == Verdict.PERSISTS, Kind.CENTRE, kind)
    unclear = (verdict == Verdict.UNDETERMINED) | jnp.any(on_boundary & ~turns)
    return Kind.where(unclear, Kind.UNDETERMINED, kind)
