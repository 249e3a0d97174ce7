"""Every cycle of a piecewise-linear network, from one linear solve per family of activation patterns.

The network is z' = A z + W relu(z) + c (`Pieces`). An orbit z_1 … z_p of period p with the signs s = (±1)^(p·N) solves the
linear system B_s x = C, x = |z| ≥ 0: column (t, i) of B_s is what z_(t,i) = s x contributes to z_(t+1) − F(z_t) = c, so
that another sign exchanges that column for its complement. (It is the linear complementarity problem, with p blocks; one
block per step, and not the product of the steps, so that expanding orbits lose no digits.) Regions are closed: an orbit
with a unit on its kink, z = 0, solves both patterns and is listed once.

*Pruning by proof.* Let y be a row of B_s⁻¹ with y·C = x_k < 0. Any orbit whose pattern's columns g all have y·g ≥ 0 would
need y·C ≥ 0, so that there is none (Farkas). This holds for s itself, and goes on holding whichever of the units f are
flipped whose complement g'_f has y·g'_f ≥ 0: about half of them, so that one solve disposes of the 2^(half) patterns that
agree with s on the rest, the row's *literals*. A row with x_k = 0, a kink, proves with y·g'_f > 0 that these patterns
have no orbit but this one. What is left is split at each literal in turn, the worst violated first, with the signs
flipped one at a time (a principal pivot). Random networks with 2^20 patterns take 10² to 10⁴ solves.

*Rotations.* Of the p rotations of an orbit one has its first unit's signs as a necklace (their least rotation); the search
begins with these (with their first ten letters, from the algorithm of Fredricksen, Kessler and Maiorana).

*Contraction.* Where a norm shows that the step is a contraction, a fixed point is the only orbit, at any size.

*Rounding.* y is a known float vector, and its products are known to within a rounding error; a row is used where orbits
of at most `_REACH` times the largest |c| could not make up for it. Where B_s is singular and C in its range, a linear
programme says whether a continuum of orbits crosses the pattern's region.

*Beyond the limit*: from random patterns, and from those of runs, solve, and take the pattern of the orbit that starts at
the solution's first state, until it is the solution's own (SCYFI: Eisenmann, Monfared, Göring and Durstewitz, "Bifurcations
and loss jumps in RNN training", NeurIPS 2023).
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, PRNGKeyArray

from .._base.checks import check_count
from .._base.verdict import Verdict
from .._cells.base import Pieces
from .._systems.base import AbstractSystem, check_system

_EPS = float(np.finfo(np.float64).eps)

_REACH = 1e6

_SINGULAR = 1e-11  # of the largest singular value

_SOLVES = 30_000  # at 32 unknowns; as much work at more

_BATCH = 256

_PREFIX = 10


class Coverage(NamedTuple):
    """How much of a search was done. `str(coverage)` says it in words.

    `patterns`: activation patterns of that period, up to rotation (one that begins with a necklace stands for its
    rotations); `settled` of them were solved, or excluded by proof, in `solves` linear solves; `searched`: solves of the
    random search that followed where some were left; `contraction`: whether a norm settled all of them without a solve.
    """

    patterns: int
    settled: int
    solves: int
    searched: int
    contraction: bool

    def __str__(self) -> str:
        if self.contraction:
            return "complete: the step is a contraction, so that a fixed point is its only orbit"
        if self.settled == self.patterns:
            return f"complete: {self.solves} linear solves settled all {self.patterns} patterns (up to rotation)"
        share = self.settled / self.patterns
        return (
            f"partial: {self.solves} linear solves settled {share:.3g} of 2^{math.log2(self.patterns):.1f} patterns (up to "
            f"rotation), and {self.searched} more searched from random patterns; raise `limit` for more"
        )


class Cycles(eqx.Module):
    """The orbits of one prime period of a piecewise-linear network, n of them, each once.

    **Fields:** `points` (n, period, N) states, each orbit from its least state (in the order of dictionaries) on;
    `multipliers` (n, N), eigenvalues of the product of the steps' Jacobians round the orbit, fastest growing first (units
    on a kink taken as active); `verdicts` (n,) of small disturbances, UNDETERMINED on a kink; `on_kink` (n,) whether some
    unit sits at 0 somewhere on the orbit, where there is no derivative; `residuals` (n,) the largest
    |cell(h_t) − h_(t+1)| of the cell itself; `complete` whether every activation pattern was solved or excluded by
    proof, and none left a continuum; `degenerate` the number of patterns with a continuum of orbits, which are not
    listed (a multiplier is 1 there, and the orbits touch each other); `coverage` a `Coverage`: `str` says it in words.
    """

    points: Float[Array, "n period N"]
    multipliers: Complex[Array, "n N"]
    verdicts: Verdict
    on_kink: Bool[Array, " n"]
    residuals: Float[Array, " n"]
    complete: bool = eqx.field(static=True)
    degenerate: int = eqx.field(static=True)
    coverage: Coverage = eqx.field(static=True)


def cycles(map: AbstractSystem, period: int, *, limit: int | None = None, key: PRNGKeyArray | None = None) -> Cycles:
    """Every orbit of that prime period of a piecewise-linear network with constant input; period 1: its fixed points.

    **Arguments:** `map` a `Map` of a `PiecewiseLinearCell`, or of a `VanillaCell` with `jax.nn.relu` (or affine), with an
    input (D,); `period` in steps; `limit` linear solves at most, for the proof and again for the search that follows where
    it does not suffice (`None`: 30 000, fewer beyond period·N = 32); `key` of that search. **Returns:** `Cycles`, in the
    cell's precision; found in float64 on the host, for the weights as they are. **Raises:** `TypeError` for another system
    or cell and for traced weights; `ValueError` for an input that changes with time and for a period < 1.

    Orbits with states beyond 10⁶ times the largest |W_x x + b| may be missed.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> tent = ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], jnp.zeros((2, 1)), [0.0, -0.5])
    >>> found = ro.cycles(ro.Map(tent, jnp.zeros(1)), 2)
    >>> [round(float(h[0]), 3) for h in found.points[0]], found.complete
    ([0.462, 0.692], True)

    ```
    """
    check_system("map", map)
    check_count("period", period)
    if limit is not None:
        check_count("limit", limit)
    pieces = Pieces(*map.pieces())
    problem = _Problem.of(pieces, int(period))
    limit = problem.default_limit if limit is None else int(limit)
    found = _settle(pieces, problem)
    if found is None:
        found = _prove(problem, limit)
    if found.coverage.settled < found.coverage.patterns:
        seed = np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))
        found = _search(problem, found, limit, seed)
    return _describe(map, pieces, problem, found)


class _Problem(NamedTuple):
    """The pieces repeated `period` times; unknowns are (t, i) flattened, m = period·N of them."""

    A: np.ndarray
    W: np.ndarray
    period: int
    drive: np.ndarray
    """(m,): c at each step."""
    kinked: np.ndarray
    """(m,): whether the unit's sign matters to any unit."""

    @classmethod
    def of(cls, pieces: Pieces, period: int) -> "_Problem":
        kinked = np.any(pieces.W != 0, axis=0)
        return cls(pieces.A, pieces.W, period, np.tile(pieces.c, period), np.tile(kinked, period))

    @property
    def size(self) -> int:
        return len(self.drive)

    @property
    def scale(self) -> float:
        return float(np.max(np.abs(self.drive)))

    @property
    def default_limit(self) -> int:
        return max(100, min(_SOLVES, int(_SOLVES * (32 / self.size) ** 3)))

    @property
    def batch(self) -> int:
        return max(1, min(_BATCH, 4_000_000 // self.size**2))

    def columns(self, signs):
        """B_s (n, m, m) of the signs (n, m)."""
        n, p, N = len(signs), self.period, len(self.A)
        s = signs.reshape(n, p, N)
        B = np.zeros((n, p, N, p, N))
        for t in range(p):
            B[:, (t + 1) % p, :, t] -= np.where(s[:, t, None] > 0, self.A + self.W, self.A)
            B[:, t, :, t] += np.eye(N)
        return (B * s[:, None, None]).reshape(n, self.size, self.size)

    def through_kinks(self, Y):
        """Y (…, m) times the matrix by which W's columns enter the step: what a flip adds to a column, negated."""
        shape = Y.shape
        Y = np.roll(Y.reshape(*shape[:-1], self.period, len(self.W)), -1, axis=-2)
        return (Y @ self.W).reshape(shape)

    def magnitudes(self) -> "_Problem":
        return self._replace(A=np.abs(self.A), W=np.abs(self.W))

    def run(self, z):
        """The signs (n, m) of `period` states that begin with z (n, N)."""
        states = [z]
        for _ in range(self.period - 1):
            states.append(self.step(states[-1]))
        return self.signs(np.concatenate(states, axis=1))

    def step(self, z):
        with np.errstate(over="ignore"):
            after = z @ self.A.T + np.maximum(z, 0) @ self.W.T + self.drive[: len(self.A)]
        return np.clip(after, -1e100, 1e100)

    def signs(self, z):
        return np.where((z >= 0) | ~self.kinked, 1, -1).astype(np.int8)


class _Solution(NamedTuple):
    """The solved systems of a batch of patterns."""

    signs: np.ndarray
    B: np.ndarray
    inverse: np.ndarray
    x: np.ndarray
    error: np.ndarray
    """(n, m): bound of the rounding error of x (Skeel's, with m times the unit roundoff)."""
    singular: np.ndarray

    @classmethod
    def of(cls, problem: _Problem, signs) -> "_Solution":
        B = problem.columns(signs)
        inverse = _inverses(B)
        size = np.abs(inverse)
        with np.errstate(invalid="ignore"):
            x = inverse @ problem.drive
            backward = np.einsum("nij,nj->ni", np.abs(B), np.abs(x)) + np.abs(problem.drive)
            error = 8 * problem.size * _EPS * np.einsum("nij,nj->ni", size, backward)
            condition = np.max(np.sum(size, 2), 1) * np.max(np.sum(np.abs(B), 2), 1)
        return cls(signs, B, inverse, x, error, ~(condition < 1 / _SINGULAR))

    def admissible(self, problem: _Problem):
        """(n,): whether every state lies in the closed region of its signs."""
        return ~self.singular & np.all((self.x >= -self.error) | ~problem.kinked, axis=1)


def _inverses(B):
    try:
        return np.linalg.inv(B)
    except np.linalg.LinAlgError:
        if len(B) == 1:
            return np.full_like(B, np.nan)
        half = len(B) // 2
        return np.concatenate([_inverses(B[:half]), _inverses(B[half:])])


class _Orbits(NamedTuple):
    """Orbits z (n, period, N) with their errors (n,) and kinks (n, period, N)."""

    z: np.ndarray
    error: np.ndarray
    kink: np.ndarray

    @classmethod
    def none(cls, problem: _Problem) -> "_Orbits":
        shape = (0, problem.period, len(problem.A))
        return cls(np.zeros(shape), np.zeros(0), np.zeros(shape, bool))

    @classmethod
    def of(cls, problem: _Problem, signs, x, error) -> "_Orbits":
        """Those of this prime period."""
        shape = (len(x), problem.period, len(problem.A))
        z, kink = (signs * x).reshape(shape), ((np.abs(x) <= error) & problem.kinked).reshape(shape)
        error = np.max(error, axis=1)
        prime = np.ones(len(x), bool)
        for d in _divisors(problem.period):
            prime &= np.max(np.abs(z - np.roll(z, d, axis=1)), axis=(1, 2)) > 2 * error
        return cls(z[prime], error[prime], kink[prime])

    @classmethod
    def joined(cls, parts: "list[_Orbits]") -> "_Orbits":
        return cls(*(np.concatenate(leaves) for leaves in zip(*parts, strict=True)))

    def distinct(self) -> "_Orbits":
        """One of each set of orbits that differ by a rotation and by no more than their errors."""
        centres, kept = self.z.mean(axis=1), []
        for i, (z, error) in enumerate(zip(self.z, self.error, strict=True)):
            near = np.max(np.abs(centres[kept] - centres[i]), axis=-1) <= error + self.error[kept]
            if not any(_same(z, self.z[j], error + self.error[j]) for j in np.asarray(kept, int)[near]):
                kept.append(i)
        return _Orbits(*(leaf[kept] for leaf in self))


def _same(a, b, tolerance) -> bool:
    return any(np.max(np.abs(np.roll(a, t, axis=0) - b)) <= tolerance for t in range(len(a)))


def _divisors(period: int) -> list[int]:
    return [d for d in range(1, period) if period % d == 0]


class _Found(NamedTuple):
    orbits: _Orbits
    degenerate: int
    coverage: Coverage


def _contracts(pieces: Pieces) -> bool:
    """Whether |F(z) − F(w)| ≤ q |z − w| with q < 1, in the 2-norm or in a weighted maximum norm."""
    A, W, _, _ = pieces
    if np.linalg.norm(A + W / 2, 2) + np.linalg.norm(W / 2, 2) < 1 - 1e-9:
        return True
    slopes = np.maximum(np.abs(A), np.abs(A + W))
    return bool(np.max(np.abs(np.linalg.eigvals(slopes))) < 1 - 1e-9)


def _settle(pieces: Pieces, problem: _Problem) -> _Found | None:
    """All there is to a contraction; `None` for other networks, and for one too slow to follow to its fixed point."""
    if not _contracts(pieces):
        return None
    total = _count(_roots(problem))
    found = _Found(_Orbits.none(problem), 0, Coverage(total, total, 0, 0, True))
    z = np.zeros((1, len(problem.A)))
    for _ in range(1000 if problem.period == 1 else 0):
        solution = _Solution.of(problem, problem.signs(z))
        if solution.admissible(problem)[0]:
            return found._replace(orbits=_Orbits.of(problem, solution.signs, solution.x, solution.error))
        for _ in range(100):
            z = problem.step(z)
    return None if problem.period == 1 else found


def _prenecklaces(period: int, length: int) -> list[tuple[int, ...]]:
    """The first `length` letters of the binary necklaces of that period; at full length the necklaces themselves."""
    words = []

    def extend(word, root):
        t = len(word)
        if t == length:
            if length < period or period % root == 0:
                words.append(word)
            return
        copied = word[t - root] if t else 0
        for letter in range(copied, 2):
            extend((*word, letter), root if t and letter == copied else t + 1)

    extend((), 1)
    return words


def _roots(problem: _Problem):
    """Partial patterns (n, m), 0 where free, that cover every pattern up to rotation."""
    cube = np.where(problem.kinked, 0, 1).astype(np.int8)
    if not problem.kinked.any():
        return cube[None]
    words = 2 * np.array(_prenecklaces(problem.period, min(problem.period, _PREFIX)), np.int8) - 1
    cubes = np.tile(cube, (len(words), 1)).reshape(len(words), problem.period, -1)
    cubes[:, : words.shape[1], int(np.argmax(problem.kinked))] = words
    return cubes.reshape(len(words), -1)


def _count(cubes) -> int:
    """How many patterns the partial patterns (n, m) stand for."""
    return sum(int(n) << free for free, n in enumerate(np.bincount(np.sum(cubes == 0, axis=1))))


def _prove(problem: _Problem, limit: int) -> _Found:
    """Solves and excludes patterns, family by family, depth first, until none is left or the limit is reached."""
    roots = _roots(problem)
    stack = [(roots, np.where(roots == 0, np.where(problem.drive > 0, 1, -1), roots).astype(np.int8))]
    solves, degenerate, parts = 0, 0, [_Orbits.none(problem)]
    while stack and solves < limit:
        cubes, signs = _take(stack, min(problem.batch, limit - solves))
        solves += len(cubes)
        solution = _Solution.of(problem, signs)
        ok = solution.admissible(problem)
        parts.append(_Orbits.of(problem, signs[ok], solution.x[ok], solution.error[ok]))
        literals, weight = _certificates(problem, solution, cubes == 0)
        for i in np.flatnonzero(solution.singular):
            literals[i], weight[i], orbits, continuum = _continuum(problem, solution.B[i], signs[i], cubes[i] == 0)
            parts.append(orbits)
            degenerate += continuum
        left = _split(cubes, signs, literals, weight)
        if len(left[0]):
            stack.append(left)
    total = _count(roots)
    settled = total - sum(_count(cubes) for cubes, _ in stack)
    return _Found(_Orbits.joined(parts).distinct(), degenerate, Coverage(total, settled, solves, 0, False))


def _take(stack, count: int):
    """The last `count` rows of the stack, or all of them; removes them."""
    blocks, have = [], 0
    while stack and have < count:
        cubes, signs = stack.pop()
        rest = max(0, len(cubes) - (count - have))
        if rest:
            stack.append((cubes[:rest], signs[:rest]))
        blocks.append((cubes[rest:], signs[rest:]))
        have += len(cubes) - rest
    return tuple(np.concatenate(part) for part in zip(*blocks, strict=True))


def _certificates(problem: _Problem, solution: _Solution, free):
    """For each pattern the literals (n, m) that a row's proof needs, of the free units, as few as there are; and the
    row's products y·g' (n, m) with the complements. All free units where no row proves anything."""
    Y, x, m = solution.inverse, solution.x, problem.size
    flips = -np.eye(m) - problem.through_kinks(Y)
    sizes = 1 + problem.magnitudes().through_kinks(np.abs(Y))
    columns = np.sum(np.abs(solution.B), axis=2) + np.sum(np.abs(problem.W))
    slack = 4 * m * _EPS * _REACH * problem.scale * np.einsum("nij,nj->ni", np.abs(Y), columns)
    with np.errstate(invalid="ignore"):
        wrong = (x < -np.maximum(slack, solution.error)) & problem.kinked
        kink = (np.abs(x) <= solution.error) & problem.kinked
        # The margin at a kink is a heuristic: another orbit that it hides lies within 1e6 rounding errors of this one.
        kept = np.where(wrong[:, :, None], flips >= -4 * m * _EPS * sizes, flips > 1e-6 * sizes)
    literals = ~kept & free[:, None, :]
    cost = np.where(wrong | kink, np.sum(literals, axis=2), m + 1)
    row, each = np.argmin(cost, axis=1), np.arange(len(x))
    useful = (cost[each, row] <= m)[:, None]
    return np.where(useful, literals[each, row], free), np.where(useful, flips[each, row], 0.0)


def _split(cubes, signs, literals, weight):
    """What is left of the families after the proofs: for each literal, those that agree with the pattern on the literals
    before it and not on this one; and the patterns to look at next there."""
    order = np.argsort(np.where(literals, weight, np.inf), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    counts = np.sum(literals, axis=1)
    parent = np.repeat(np.arange(len(cubes)), counts)
    nth = (np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts))[:, None]
    rank, signs = rank[parent], signs[parent]
    flipped = np.where(rank == nth, -signs, signs)
    return np.where(literals[parent] & (rank <= nth), flipped, cubes[parent]), flipped


def _continuum(problem: _Problem, B, signs, free):
    """A pattern whose system is singular: the literals and weights of a proof that it has no solution (or all free units),
    its orbits where it has just one, and whether it has a continuum of them, of this prime period."""
    U, sigma, Vt = np.linalg.svd(B)
    null = sigma <= max(10 * _SINGULAR * sigma[0], sigma[-1])
    defects = U[:, null].T @ problem.drive
    none, scale = _Orbits.none(problem), problem.scale or 1.0
    k = np.argmax(np.abs(defects))
    if np.abs(defects[k]) > 1e-8 * scale:
        y = -np.sign(defects[k]) * U[:, null][:, k]
        flips = -problem.through_kinks(y) - y @ B
        return (flips < -1e-12 * (1 + np.abs(y).sum())) & free, flips, none, False
    V = Vt[null].T
    x = Vt[~null].T @ (U[:, ~null].T @ problem.drive / sigma[~null])
    shape = (problem.period, len(problem.A), -1)
    z = np.concatenate([signs[:, None] * x[:, None], signs[:, None] * V], axis=1).reshape(shape)
    if any(np.allclose(z, np.roll(z, d, axis=0), rtol=0, atol=1e-8 * scale) for d in _divisors(problem.period)):
        return free, np.zeros_like(x), none, False
    ends = _ends(x[problem.kinked] / scale, V[problem.kinked])
    if ends is None:
        return free, np.zeros_like(x), none, False
    if np.ptp(ends, axis=0).max() > 1e-6:
        return free, np.zeros_like(x), none, True
    x = x + scale * (V @ ends[0])
    point = _Orbits.of(problem, signs[None], x[None], np.full((1, len(x)), 1e-8 * scale))
    return free, np.zeros_like(x), point, False


def _ends(x, V):
    """The two ends (2, q) in a direction at random of the set of s (q,) with x + V s ≥ 0; `None` if it is empty. States are
    in units of the drive, since the tolerances of the linear programme are absolute."""
    from scipy.optimize import linprog  # JAX's own dependency, which takes long to load and is needed here alone

    direction = np.random.default_rng(0).normal(size=V.shape[1])
    box = (-_REACH, _REACH)
    ends = [linprog(sign * direction, -V, x + 1e-9, bounds=box).x for sign in (1, -1)]
    return None if ends[0] is None or ends[1] is None else np.array(ends)


def _search(problem: _Problem, found: _Found, limit: int, seed: np.random.Generator) -> _Found:
    """Adds what SCYFI's iteration finds from random patterns, half of them those of runs from random states."""
    parts, searched = [found.orbits], 0
    signs, age = np.zeros((0, problem.size), np.int8), np.zeros(0, int)
    while searched < limit:
        count = min(problem.batch, limit - searched)
        fresh = _starts(problem, max(0, count - len(signs)), seed)
        signs, age = np.concatenate([signs, fresh])[:count], np.append(age, np.zeros(len(fresh), int))[:count] + 1
        searched += len(signs)
        solution = _Solution.of(problem, signs)
        ok = solution.admissible(problem)
        parts.append(_Orbits.of(problem, signs[ok], solution.x[ok], solution.error[ok]))
        going = ~ok & ~solution.singular & (age < 30)
        first = (signs * solution.x)[going, : len(problem.A)]
        signs, age = problem.run(np.clip(first, -1e100, 1e100)), age[going]
    orbits = _Orbits.joined(parts).distinct()
    return found._replace(orbits=orbits, coverage=found.coverage._replace(searched=searched))


def _starts(problem: _Problem, count: int, seed: np.random.Generator):
    size = (problem.scale or 1.0) * 10 ** seed.uniform(-1, 1, (count // 2, 1))
    z = size * seed.normal(size=(count // 2, len(problem.A)))
    for _ in range(100):
        z = problem.step(z)
    anywhere = seed.normal(size=(count - count // 2, problem.size))
    return np.concatenate([problem.run(z), problem.signs(anywhere)])


def _describe(map: AbstractSystem, pieces: Pieces, problem: _Problem, found: _Found) -> Cycles:
    """The orbits in the cell's own coordinates and precision, with what their eigenvalues say."""
    N = len(pieces.c)
    kind = jax.eval_shape(map.residual, jnp.zeros(N)).dtype
    z, kink = _in_order(found.orbits.z, found.orbits.kink, pieces.rectified)
    h = np.asarray(np.maximum(z, 0) if pieces.rectified else z, kind)
    on_kink = kink.any(axis=(1, 2))
    judged = [
        (_residual(map, points), *_judged(map, jnp.asarray(_monodromy(pieces, *orbit), kind), touches))
        for points, touches, orbit in zip(h, on_kink, zip(z, kink, strict=True), strict=True)
    ]
    like = (jnp.zeros((), kind), *eqx.filter_eval_shape(_judged, map, jnp.eye(N, dtype=kind), jnp.array(True)))
    none = jax.tree.map(lambda leaf: jnp.zeros((0, *leaf.shape), leaf.dtype), like)
    residuals, multipliers, verdicts = jax.tree.map(lambda *leaves: np.stack(leaves), *judged) if judged else none
    coverage, degenerate = found.coverage, found.degenerate
    complete = coverage.settled == coverage.patterns and degenerate == 0
    h, multipliers, verdicts, on_kink, residuals = jax.tree.map(
        jnp.asarray, (h, multipliers, verdicts, on_kink, residuals)
    )
    return Cycles(h, multipliers, verdicts, on_kink, residuals, complete, degenerate, coverage)


def _monodromy(pieces: Pieces, z, kink):
    """The product (N, N) of the steps' Jacobians along the states z (period, N), units on a kink active."""
    J = np.eye(len(pieces.c))
    for active in (z > 0) | kink:
        J = (pieces.A + pieces.W * active) @ J
    return J


def _in_order(z, kink, rectified: bool):
    """Each orbit from its least state on, and the orbits by their states."""
    turned = []
    for orbit, on_kink in zip(z, kink, strict=True):
        h = np.maximum(orbit, 0) if rectified else orbit
        first = np.lexsort(h.T[::-1])[0]
        turned.append(
            (np.roll(h, -first, axis=0).ravel(), np.roll(orbit, -first, axis=0), np.roll(on_kink, -first, axis=0))
        )
    turned.sort(key=lambda row: tuple(row[0]))
    return (np.array([row[i] for row in turned]).reshape(z.shape) for i in (1, 2))


@eqx.filter_jit
def _residual(map: AbstractSystem, points):
    return jnp.max(jnp.abs(jax.vmap(map.residual)(points) + points - jnp.roll(points, -1, axis=0)))


@eqx.filter_jit
def _judged(map: AbstractSystem, J, on_kink):
    multipliers, condition = map.time.modes(J)
    return multipliers, Verdict.where(on_kink, Verdict.UNDETERMINED, map.time.verdict(J, multipliers, condition))
