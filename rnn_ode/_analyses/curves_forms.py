"""Coefficients of normal forms on the centre manifold (Kuznetsov, "Elements of Applied Bifurcation Theory", ch. 5).

With the eigenvectors q of J and p of Jᵀ for the critical eigenvalue, ⟨q, q⟩ = ⟨p, q⟩ = 1, and the multilinear forms B and
C of the rule as below. `normal_forms` has the same coefficients for one bifurcation of a branch. Every point of a curve needs
them here, so that all directions of a form are computed in one call. p may have any length, so that nothing has a pole at a
double eigenvalue.

- fold: a = ½ ⟨p, B(q, q)⟩
- flip: b = ⅙ ⟨p, C(q, q, q) + 3 B(q, (I − J)⁻¹ B(q, q))⟩
- Hopf: l₁ = 1/(2ω) Re ⟨p, C(q, q, q̄) − 2 B(q, J⁻¹ B(q, q̄)) + B(q̄, (2iω I − J)⁻¹ B(q, q))⟩
- Neimark–Sacker: ½ Re e^(−iθ) ⟨p, C(q, q, q̄) + 2 B(q, (I − J)⁻¹ B(q, q̄)) + B(q̄, (e^(2iθ) I − J)⁻¹ B(q, q))⟩
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy import ndarray

from .curves_kernels import second, third


class Forms(NamedTuple):
    """The forms B and C of a system's rule at one state, for complex directions."""

    make_system: Any
    z: ndarray

    def B(self, u: ndarray, v: ndarray) -> ndarray:
        parts = [(f(u), g(v)) for f in (np.real, np.imag) for g in (np.real, np.imag)]
        rr, ri, ir, ii = self._ask(second, parts)
        return rr - ii + 1j * (ri + ir)

    def cubic(self, q: ndarray) -> ndarray:
        """C(q, q, q̄)."""
        r, s = np.real(q), np.imag(q)
        rrr, rss, rrs, sss = self._ask(third, [(r, r, r), (r, s, s), (r, r, s), (s, s, s)])
        return rrr + rss + 1j * (rrs + sss)

    def _ask(self, kernel: Callable, directions: list[tuple[ndarray, ...]]) -> ndarray:
        stacked = [jnp.asarray(np.stack(vectors).astype(self.z.dtype)) for vectors in zip(*directions, strict=True)]
        return np.asarray(kernel(self.make_system, jnp.asarray(self.z), *stacked), float)


def coefficient(kind: str, forms: Forms, J: ndarray, q: ndarray, p: ndarray, critical: complex) -> tuple[float, float]:
    """Returns the coefficient times ⟨p, q⟩, where p has any length: it has no pole where ⟨p, q⟩ vanishes. For a complex pair
    ⟨p, q⟩ must be 1. Also the sum of the sizes of its terms, by which rounding is measured. NaN where an equation has no
    solution."""
    identity, turn = np.eye(len(J)), critical / max(abs(critical), 1e-300)
    try:
        square = forms.B(q, q)
        if kind == "fold":
            terms, factor = [square], 1 / 2
        elif kind == "flip":
            terms, factor = [forms.cubic(q), 3 * forms.B(q, np.linalg.solve(identity - J, square))], 1 / 6
        elif kind == "hopf":
            level, omega = forms.B(q, np.conj(q)), critical.imag
            terms = [
                forms.cubic(q),
                -2 * forms.B(q, np.linalg.solve(J, level)),
                forms.B(np.conj(q), np.linalg.solve(2j * omega * identity - J, square)),
            ]
            factor = 1 / (2 * omega) if omega else np.nan
        else:
            level = forms.B(q, np.conj(q))
            terms = [
                forms.cubic(q),
                2 * forms.B(q, np.linalg.solve(identity - J, level)),
                forms.B(np.conj(q), np.linalg.solve(turn**2 * identity - J, square)),
            ]
            factor = np.conj(turn) / 2
    except np.linalg.LinAlgError:
        return np.nan, np.nan
    value = float(np.real(factor * sum(np.vdot(p, term) for term in terms)))
    return value, float(abs(factor) * sum(np.abs(p) @ np.abs(term) for term in terms))
