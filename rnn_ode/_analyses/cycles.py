"""Every cycle of a piecewise-linear network.

`cycles_patterns` solves for the orbits with a given activation pattern, `cycles_proof` goes through all patterns, and
`cycles_search` continues from random patterns if there are too many.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, PRNGKeyArray

from .._base.checks import check_count, check_key, check_on_host, counted, from_host
from .._base.compiled import compiled
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, complex_number, number, plain
from .._base.verdict import Verdict, names_of
from .._cells.base import Pieces
from .._systems.base import AbstractSystem, check_system
from .cycles_patterns import Problem
from .cycles_proof import Coverage, Found, prove, settle_contraction
from .cycles_search import search


class Cycles(ShownArrays, eqx.Module):
    """The orbits of one prime period of a piecewise-linear network, n of them, each once.

    **Fields:**

    - `points` (n, period, N): states, each orbit from its least state (in lexicographic order) on.
    - `multipliers` (n, N): eigenvalues of the product of the steps' Jacobians round the orbit, fastest growing first. Units
      on a kink count as active.
    - `verdicts` (n,): of small disturbances, UNDETERMINED on a kink.
    - `on_kink` (n,): whether some unit is at 0 somewhere on the orbit, where there is no derivative.
    - `residuals` (n,): the largest |cell(h_t) − h_(t+1)| of the cell itself.
    - `complete`: whether every activation pattern was solved or excluded by proof, and none has a continuum of orbits.
    - `degenerate`: the number of patterns with a continuum of orbits, which are not listed (a multiplier is 1 there, and the
      orbits touch each other).
    - `coverage`: a `Coverage`; `str(coverage)` says in words how much was searched.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> tent = ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], jnp.zeros((2, 1)), [0.0, -0.5])
    >>> found = ro.cycles(ro.Map(tent, jnp.zeros(1)), 2)
    >>> found.points.shape, found.multipliers.real.round(2).tolist(), found.verdict_names
    ((1, 2, 2), [[-2.25, 0.0]], ['GROWS'])

    ```
    """

    points: Float[Array, "n period N"]
    multipliers: Complex[Array, "n N"]
    verdicts: Verdict
    on_kink: Bool[Array, " n"]
    residuals: Float[Array, " n"]
    complete: bool = eqx.field(static=True)
    degenerate: int = eqx.field(static=True)
    coverage: Coverage = eqx.field(static=True)

    def plot(self):
        """The orbits as closed lines. A matplotlib figure (needs the `app` extra)."""
        from ..plot import cycles as draw

        return draw(self)

    @property
    def verdict_names(self) -> list[str]:
        """The names of the verdicts, orbit by orbit, on the host."""
        return names_of(Verdict, self.verdicts)

    def _tables(self) -> tuple[Table, ...]:
        n, period, size = self.points.shape
        title = f"{counted(n, 'orbit')} of period {period}; the search is {self.coverage}."
        notes = (f"{self.degenerate} patterns have a continuum of orbits, not listed.",) if self.degenerate else ()
        rows = tuple(
            (
                verdict + (", on a kink" if kink else ""),
                complex_number(complex(multiplier)),
                number(residual, 1),
                " ".join(map(number, point[:_SHOWN])) + (" …" if size > _SHOWN else ""),
            )
            for verdict, kink, multiplier, residual, point in zip(
                self.verdict_names,
                np.asarray(self.on_kink),
                np.asarray(self.multipliers)[:, 0],
                np.asarray(self.residuals),
                np.asarray(self.points)[:, 0],
                strict=True,
            )
        )
        return (Table(_COLUMNS if n else (), rows, title, notes),)

    def _data(self) -> dict[str, Any]:
        names = "points", "multipliers", "on_kink", "residuals", "complete", "degenerate"
        found = {name: getattr(self, name) for name in names}
        return plain({**found, "verdicts": self.verdict_names, "coverage": self.coverage._asdict()}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "points": (("orbit", "step", "unit"), self.points, ""),
            "multipliers": (("orbit", "mode"), self.multipliers, f"per {self.points.shape[1]} steps"),
            "verdict": (("orbit",), np.array(self.verdict_names, str), ""),
            "on_kink": (("orbit",), self.on_kink, ""),
            "residuals": (("orbit",), self.residuals, ""),
        }


_SHOWN = 4  # numbers of a state

_COLUMNS = (
    Column("verdict"),
    Column("multiplier", ">", "the largest, of a disturbance that goes round once"),
    Column("error", ">", "the largest of a step along the orbit"),
    Column("first state"),
)


def cycles(map: AbstractSystem, period: int, *, limit: int | None = None, key: PRNGKeyArray | None = None) -> Cycles:
    """Every orbit of that prime period of a piecewise-linear network with constant input; period 1: its fixed points.

    **Arguments:**

    - `map`: a `Map` of a `PiecewiseLinearCell`, or of a `VanillaCell` with `jax.nn.relu` (or affine), with a constant input
      (D,); or any system that gives its `pieces`.
    - `period`: in steps.
    - `limit`: at most so many linear solves for the proof, and as many again for the random search that follows if the proof
      is not complete. `None`: 30 000, fewer beyond period·N = 32.
    - `key`: random key of that search.

    **Returns:** `Cycles`, in the cell's precision. Orbits are found in float64 on the host, for the weights as they are.
    Those with states beyond 10⁶ times the largest |W_x x + b| may be missed.

    **Raises:** `TypeError` for another system or cell and for traced weights; `ValueError` for an input that changes with
    time and for a period < 1.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> tent = ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], jnp.zeros((2, 1)), [0.0, -0.5])
    >>> found = ro.cycles(ro.Map(tent, jnp.zeros(1)), 2)
    >>> [round(float(h[0]), 3) for h in found.points[0]], found.complete
    ([0.462, 0.692], True)

    ```
    """
    check_system("map", map)
    check_on_host("cycles", map=map)
    check_count("period", period)
    if limit is not None:
        check_count("limit", limit)
    if key is not None:
        check_key(key)
    pieces = Pieces(*map.pieces())
    problem = Problem.of(pieces, int(period))
    limit = problem.default_limit if limit is None else int(limit)
    found = settle_contraction(pieces, problem)
    if found is None:
        found = prove(problem, limit)
    if found.coverage.settled < found.coverage.patterns:
        seed = np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))
        found = search(problem, found, limit, seed)
    return _as_cycles(map, pieces, found)


def _as_cycles(map: AbstractSystem, pieces: Pieces, found: Found) -> Cycles:
    """Returns the orbits in the cell's own coordinates and precision, with what their eigenvalues say."""
    N = len(pieces.c)
    kind = jax.eval_shape(map.residual, jnp.zeros(N)).dtype
    z, kink = _in_order(found.orbits.z, found.orbits.kink, pieces.rectified)
    h = np.asarray(np.maximum(z, 0) if pieces.rectified else z, kind)
    on_kink = np.any(kink, axis=(1, 2))
    steps = [jnp.asarray(_monodromy(pieces, *orbit), kind) for orbit in zip(z, kink, strict=True)]
    rows = [(_residual(map, points), *map.time.judged(J, at)) for points, J, at in zip(h, steps, on_kink, strict=True)]
    like = jax.ShapeDtypeStruct((), kind), *eqx.filter_eval_shape(map.time.judged, jnp.eye(N, dtype=kind), True)

    def stacked(like, *leaves):
        return from_host(np.array(leaves, like.dtype).reshape(len(leaves), *like.shape))

    residuals, multipliers, verdicts = jax.tree.map(stacked, like, *rows)
    coverage, degenerate = found.coverage, found.degenerate
    complete = coverage.settled == coverage.patterns and degenerate == 0
    return Cycles(from_host(h), multipliers, verdicts, from_host(on_kink), residuals, complete, degenerate, coverage)


