"""Fixed points of maps and flows: where they are, and what the eigenvalues say about each.

`fixed_points_search` finds them, and `fixed_points_kinds` describes each.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int, PyTree

from .._base.checks import as_number, brief, is_concrete
from .._base.compiled import compiled
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.states import frozen
from .._base.text import Table, plain
from .._base.verdict import Verdict, float64_hint, names_of
from .._systems.base import AbstractSystem, check_system
from .directions import directions
from .fixed_points_guesses import as_rows
from .fixed_points_kinds import Kind, Measured, blank, described, measured
from .fixed_points_newton import End, Slowness, roundoff
from .fixed_points_search import distinct, search
from .fixed_points_table import fixed_points_table

_FEW = 16  # points that are described one by one


class FixedPoints(ShownArrays, eqx.Module):
    """The distinct fixed points that n guesses reached: `count` rows, in the order in which the guesses first reached
    them, then slow points if asked for, then rows of NaN.

    **Fields:**

    - `points` (n, N): flat states (`system.unravel` returns one as the cell has it).
    - `residuals` (n,): 2-norms of cell(x, h) − h or of dh/dt.
    - `eigenvalues` (n, N): of the step's or the velocity's Jacobian, fastest growing first.
    - `right` (n, N, N): right eigenvectors of length 1 in columns, in the same order.
    - `left` (n, N, N): left eigenvectors in rows, `left[i] @ right[i]` = 1. A row is NaN where its eigenvector cannot be
      computed in this precision (of a defective matrix). Neither left nor right eigenvectors have a derivative.
    - `timescales` (n, N): the time in which each mode decays by a factor e, −1/growth, in units of time. Negative where it
      grows, +∞ where its growth is zero to within the uncertainty of the eigenvalue.
    - `leading` (n,): the eigenvalue nearest to the boundary, which decides the kind.
    - `verdicts` (n,): `Verdict` items; `kinds` (n,): `Kind` items.
    - `converged` (n,): whether the row is a fixed point.
    - `on_kink` (n,): whether the Jacobian jumps there. Its eigenvalues are then a convention and the verdict is UNDETERMINED.
    - `reached` (n,): for each *guess* the row it ended in, −1 for none.
    - `size` (): the lower quartile of the sizes (2-norm) of the guesses, by which tolerances are measured.
    - `result`: a `RESULTS`, `successful` if none of `reached` is −1.

    `table()`, `to_dict()`, `to_dataset()` and the names leave the rows of NaN out, and `to_dict()` also the eigenvectors.
    Under `jax.vmap` every field and property has the batch as its leading axes.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[5.0]], [[1.0]], [0.0], jnp.tanh)
    >>> flow = ro.Flow(ro.to_ode(cell, ro.Forward(2)), jnp.zeros(1))
    >>> found = ro.fixed_points(flow, jnp.linspace(-0.1, 1.0, 12)[:, None])
    >>> [round(h, 3) for h in jnp.sort(found.points[found.absent_from(ro.Map(cell, jnp.zeros(1))), 0]).tolist()]
    [-0.051, 0.051]

    ```

    A line attractor keeps what an input adds along one direction: the right eigenvector of the slowest mode. How much of an
    input it keeps is the product with the left eigenvector, the selection vector (Mante et al., Nature 503, 2013):

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

    _alone = "points", 2

    @property
    def count(self) -> Int[Array, "..."]:
        """How many distinct fixed points there are: the first rows."""
        return jnp.sum(self.converged, axis=-1)

    @property
    def slow(self) -> Bool[Array, "... n"]:
        """Which rows are slow points: states that hardly move but are not fixed points."""
        return self.kinds == Kind.SLOW

    @property
    def kind_names(self) -> list:
        """The names of the kinds of the points ("NODE", …, "SLOW"), without the rows of NaN, on the host."""
        return _without_padding(names_of(Kind, self.kinds), self.kinds != Kind.NONE)

    @property
    def verdict_names(self) -> list:
        """The names of the verdicts of the points, without the rows of NaN, on the host."""
        return _without_padding(names_of(Verdict, self.verdicts), self.kinds != Kind.NONE)

    @property
    def hint(self) -> str:
        """What to try if rounding leaves the verdict of a fixed point open, on the host. Empty if all are decided, or if
        float64 would not help (on a kink)."""
        open_ = self.converged & (self.verdicts == Verdict.UNDETERMINED) & ~self.on_kink
        return float64_hint(self.points.dtype) if np.any(np.asarray(open_)) else ""

    def plot(self, runs: Any = None):
        """The points in a plane, by kind and stability, with `runs` (…, T, N) if given. A matplotlib figure (needs the `app`
        extra)."""
        from ..plot import fixed_points as draw

        return draw(self, runs)

    @compiled
    def absent_from(self, system: AbstractSystem) -> Bool[Array, "... n"]:
        """Which of these fixed points `system` does not have: its speed there is more than √u times its speed at a distance
        of one state's size.

        For the points of a flow and the network as `system` these are the equilibria that the conversion added; the other way
        round, the fixed points that it lost. Residuals are compared, not points, so the guesses of the searches do not
        matter.
        """
        check_system("system", system)
        points = jnp.where(self.converged[..., None], self.points, 0)
        system.require_constant("absent_from", points.reshape(-1, points.shape[-1])[0])
        distance = jnp.broadcast_to(self.size[..., None], self.converged.shape)
        *batch, size = points.shape
        absent = jax.vmap(partial(_is_absent, system))(points.reshape(-1, size), distance.reshape(-1))
        return self.converged & absent.reshape(batch)

    def _tables(self) -> tuple[Table, ...]:
        return (fixed_points_table(self.to_dict()),)

    def _data(self) -> dict[str, Any]:
        kinds, verdicts = self.kind_names, self.verdict_names
        points = [
            {
                "point": self.points[i],
                "kind": kinds[i],
                "verdict": verdicts[i],
                "residual": self.residuals[i],
                "leading_eigenvalue": self.leading[i],
                "eigenvalues": self.eigenvalues[i],
                "timescales": self.timescales[i],
                "on_kink": self.on_kink[i],
            }
            for i in range(len(kinds))
        ]
        ended = {"result": how_it_ended(self.result), "hint": self.hint}
        return plain({"points": points, "reached": self.reached, "size": self.size, **ended}, infinities=True)

    def _variables(self) -> Variables:
        names, m = self.kind_names, len(self.kind_names)
        return {
            "points": (("point", "unit"), self.points[:m], ""),
            "kind": (("point",), np.array(names, str), ""),
            "verdict": (("point",), np.array(self.verdict_names, str), ""),
            "residuals": (("point",), self.residuals[:m], ""),
            "eigenvalues": (("point", "mode"), self.eigenvalues[:m], "per step of a map, per unit time of a flow"),
            "right": (("point", "unit", "mode"), self.right[:m], ""),
            "left": (("point", "mode", "unit"), self.left[:m], ""),
            "timescales": (("point", "mode"), self.timescales[:m], "time"),
            "leading": (("point",), self.leading[:m], "per step of a map, per unit time of a flow"),
            "on_kink": (("point",), self.on_kink[:m], ""),
            "reached": (("guess",), self.reached, "number of the point, -1 for none"),
        }


def _without_padding(names: list, found: Bool[Array | np.ndarray, "... n"]) -> list:
    """The names where there is a point, in lists as deep as before."""
    rows = zip(names, np.asarray(found), strict=True)
    return [_without_padding(*row) for row in rows] if found.ndim > 1 else [name for name, one in rows if one]


def _is_absent(system: AbstractSystem, h: Float[Array, " N"], size: Float[Array, ""]) -> Bool[Array, ""]:
    """Returns whether a state is not a fixed point of the system; `size` is that of a typical state."""
    v = directions(8, h.shape[0], h.dtype, 4)
    steps = (size + jnp.linalg.norm(h)) * v / jnp.linalg.norm(v, axis=1, keepdims=True)
    # the system may not exist far from the point
    steps = jnp.concatenate([steps, steps / 64])
    speeds = jnp.linalg.norm(jax.vmap(system.residual)(h[None] + steps), axis=1) * jnp.repeat(
        jnp.array([1, 64], h.dtype), 8
    )
    return ~(jnp.linalg.norm(system.residual(h)) <= roundoff(h) ** 0.5 * jnp.nanmax(speeds))


def fixed_points(
    system: AbstractSystem, guesses: ArrayLike | Sequence | PyTree, *, slow: bool | float = False
) -> FixedPoints:
    """The distinct fixed points of a map or equilibria of a flow that Newton's method reaches from the guesses.

    **Arguments:**

    - `system`: a `Map` or `Flow` with a constant input, whose field does not depend on time.
    - `guesses`: flat states (n, N), or a pytree of states with that leading axis (`draw_guesses` draws some).
    - `slow`: whether to return slow points too. A number: states of at most that speed, the 2-norm of cell(x, h) − h or dh/dt
      (the q = ½‖·‖² of Sussillo & Barak is half its square). `True`: every local minimum of the speed, and every state slower
      than 1e-6 (float32: 3e-4) × (size of a guess) / (time unit), where the time unit is 1 / the median size of the
      Jacobian at the guesses. If a guess is already that slow, the search does not move it along slow directions: states
      that have settled on a nearly continuous attractor stay where they are. Slow points are merged if they are within u^¼
      (1 + ‖h‖) of each other, in units of the guesses.

    **Returns:** `FixedPoints`, with as many rows as there are guesses. A point has converged when its residual (2-norm) is at
    most 1e-12 (1e-6 in float32) in units of the guesses' lower quartile and of the system's own time, or within the rounding
    error of the residual. A guess that did not converge is in no row, and its `reached` is −1. Since all guesses together
    give the units of the search, a guess from which Newton's method sticks may reach a point or none when others change.
    Points and eigenvalues are differentiable in the system's weights and input, by the implicit function theorem.

    **Raises:** `ValueError` for a system whose input or field changes with time, and for guesses that are missing, not finite
    or of the wrong size; `TypeError` for half precision. The values of traced guesses are not checked.

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
    rows = as_rows("guesses", guesses)
    rows = rows.astype(system.as_point("each of the guesses", rows[0]).dtype)
    if jnp.finfo(rows.dtype).bits < 32:
        raise TypeError(f"fixed_points needs states of float32 or wider; guesses and system make them {rows.dtype}.")
    system.require_constant("fixed_points", rows[0])
    known = is_concrete(system, rows, limit)
    return _fixed_points(system, rows, slow, limit, next(iter(rows.devices())).platform if known else None)


def _as_slow(slow: Any) -> tuple[bool, float | None]:
    """Returns whether slow points are asked for, and up to which speed if the caller says so."""
    if isinstance(slow, bool | np.bool_):
        return bool(slow), None
    if isinstance(slow, str | list | tuple) or np.ndim(slow) != 0:
        raise TypeError(f"slow must be True, False or a speed; got {brief(slow)}.")
    limit = as_number("slow", slow)
    if not 0 < limit < float("inf"):
        raise ValueError(f"slow must be a positive, finite speed; got {limit}. slow=True takes a default one.")
    return True, limit


class _Found(NamedTuple):
    """The ends of a search, the distinct ones first, what the system is like `at` each, and which rows are in `use`; the row
    that each guess `reached`, the `size` of a state, and how the search ended."""

    ends: End
    at: Measured
    use: Bool[Array, " n"]
    reached: Int[Array, " n"]
    size: Float[Array, ""]
    result: RESULTS


def _fixed_points(
    system: AbstractSystem, guesses: Float[Array, "n N"], slow: bool, limit: ArrayLike | None, platform: str | None
) -> FixedPoints:
    with jax.default_matmul_precision("highest"):
        found = _searched(system, guesses, slow, limit, platform)
        few = is_concrete(found) and np.sum(np.asarray(found.use)) <= _FEW
        fields = (_describe_few if few else _describe)(system, found)
    return FixedPoints(**fields, reached=found.reached, size=found.size, result=found.result)


@compiled
def _searched(
    system: AbstractSystem, guesses: Float[Array, "n N"], slow: bool, limit: ArrayLike | None, platform: str | None
) -> _Found:
    still = frozen(system)
    slowness = Slowness(lambda h: still.residual(h), limit, limit is None) if slow else None
    ends, size = search(lambda h: still.equation(h), jax.lax.stop_gradient(guesses), slowness, platform)
    defined = jax.vmap(lambda h: jnp.all(jnp.isfinite(still.residual(h))))(ends.point)
    order, use, reached = distinct(ends._replace(fixed=ends.fixed & defined))
    ends = jax.lax.stop_gradient(jax.tree.map(lambda leaf: leaf[order], ends))
    measure = partial(measured, system, jax.lax.stop_gradient(size), slow)
    nothing = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), jax.eval_shape(measure, *_rows(0, ends)))
    at = jax.lax.map(lambda row: jax.lax.cond(row[0], measure, lambda _: nothing, row[1]), (use, ends))
    failed = RESULTS.guesses_not_slow if slow else RESULTS.guesses_failed
    result = RESULTS.where(jnp.any(reached < 0), failed, RESULTS.successful)  # pyright: ignore
    return _Found(ends, at, use, reached, size, result)


@compiled
def _describe(system: AbstractSystem, found: _Found) -> dict[str, Any]:
    """Returns the fields of all rows."""

    def one(use, end, at):
        return jax.lax.cond(use, partial(described, system), lambda end, _: blank(end), end, at)

    return jax.lax.map(lambda row: one(*row), (found.use, found.ends, found.at))


def _describe_few(system: AbstractSystem, found: _Found) -> dict[str, Any]:
    """Returns the fields of all rows, of known values: 1 to 2 ms for each in use, but with little to compile."""
    use, ends, at = jax.tree.map(np.asarray, (found.use, found.ends, found.at))
    empty = blank(*_rows(0, ends))
    rows = [described(system, *_rows(i, ends, at)) if is_used else empty for i, is_used in enumerate(use)]
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))


def _rows(i: int, *trees: PyTree) -> tuple[PyTree, ...]:
    return jax.tree.map(lambda leaf: leaf[i], trees)
