"""Random matrices, states, cells, fields, paths and series.

Hypothesis draws the kind, the size and a seed, and NumPy fills the arrays: a program is compiled for each shape, so there are
few shapes, and a case costs milliseconds. Small matrices also come from Hypothesis' own entries, which shrink to simple ones.
"""

import random

import numpy as np
import scipy.linalg
from hypothesis import strategies as st
from properties import budget

SIZES = (1, 3)  # all that the small budget has
LARGE = (1, 2, 3, 5, 8, 17, 64, 128)
SLOW = 1 if budget.large else 2  # the least size of what compiles slowly, so that the small budget has one size of it

seeds = st.integers(0, 2**32 - 1)


def rngs():
    return st.builds(np.random.default_rng, seeds)


def sizes(least=1, most=128):
    """Numbers of units. A large budget of less than half a minute takes two of them, other ones in every run, since there is
    no time to compile more."""
    allowed = [n for n in (LARGE if budget.large else SIZES) if least <= n <= most]
    hurried = budget.large and budget.SECONDS < 30
    return st.sampled_from(sorted(random.sample(allowed, min(2, len(allowed)))) if hurried else allowed)


def _orthogonal(rng, n):
    return scipy.linalg.qr(rng.normal(size=(n, n)))[0]


def _normal(rng, n):
    """A normal matrix: plane rotations with scales, in a random basis."""
    blocks = [abs(rng.normal()) * _turn(rng.uniform(0, np.pi)) for _ in range(n // 2)]
    blocks += [rng.normal(size=(1, 1))] * (n % 2)
    Q = _orthogonal(rng, n)
    return Q @ scipy.linalg.block_diag(*blocks) @ Q.T


def _turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _defective(rng, n):
    """One Jordan block, or two, in a random orthogonal basis."""
    J = np.diag(np.where(np.arange(n) < rng.integers(1, n + 1), *rng.normal(size=2)))
    Q = _orthogonal(rng, n)
    return Q @ (J + np.diag(np.ones(n - 1), 1)) @ Q.T


def _toeplitz(rng, n):
    first, row = np.zeros(n), np.zeros(n)
    first[:3], row[:3] = rng.normal(size=3)[:n], rng.normal(size=3)[:n]
    row[0] = first[0]
    return scipy.linalg.toeplitz(first, row)


def _stochastic(rng, n):
    P = rng.exponential(size=(n, n)) * (rng.uniform(size=(n, n)) < 0.7) + 1e-3 * np.eye(n)
    return P / P.sum(axis=1, keepdims=True)


def _near_singular(rng, n):
    s = 10.0 ** np.linspace(0, -rng.uniform(1, 12), n)
    return _orthogonal(rng, n) @ np.diag(s) @ _orthogonal(rng, n)


def _graded(rng, n):
    d = 2.0 ** rng.integers(-20, 21, n)
    return d[:, None] * rng.normal(size=(n, n)) / d[None]


def _integers(rng, n):
    return rng.integers(-2, 3, (n, n)).astype(float)


def _triangular(rng, n):
    return np.triu(rng.normal(size=(n, n)))


def _near_one(rng, n):
    return np.eye(n) + 10.0 ** rng.uniform(-8, -1) * rng.normal(size=(n, n))


def _permutation(rng, n):
    return np.eye(n)[rng.permutation(n)] * rng.choice([1.0, 1.0, -1.0], n)


KINDS = {
    "Gaussian": lambda rng, n: rng.normal(size=(n, n)) / n**0.5,
    "symmetric": lambda rng, n: (lambda A: (A + A.T) / 2)(rng.normal(size=(n, n))),
    "skew": lambda rng, n: (lambda A: A - A.T)(rng.normal(size=(n, n))),
    "normal": _normal,
    "orthogonal": _orthogonal,
    "defective": _defective,
    "Toeplitz": _toeplitz,
    "stochastic": _stochastic,
    "near-singular": _near_singular,
    "graded": _graded,
    "integers": _integers,
    "triangular": _triangular,
    "near one": _near_one,
    "permutation": _permutation,
    "low rank": lambda rng, n: rng.normal(size=(n, 1)) @ rng.normal(size=(1, n)) / n,
    "zero": lambda rng, n: np.zeros((n, n)),
}
ALL = tuple(KINDS)

_entries = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.1, 1e-8, -1e-8, 1e3, 3.0])


@st.composite
def _matrices(draw, kinds, n, entries):
    n = draw(n)
    if entries and n <= 3 and draw(st.booleans()):
        return np.array(draw(st.lists(_entries, min_size=n * n, max_size=n * n))).reshape(n, n)
    return KINDS[draw(st.sampled_from(kinds))](draw(rngs()), n)


def matrices(kinds=ALL, n=None, most=128, least=1, entries=True):
    """Real matrices (N, N) in float64 of some of the kinds, or with simple entries."""
    return _matrices(kinds, sizes(least, most) if n is None else st.just(n), entries)


def stable(continuous=False, n=None, least=1, most=17, kinds=ALL, entries=True):
    """Matrices with every eigenvalue inside the unit circle, by 1e-4 to 1, or left of the imaginary axis."""
    return _stable(continuous, matrices(kinds, n, most, least, entries))


@st.composite
def _stable(draw, continuous, Ws):
    W = draw(Ws)
    margin = 10.0 ** draw(st.floats(-4, -0.05))
    values = np.linalg.eigvals(W)
    if continuous:
        return W - (values.real.max() + margin) * np.eye(len(W))
    return (1 - margin) * W / max(1, np.abs(values).max())


@st.composite
def scales(draw, decades=150):
    """A power of two within so many powers of ten of 1."""
    return 2.0 ** draw(st.integers(-int(decades * 3.32), int(decades * 3.32)))


@st.composite
def dtypes(draw):
    return draw(st.sampled_from([np.float32, np.float64]))


@st.composite
def covariances(draw, n):
    """σ of a noise: a number, one for each number of a state, or a matrix."""
    rng = draw(rngs())
    shape = draw(st.sampled_from([(), (n,), (n, n), (n, 2)]))
    spread = rng.normal(size=shape) if len(shape) == 2 else np.abs(rng.normal(size=shape))
    return spread * 10.0 ** draw(st.integers(-2, 2))