def _monodromy(pieces: Pieces, z: np.ndarray, kink: np.ndarray) -> np.ndarray:
    """Returns the product (N, N) of the steps' Jacobians along the states z (period, N), with units on a kink active."""
    J = np.eye(len(pieces.c))
    for active in (z > 0) | kink:
        J = (pieces.A + pieces.W * active) @ J
    return J


def _in_order(z: np.ndarray, kink: np.ndarray, rectified: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns z and kink (n, period, N) with each orbit from its least state on, and the orbits sorted by their states."""
    rows = []
    for orbit, on_kink in zip(z, kink, strict=True):
        h = np.maximum(orbit, 0) if rectified else orbit
        turned = [np.roll(array, -np.lexsort(h.T[::-1])[0], axis=0) for array in (h, orbit, on_kink)]
        rows.append((tuple(turned[0].ravel()), *turned[1:]))
    rows.sort(key=lambda row: row[0])
    z, kink = (np.array([row[i] for row in rows], array.dtype).reshape(z.shape) for i, array in ((1, z), (2, kink)))
    return z, kink


@compiled
def _residual(map: AbstractSystem, points: Float[Array, "period N"]) -> Float[Array, ""]:
    """Returns the largest error of a step along an orbit."""
    return jnp.max(jnp.abs(jax.vmap(map.residual)(points) + points - jnp.roll(points, -1, axis=0)))
