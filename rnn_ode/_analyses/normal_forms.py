"""Normal forms: the coefficient that decides what a bifurcation looks like, and what it says in words.

On the centre manifold a fixed point at which an eigenvalue is on the boundary of stability obeys a polynomial in one real or
complex variable. Its first coefficient that is not zero is computed from the derivatives A, B and C of the rule, of first,
second and third order, and the eigenvectors A q = λ q, Aᵀ p = λ̄ p with ⟨q, q⟩ = ⟨p, q⟩ = 1 (Kuznetsov, "Elements of Applied
Bifurcation Theory", 3rd ed., 5.4 and 8.7; p is conjugated in ⟨p, q⟩):

- fold: a = ½ ⟨p, B(q, q)⟩; the largest entry of q is positive;
- Hopf: l₁ = Re(⟨p, C(q, q, q̄)⟩ − 2 ⟨p, B(q, A⁻¹ B(q, q̄))⟩ + ⟨p, B(q̄, (2iω − A)⁻¹ B(q, q))⟩) / 2ω;
- Neimark–Sacker: a = ½ Re e⁻ⁱᶿ(⟨p, C(q, q, q̄)⟩ + 2 ⟨p, B(q, (1 − A)⁻¹ B(q, q̄))⟩ + ⟨p, B(q̄, (e²ⁱᶿ − A)⁻¹ B(q, q))⟩);
- flip: c = ⅙ ⟨p, C(q, q, q)⟩ + ½ ⟨p, B(q, (1 − A)⁻¹ B(q, q))⟩;
- branch point: ½ ⟨p, B(q, q)⟩ if that is not zero (transcritical), or else that of the pitchfork, ⅙ ⟨p, C(q, q, q)⟩ −
  ½ ⟨p, B(q, L⁻¹ B(q, q))⟩, where L is A − 1 of a map or A of a flow, inverted across q.

The coefficients have the units of the state in them: l₁ is per square of a state.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array
from numpy import ndarray

from .._base.checks import from_host
from .._base.compiled import compiled
from .branches_kernels import MakeSystem
from .branches_points import sizes_along


class NormalForm(NamedTuple):
    """A coefficient, NaN for a bifurcation that has none, and what it says in words."""

    coefficient: float
    criticality: str


@compiled
def _derivatives(make_system: MakeSystem, z: Array, u: Array, v: Array, w: Array) -> tuple[Array, Array]:
    """Returns B(u, v) and C(u, v, w) at a state z = (h, p)."""
    rule = make_system(z[-1]).rule

    def along(function, direction):
        return lambda h: jax.jvp(function, (h,), (direction,))[1]

    twice = along(along(rule, u), v)
    return jax.jvp(twice, (z[:-1],), (w,))


class Forms:
    """The derivatives of a rule at a state z = (h, p), on the host: J, and B and C of complex vectors."""

    def __init__(self, make_system: MakeSystem, z: ndarray, J: ndarray):
        self.make_system, self.z, self.J = make_system, z, J

    def B(self, u: ndarray, v: ndarray) -> ndarray:
        return sum(a * b * self._real(x, y, y)[0] for a, x in _parts(u) for b, y in _parts(v))  # pyright: ignore

    def C(self, u: ndarray, v: ndarray, w: ndarray) -> ndarray:
        parts = _parts(u), _parts(v), _parts(w)
        return sum(  # pyright: ignore
            a * b * c * self._real(x, y, t)[1] for a, x in parts[0] for b, y in parts[1] for c, t in parts[2]
        )

    def _real(self, *vectors: ndarray) -> tuple[ndarray, ndarray]:
        rows = (from_host(np.asarray(vector, self.z.dtype)) for vector in (self.z, *vectors))
        return jax.device_get(_derivatives(self.make_system, *rows))


def _parts(v: ndarray) -> list[tuple[float | complex, ndarray]]:
    """Returns the real and the imaginary part of a vector with their factors, without parts that are zero."""
    found = [(1.0, np.real(v)), (1j, np.imag(v))]
    return [(factor, part) for factor, part in found if np.any(part)] or [(1.0, np.real(v))]


_SEVERAL = "undecided: another eigenvalue is critical too"


def normal_form(
    kind: str, critical: complex, forms: Forms, by_p: ndarray, size: float, eps: float, flow: bool
) -> NormalForm:
    """Returns the normal form of a bifurcation with that critical eigenvalue. `by_p` (N,) is the derivative of the residual
    by the parameter, `size` that of a typical state."""
    compute = _COMPUTE.get(kind)
    if compute is None or not np.all(np.isfinite(forms.J)):
        return NormalForm(float("nan"), "")
    with np.errstate(all="ignore"):
        if _is_multiple(forms.J.astype(float), critical, eps):
            return NormalForm(float("nan"), _SEVERAL)
        q, p = _eigenvectors(forms.J.astype(float), critical)
        if not (np.all(np.isfinite(q)) and np.all(np.isfinite(p))):
            return NormalForm(float("nan"), "undecided: the critical eigenvector is not known")
        try:
            terms, words = compute(forms, critical, q, p, by_p, size * eps**0.4, flow)
        except np.linalg.LinAlgError:  # a singular matrix
            return NormalForm(float("nan"), _SEVERAL)
    value, scale = float(np.sum(terms).real), float(np.sum(np.abs(terms)))
    if not np.isfinite(value):
        return NormalForm(float("nan"), words or "undecided: strong resonance")
    if abs(value) <= eps**0.5 * scale:
        words = "degenerate"
    return NormalForm(value, words)


def _is_multiple(J: ndarray, value: complex, eps: float) -> bool:
    """Returns whether J may have several eigenvalues at a value. What counts is the size of J in their directions: another
    fast direction does not make two slow ones equal."""
    values, right = np.linalg.eig(J)
    k = np.argmin(np.abs(values - value))
    near = eps**0.5 * np.fmin(sizes_along(J, right)[k], np.max(np.abs(values)))
    return int(np.sum(np.abs(values - value) <= near)) > 1


def _eigenvectors(J: ndarray, value: complex) -> tuple[ndarray, ndarray]:
    """Returns q of length 1 and p, conjugated, with p · q = 1, of the eigenvalue nearest to a value; real for a real one."""
    values, right = np.linalg.eig(J)
    q = right[:, np.argmin(np.abs(values - value))]
    values, left = np.linalg.eig(J.T)
    p = left[:, np.argmin(np.abs(values - value))]
    if not np.imag(value):
        q, p = (np.real(v / v[np.argmax(np.abs(v))]) for v in (q, p))
    q = q / np.linalg.norm(q)
    return q, p / (p @ q)


def _sign(value: float, below: str = "supercritical", above: str = "subcritical") -> str:
    return below if value < 0 else above


def _fold(forms: Forms, critical, q, p, by_p, near, flow):
    a = 0.5 * p @ forms.B(q, q)
    return [a], _sign(a * (p @ by_p), "two points above", "two points below")


def _hopf(forms: Forms, critical, q, p, by_p, near, flow):
    A, omega, n = forms.J.astype(float), abs(critical.imag), len(q)
    if critical.imag < 0:
        q, p = q.conj(), p.conj()
    even = np.linalg.solve(A, forms.B(q, q.conj()))
    twice = np.linalg.solve(2j * omega * np.eye(n) - A, forms.B(q, q))
    terms = [p @ forms.C(q, q, q.conj()), -2 * p @ forms.B(q, even), p @ forms.B(q.conj(), twice)]
    terms = np.real(terms) / (2 * omega)
    return terms, _sign(np.sum(terms))


def circle_coefficient(forms: Forms, critical: complex) -> tuple[complex, ndarray]:
    """Returns d of w ↦ λ w (1 + d |w|²) at a Neimark–Sacker point, and the eigenvector q."""
    q, p = _eigenvectors(forms.J.astype(float), critical)
    return complex(np.sum(_circle_terms(forms, critical, q, p))), q


def _circle_terms(forms: Forms, critical: complex, q: ndarray, p: ndarray) -> ndarray:
    A, turn, n = forms.J.astype(float), critical / abs(critical), len(q)
    even = np.linalg.solve(np.eye(n) - A, forms.B(q, q.conj()))
    twice = np.linalg.solve(turn**2 * np.eye(n) - A, forms.B(q, q))
    terms = [p @ forms.C(q, q, q.conj()), 2 * p @ forms.B(q, even), p @ forms.B(q.conj(), twice)]
    return np.array(terms) / turn / 2


def resonance_of(critical: complex) -> int | None:
    """Returns 3 or 4 if that power of a multiplier is 1 (a strong resonance), and otherwise `None`."""
    turn = critical / abs(critical)
    return next((k for k in (3, 4) if abs(turn**k - 1) < 1e-5), None)


def _neimark_sacker(forms: Forms, critical, q, p, by_p, near, flow):
    resonance = resonance_of(critical)
    if resonance == 3:  # a quadratic term cannot be removed
        return [np.nan], "undecided: strong resonance 1:3"
    terms = np.real(_circle_terms(forms, critical, q, p))
    return terms, "undecided: strong resonance 1:4" if resonance else _sign(np.sum(terms))


def _flip(forms: Forms, critical, q, p, by_p, near, flow):
    even = np.linalg.solve(np.eye(len(q)) - forms.J.astype(float), forms.B(q, q))
    terms = [p @ forms.C(q, q, q) / 6, p @ forms.B(q, even) / 2]
    return terms, _sign(-np.sum(terms))


def _branch_point(forms: Forms, critical, q, p, by_p, near, flow):
    n = len(q)
    L = forms.J.astype(float) - (0 if flow else 1) * np.eye(n)
    quadratic = forms.B(q, q)
    bordered = np.block([[L, q[:, None]], [p[None], np.zeros((1, 1))]])
    across = np.linalg.solve(bordered, np.append(quadratic - q * (p @ quadratic), 0))[:n]
    cubic = [p @ forms.C(q, q, q) / 6, -p @ forms.B(q, across) / 2]
    a, c = p @ quadratic / 2, np.sum(cubic)
    if abs(a) > near * np.sum(np.abs(cubic)):
        return [a], "transcritical"
    return cubic, f"{_sign(c)} pitchfork"


_COMPUTE = {
    "fold": _fold,
    "hopf": _hopf,
    "neimark-sacker": _neimark_sacker,
    "flip": _flip,
    "branch point": _branch_point,
}
