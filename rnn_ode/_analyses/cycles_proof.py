"""All orbits of a piecewise-linear network: activation patterns are solved, or excluded in families by proof.

*Proof.* The system of a pattern s is B_s x = c, x ≥ 0 (`cycles_patterns`). Let y be a row of B_s⁻¹ with y·c = x_k < 0. An
orbit with another pattern, whose columns g all have y·g ≥ 0, would need y·c ≥ 0, so there is none (Farkas). This holds for
s itself. It still holds after any number of units f are flipped whose complement column g'_f has y·g'_f ≥ 0: about half of
them, so that one solve excludes the 2^(half) patterns that agree with s on the others, the row's *literals*. A row with x_k
= 0, a kink, proves in the same way, with y·g'_f > 0, that these patterns have no other orbit than this one. The rest of the
family is split at each literal in turn, the worst violated first, with the signs flipped one at a time (a principal pivot).
Random networks with 2^20 patterns take 10² to 10⁴ solves.

*Contraction.* Where a norm shows that the step is a contraction, a fixed point is the only orbit, at any size.

*Rounding.* y is a known float vector, and its products are known to within a rounding error; a row is used where orbits of
at most `REACH` times the largest |c| could not make up for it. Where B_s is singular and c in its range, a linear programme
says whether a continuum of orbits crosses the pattern's region.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .._cells.base import Pieces
from .cycles_patterns import (
    EPS,
    REACH,
    SINGULAR,
    Orbits,
    Problem,
    Solution,
    divisors,
    families_up_to_rotation,
    pattern_count,
)


class Coverage(NamedTuple):
    """How much of a search was done. `str(coverage)` says it in words.

    **Fields:**

    - `patterns`: how many activation patterns of that period there are, up to rotation (one that begins with a necklace
      stands for its rotations).
    - `settled`: how many of them were solved or excluded by proof.
    - `solves`: how many linear systems were solved for that.
    - `searched`: how many more the random search solved that follows if some patterns are left.
    - `contraction`: whether a norm settled all patterns without a solve.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> contraction = ro.VanillaCell([[0.5]], [[1.0]], [1.0])
    >>> print(ro.cycles(ro.Map(contraction, jnp.zeros(1)), 1).coverage)
    complete: the step is a contraction, so that a fixed point is its only orbit

    ```
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


class Found(NamedTuple):
    """The orbits, and how many patterns have a continuum of them."""

    orbits: Orbits
    degenerate: int
    coverage: Coverage


def _contracts(pieces: Pieces) -> bool:
    """Returns whether the step F has |F(z) − F(w)| ≤ q |z − w| with q < 1, in the 2-norm or in a weighted maximum norm."""
    A, W, _, _ = pieces
    if np.linalg.norm(A + W / 2, 2) + np.linalg.norm(W / 2, 2) < 1 - 1e-9:
        return True
    slopes = np.maximum(np.abs(A), np.abs(A + W))
    return bool(np.max(np.abs(np.linalg.eigvals(slopes))) < 1 - 1e-9)


def settle_contraction(pieces: Pieces, problem: Problem) -> Found | None:
    """Returns all orbits of a contraction; `None` for other networks, and for one whose fixed point is not reached soon."""
    if not _contracts(pieces):
        return None
    total = pattern_count(families_up_to_rotation(problem))
    found = Found(Orbits.none(problem), 0, Coverage(total, total, 0, 0, True))
    z = np.zeros((1, len(problem.A)))
    for _ in range(1000 if problem.period == 1 else 0):
        solution = Solution.of(problem, problem.signs(z))
        if solution.admissible(problem)[0]:
            return found._replace(orbits=Orbits.of(problem, solution.signs, solution.x, solution.error))
        for _ in range(100):
            z = problem.step(z)
    return None if problem.period == 1 else found


def prove(problem: Problem, limit: int) -> Found:
    """Solves and excludes patterns, family by family, depth first, until none is left or `limit` systems are solved."""
    all_families = families_up_to_rotation(problem)
    first = np.where(all_families == 0, np.where(problem.drive > 0, 1, -1), all_families).astype(np.int8)
    stack = [(all_families, first)]
    solves, degenerate, parts = 0, 0, [Orbits.none(problem)]
    while stack and solves < limit:
        families, signs = _take(stack, min(problem.batch, limit - solves))
        solves += len(families)
        solution = Solution.of(problem, signs)
        ok = solution.admissible(problem)
        parts.append(Orbits.of(problem, signs[ok], solution.x[ok], solution.error[ok]))
        literals, weight = _proofs(problem, solution, families == 0)
        for i in np.flatnonzero(solution.singular):
            literals[i], weight[i], orbits, continuum = _continuum(problem, solution.B[i], signs[i], families[i] == 0)
            parts.append(orbits)
            degenerate += continuum
        left = _split(families, signs, literals, weight)
        if len(left[0]):
            stack.append(left)
    total = pattern_count(all_families)
    settled = total - sum(pattern_count(families) for families, _ in stack)
    return Found(Orbits.joined(parts).distinct(), degenerate, Coverage(total, settled, solves, 0, False))


_Block = tuple[ndarray, ndarray]  # families (n, m), and the next pattern of each


def _take(stack: list[_Block], count: int) -> _Block:
    """Removes the last `count` rows from the stack, or all of them, and returns them."""
    blocks, have = [], 0
    while stack and have < count:
        families, signs = stack.pop()
        rest = max(0, len(families) - (count - have))
        if rest:
            stack.append((families[:rest], signs[:rest]))
        blocks.append((families[rest:], signs[rest:]))
        have += len(families) - rest
    families, signs = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return families, signs


def _proofs(problem: Problem, solution: Solution, free: ndarray) -> tuple[ndarray, ndarray]:
    """Returns for each pattern the literals (n, m) of the proof that needs the fewest of the free units, and that row's
    products y·g' (n, m) with the complements. If no row proves anything, the literals are all free units."""
    Y, x, m = solution.inverse, solution.x, problem.size
    flips = -np.eye(m) - problem.through_kinks(Y)
    sizes = 1 + problem.magnitudes().through_kinks(np.abs(Y))
    columns = np.sum(np.abs(solution.B), axis=2) + np.sum(np.abs(problem.W))
    slack = 4 * m * EPS * REACH * problem.scale * np.einsum("nij,nj->ni", np.abs(Y), columns)
    with np.errstate(invalid="ignore"):
        wrong = (x < -np.maximum(slack, solution.error)) & problem.kinked
        kink = (np.abs(x) <= solution.error) & problem.kinked
        # The margin at a kink is a heuristic: another orbit that it hides lies within 1e6 rounding errors of this one.
        kept = np.where(wrong[:, :, None], flips >= -4 * m * EPS * sizes, flips > 1e-6 * sizes)
    literals = ~kept & free[:, None, :]
    cost = np.where(wrong | kink, np.sum(literals, axis=2), m + 1)
    row, each = np.argmin(cost, axis=1), np.arange(len(x))
    useful = (cost[each, row] <= m)[:, None]
    return np.where(useful, literals[each, row], free), np.where(useful, flips[each, row], 0.0)


def _split(families: ndarray, signs: ndarray, literals: ndarray, weight: ndarray) -> _Block:
    """Returns what is left of the families after the proofs, with the patterns to look at next: for each literal, the family
    that agrees with the pattern on the literals before it and not on this one."""
    order = np.argsort(np.where(literals, weight, np.inf), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    counts = np.sum(literals, axis=1)
    parent = np.repeat(np.arange(len(families)), counts)
    nth = (np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts))[:, None]
    rank, signs = rank[parent], signs[parent]
    flipped = np.where(rank == nth, -signs, signs)
    return np.where(literals[parent] & (rank <= nth), flipped, families[parent]), flipped


def _continuum(problem: Problem, B: ndarray, signs: ndarray, free: ndarray) -> tuple[ndarray, ndarray, Orbits, bool]:
    """Returns for a pattern whose system is singular: the literals and weights of a proof that it has no solution (or all
    free units); its orbit if it has only one; and whether it has a continuum of them, of this prime period."""
    U, sigma, Vt = np.linalg.svd(B)
    null = sigma <= max(10 * SINGULAR * sigma[0], sigma[-1])
    defects = U[:, null].T @ problem.drive
    none, scale = Orbits.none(problem), problem.scale or 1.0
    k = np.argmax(np.abs(defects))
    if np.abs(defects[k]) > 1e-8 * scale:
        y = -np.sign(defects[k]) * U[:, null][:, k]
        flips = -problem.through_kinks(y) - y @ B
        return (flips < -1e-12 * (1 + np.abs(y).sum())) & free, flips, none, False
    V = Vt[null].T
    x = Vt[~null].T @ (U[:, ~null].T @ problem.drive / sigma[~null])
    shape = (problem.period, len(problem.A), -1)
    z = np.concatenate([signs[:, None] * x[:, None], signs[:, None] * V], axis=1).reshape(shape)
    if any(np.allclose(z, np.roll(z, d, axis=0), rtol=0, atol=1e-8 * scale) for d in divisors(problem.period)):
        return free, np.zeros_like(x), none, False
    ends = _ends(x[problem.kinked] / scale, V[problem.kinked])
    if ends is None:
        return free, np.zeros_like(x), none, False
    if np.ptp(ends, axis=0).max() > 1e-6:
        return free, np.zeros_like(x), none, True
    x = x + scale * (V @ ends[0])
    point = Orbits.of(problem, signs[None], x[None], np.full((1, len(x)), 1e-8 * scale))
    return free, np.zeros_like(x), point, False


def _ends(x: ndarray, V: ndarray) -> ndarray | None:
    """Returns the two ends (2, q), in a random direction, of the set of s (q,) with x + V s ≥ 0; `None` if it is empty.
    States are in units of the drive, since the tolerances of the linear programme are absolute."""
    from scipy.optimize import linprog  # slow to import, and only needed here

    direction = np.random.default_rng(0).normal(size=V.shape[1])
    box = (-REACH, REACH)
    ends = [linprog(sign * direction, -V, x + 1e-9, bounds=box).x for sign in (1, -1)]
    return None if ends[0] is None or ends[1] is None else np.array(ends)
