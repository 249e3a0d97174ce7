"""Orbits of a piecewise-linear network with a given activation pattern: one linear system each.

The network is z' = A z + W relu(z) + c (`Pieces`). An orbit z_1 … z_p of period p has a *pattern*, the signs s = (±1)^(p·N)
of its units. It solves the linear system B_s x = c with x = |z| ≥ 0: column (t, i) of B_s is what z_(t,i) = s x contributes
to z_(t+1) − (A z_t + W relu(z_t)), so that another sign replaces that column by its complement. (It is a linear
complementarity problem with p blocks. With one block per step, and not the product of the steps, orbits that expand lose no
digits.) Regions are closed: an orbit with a unit on its kink, z = 0, solves the systems of both signs and is listed once.

A *family* is a partial pattern: 0 where the sign is free. An orbit has p rotations. In one of them the signs of the first
unit are a necklace, which is the least of their rotations. Families that begin with necklaces therefore cover every pattern
up to rotation.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .._cells.base import Pieces

EPS = float(np.finfo(np.float64).eps)

REACH = 1e6

SINGULAR = 1e-11  # of the largest singular value

_SOLVES = 30_000  # at 32 unknowns; as much work at more

_BATCH = 256

_PREFIX = 10  # letters of a necklace


class Problem(NamedTuple):
    """The network repeated `period` times; the m = period·N unknowns are (t, i), flattened. `drive` (m,) is c at each step,
    `kinked` (m,) whether any unit depends on the unit's sign."""

    A: ndarray
    W: ndarray
    period: int
    drive: ndarray
    kinked: ndarray

    @classmethod
    def of(cls, pieces: Pieces, period: int) -> "Problem":
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
        """How many linear systems to solve if the caller does not say."""
        return max(100, min(_SOLVES, int(_SOLVES * (32 / self.size) ** 3)))

    @property
    def batch(self) -> int:
        """How many patterns to solve at a time."""
        return max(1, min(_BATCH, 4_000_000 // self.size**2))

    def matrices(self, signs: ndarray) -> ndarray:
        """Returns B_s (n, m, m) of the signs (n, m)."""
        n, p, N = len(signs), self.period, len(self.A)
        s = signs.reshape(n, p, N)
        B = np.zeros((n, p, N, p, N))
        for t in range(p):
            B[:, (t + 1) % p, :, t] -= np.where(s[:, t, None] > 0, self.A + self.W, self.A)
            B[:, t, :, t] += np.eye(N)
        return (B * s[:, None, None]).reshape(n, self.size, self.size)

    def through_kinks(self, Y: ndarray) -> ndarray:
        """Returns Y (…, m) times the matrix (m, m) that is subtracted from the columns of B_s when their signs are flipped: W
        in each step's place."""
        shape = Y.shape
        Y = np.roll(Y.reshape(*shape[:-1], self.period, len(self.W)), -1, axis=-2)
        return (Y @ self.W).reshape(shape)

    def magnitudes(self) -> "Problem":
        """Returns the same with |A| and |W|, for bounds of rounding errors."""
        return self._replace(A=np.abs(self.A), W=np.abs(self.W))

    def run(self, z: ndarray) -> ndarray:
        """Returns the signs (n, m) of a run of `period` states from z (n, N) on."""
        states = [z]
        for _ in range(self.period - 1):
            states.append(self.step(states[-1]))
        return self.signs(np.concatenate(states, axis=1))

    def step(self, z: ndarray) -> ndarray:
        """Returns the states one step after z (n, N)."""
        with np.errstate(over="ignore"):
            after = z @ self.A.T + np.maximum(z, 0) @ self.W.T + self.drive[: len(self.A)]
        return np.clip(after, -1e100, 1e100)

    def signs(self, z: ndarray) -> ndarray:
        """Returns the signs of states; 1 where a sign does not matter."""
        return np.where((z >= 0) | ~self.kinked, 1, -1).astype(np.int8)


class Solution(NamedTuple):
    """The solved systems of n patterns. `error` (n, m) bounds the rounding error of x (Skeel's bound, with m times the unit
    roundoff)."""

    signs: ndarray
    B: ndarray
    inverse: ndarray
    x: ndarray
    error: ndarray
    singular: ndarray

    @classmethod
    def of(cls, problem: Problem, signs: ndarray) -> "Solution":
        B = problem.matrices(signs)
        inverse = _inverses(B)
        size = np.abs(inverse)
        with np.errstate(invalid="ignore"):
            x = inverse @ problem.drive
            backward = np.einsum("nij,nj->ni", np.abs(B), np.abs(x)) + np.abs(problem.drive)
            error = 8 * problem.size * EPS * np.einsum("nij,nj->ni", size, backward)
            condition = np.max(np.sum(size, 2), 1) * np.max(np.sum(np.abs(B), 2), 1)
        return cls(signs, B, inverse, x, error, ~(condition < 1 / SINGULAR))

    def admissible(self, problem: Problem) -> ndarray:
        """Returns whether every state lies in the closed region of its signs, (n,)."""
        return ~self.singular & np.all((self.x >= -self.error) | ~problem.kinked, axis=1)


def _inverses(B: ndarray) -> ndarray:
    """Returns the inverses of matrices (n, m, m), NaN for a singular one."""
    try:
        return np.linalg.inv(B)
    except np.linalg.LinAlgError:
        if len(B) == 1:
            return np.full_like(B, np.nan)
        half = len(B) // 2
        return np.concatenate([_inverses(B[:half]), _inverses(B[half:])])


class Orbits(NamedTuple):
    """Orbits z (n, period, N) with their errors (n,) and kinks (n, period, N)."""

    z: ndarray
    error: ndarray
    kink: ndarray

    @classmethod
    def none(cls, problem: Problem) -> "Orbits":
        shape = (0, problem.period, len(problem.A))
        return cls(np.zeros(shape), np.zeros(0), np.zeros(shape, bool))

    @classmethod
    def of(cls, problem: Problem, signs: ndarray, x: ndarray, error: ndarray) -> "Orbits":
        """Returns the solutions x (n, m) that have this prime period."""
        shape = (len(x), problem.period, len(problem.A))
        z, kink = (signs * x).reshape(shape), ((np.abs(x) <= error) & problem.kinked).reshape(shape)
        error = np.max(error, axis=1)
        prime = np.ones(len(x), bool)
        for d in divisors(problem.period):
            prime &= np.max(np.abs(z - np.roll(z, d, axis=1)), axis=(1, 2)) > 2 * error
        return cls(z[prime], error[prime], kink[prime])

    @classmethod
    def joined(cls, parts: "list[Orbits]") -> "Orbits":
        return cls(*(np.concatenate(leaves) for leaves in zip(*parts, strict=True)))

    def distinct(self) -> "Orbits":
        """Returns one of each set of orbits that differ by a rotation and by no more than their errors."""
        centres, kept = self.z.mean(axis=1), []
        for i, (z, error) in enumerate(zip(self.z, self.error, strict=True)):
            near = np.max(np.abs(centres[kept] - centres[i]), axis=-1) <= error + self.error[kept]
            if not any(_same(z, self.z[j], error + self.error[j]) for j in np.asarray(kept, int)[near]):
                kept.append(i)
        return Orbits(*(leaf[kept] for leaf in self))


def _same(a: ndarray, b: ndarray, tolerance: float) -> bool:
    return any(np.max(np.abs(np.roll(a, t, axis=0) - b)) <= tolerance for t in range(len(a)))


def divisors(period: int) -> list[int]:
    """Returns the divisors of the period that are smaller than it."""
    return [d for d in range(1, period) if period % d == 0]


def _prenecklaces(period: int, length: int) -> list[tuple[int, ...]]:
    """Returns the first `length` letters of the binary necklaces of that period; at full length the necklaces themselves
    (by the algorithm of Fredricksen, Kessler and Maiorana)."""
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


def families_up_to_rotation(problem: Problem) -> ndarray:
    """Returns families (n, m) that cover every pattern up to rotation."""
    free = np.where(problem.kinked, 0, 1).astype(np.int8)
    if not problem.kinked.any():
        return free[None]
    words = 2 * np.array(_prenecklaces(problem.period, min(problem.period, _PREFIX)), np.int8) - 1
    families = np.tile(free, (len(words), 1)).reshape(len(words), problem.period, -1)
    families[:, : words.shape[1], int(np.argmax(problem.kinked))] = words
    return families.reshape(len(words), -1)


def pattern_count(families: ndarray) -> int:
    """Returns how many patterns the families (n, m) have."""
    return sum(int(n) << free for free, n in enumerate(np.bincount(np.sum(families == 0, axis=1))))
