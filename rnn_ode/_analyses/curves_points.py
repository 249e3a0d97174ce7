"""A point of a curve of bifurcations: its tangent, its eigenvalues, its normal form, and the tests for codimension two."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy import ndarray

from .._systems.base import AbstractSystem
from .branches_points import sizes_along, tangent
from .curves_forms import Forms, coefficient
from .curves_kernels import PAIRS, Border, Local, correct, look

# the event at which each test of a kind changes its sign; "" for the last one, which counts the other unstable eigenvalues
EVENTS = {
    "fold": ("cusp", "bogdanov-takens", ""),
    "flip": ("generalised flip", "resonance 1:2", ""),
    "hopf": ("generalised hopf", "bogdanov-takens", ""),
    "neimark-sacker": (
        "generalised neimark-sacker",
        "resonance 1:1",
        "resonance 1:2",
        "resonance 1:3",
        "resonance 1:4",
        "",
    ),
}
_OF_MAPS = {"bogdanov-takens": "resonance 1:1"}  # on a curve of folds
_RESONANCES = (1.0, -1.0, -0.5, 0.0)  # cos θ
ENDS = {"hopf": (1,), "neimark-sacker": (1, 2)}
"""The tests at which a curve ends: beyond it the pair is real."""


class Point(NamedTuple):
    """A point z of the curve with its unit tangent, the eigenvalues of J (N,), the normal form's coefficient, `tests`, the
    critical eigenvectors (right, left), and the border of the equations for the points nearby."""

    z: ndarray
    tangent: ndarray
    residual: float
    values: ndarray
    coefficient: float
    tests: ndarray
    others: ndarray
    vectors: tuple[ndarray, ndarray]
    border: Border
    converged: bool
    iterations: int


class Family:
    """The points of one kind of bifurcation of the systems that `make_system(p)` returns; `system` is one of them."""

    def __init__(self, make_system: Any, kind: str, system: AbstractSystem, units: ndarray):
        self.make_system, self.kind, self.system, self.units = make_system, kind, system, units
        self.size = len(units) - 2 - (kind in PAIRS)
        self.eps = float(np.finfo(units.dtype).eps)

    def grow(self, point: Point) -> None:
        """Makes the unit of states as large as the state at a point, if it is smaller."""
        size = np.linalg.norm(point.z[: self.size].astype(float))
        self.units = np.concatenate([np.maximum(self.units[: self.size], size), self.units[self.size :]]).astype(
            self.units.dtype
        )

    def event(self, test: int) -> str:
        """Returns the name of what happens when that test changes its sign."""
        name = EVENTS[self.kind][test]
        return _OF_MAPS[name] if self.system.time.own_step and name in _OF_MAPS else name

    def first(self, guess: ndarray) -> Point:
        """Returns the point of the curve nearest to a guess."""
        border = self._border(self._look(guess, None))
        local = self._look(guess, border)
        along = tangent(_finite(local.derivative), np.ones(len(guess)), self.eps)
        return self.correct(guess, along * self.units, border, None)

    def correct(self, guess: ndarray, direction: ndarray, border: Border, near: Point | None) -> Point:
        """Returns the point in the plane through a guess across a direction, with signs as at the point `near`."""
        kind = self.units.dtype
        at, across, units = (jnp.asarray(v, kind) for v in (guess, direction, self.units))
        given = Border(*(jnp.asarray(part, kind) for part in border))
        local = correct(self.make_system, self.kind, at, across, units, given)
        return self._point(jax.device_get(local), direction, near)

    def _look(self, z: ndarray, border: Border | None) -> Local:
        count, n, kind = 1 + (self.kind in PAIRS), self.size, self.units.dtype
        eye = np.eye(n, count)
        given = border or Border(eye, eye, np.eye(count), np.eye(count), 1.0)
        given = Border(*(jnp.asarray(part, kind) for part in given))
        return jax.device_get(look(self.make_system, self.kind, jnp.asarray(z, kind), jnp.asarray(self.units), given))

    def _border(self, local: Local) -> Border:
        count = 1 + (self.kind in PAIRS)
        left, sizes, right = np.linalg.svd(_finite(local.matrix))
        left, right = left[:, -count:], right[-count:].T
        mixed = np.linalg.pinv(left.T @ right) if count == 2 else np.eye(1)
        plane = mixed @ left.T @ _finite(local.jacobian) @ right if count == 2 else np.eye(1)
        # M of one state is zero, so that its own size says nothing
        size = max(sizes[0], np.linalg.norm(_finite(local.jacobian), 2) ** count) or 1.0
        return Border(left, right, mixed, plane, size)

    def _point(self, local: Local, direction: ndarray, near: Point | None) -> Point:
        J = _finite(local.jacobian)
        values, right = np.linalg.eig(J)
        values = values.astype(complex)
        critical = self._critical(values, local)
        _, beyond = self.system.time.region.position(values, xp=np)
        border = self._border(local)
        value = complex(values[critical[0]])
        q, p = _eigenvectors(J, value, border, right[:, critical[0]], self.kind in PAIRS)
        if near is not None and self.kind not in PAIRS:
            q, p = (v * (np.sign(np.vdot(old, v).real) or 1) for v, old in zip((q, p), near.vectors, strict=True))
        forms = Forms(self.make_system, local.z)
        product = np.vdot(p, q).real
        form, size = coefficient(self.kind, forms, J, q, p, value)
        others = np.delete(np.arange(len(values)), critical)
        order = np.argsort(-beyond, kind="stable")
        kappa = float(local.z[-1])
        special = [kappa] if self.kind == "hopf" else [kappa - c for c in _RESONANCES]
        tests = np.array([form, *(special if self.kind in PAIRS else [product])])
        noise = np.append(self.eps**0.6 * size, np.full(len(tests) - 1, 16 * self.eps))
        # a test that is zero within rounding keeps its last sign
        unsure = np.abs(tests) <= noise
        tests = np.where(unsure, 0.0 if near is None else np.copysign(np.abs(tests), near.tests[:-1]), tests)
        # a fast direction does not make the others uncertain
        largest = np.max(np.abs(values))
        margin = self.eps**0.5 * np.fmin(sizes_along(J, right), largest) + 16 * self.eps * largest
        count = np.sum((beyond > margin)[others])
        return Point(
            local.z,
            tangent(_finite(local.derivative), direction / self.units, self.eps) * self.units,
            float(np.max(np.abs(local.residual))),
            values[order],
            form if self.kind in PAIRS or product == 0 else form / product,
            np.append(tests, count),
            values[others],
            (q, p),
            border,
            bool(local.converged),
            int(local.iterations),
        )

    def _critical(self, values: ndarray, local: Local) -> ndarray:
        """Returns the places of the critical eigenvalue, or of the pair, the one with a positive imaginary part first."""
        if self.kind not in PAIRS:
            shift = float(local.jacobian[0, 0] - local.matrix[0, 0])  # M = J − shift I
            return np.array([np.argmin(np.abs(values - shift))])
        kappa = float(local.z[-1])
        misses = values**2 + kappa if self.kind == "hopf" else values**2 - 2 * kappa * values + 1
        pair = np.argsort(np.abs(misses), kind="stable")[:2]
        return pair[np.argsort(-np.imag(values[pair]))]


def _eigenvectors(J: ndarray, value: complex, border: Border, right: ndarray, pair: bool) -> tuple[ndarray, ndarray]:
    """Returns the critical eigenvectors q of J and p of Jᵀ: for a real eigenvalue of length one, for a pair ⟨p, q⟩ = 1."""
    if not pair:
        q, p = border.right[:, 0], border.left[:, 0]
        return q, p * (np.sign(p @ q) or 1)
    q = right / np.linalg.norm(right)
    adjoint, left = np.linalg.eig(J.T)
    p = left[:, np.argmin(np.abs(adjoint - np.conj(value)))].astype(complex)
    product = np.vdot(p, q)
    return q, p / np.conj(product) if product else p


def _finite(A: ndarray) -> ndarray:
    """Returns the array in float64 with 0 in place of entries that are not finite, since LAPACK may not return from a NaN."""
    return np.where(np.isfinite(A), A, 0).astype(float)
