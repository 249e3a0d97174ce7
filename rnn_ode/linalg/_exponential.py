"""The exponential of a matrix, its φ functions, and powers."""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Integer

from .._base.checks import as_matrix, check_count, in_single, is_concrete
from ._balance import balanced, balancing, host_balancing, rescaled
from ._solve import nan_unless

_MAX_SQUARINGS = 64


def expm(A: ArrayLike | Sequence) -> Inexact[Array, "N N"]:
    """The exponential of a matrix.

    **Arguments:**

    - `A`: (N, N), real or complex.

    **Returns:** exp(A) (N, N), in the type of `A`, float32 at least. Differentiable to any order in forward and reverse mode.
    The error is about the precision times the 1-norm of the balanced matrix. That norm may be up to 2⁶³, also of a
    nilpotent matrix. Traced matrices above it give NaN, and `jax.scipy.linalg.expm` gives NaN from a 1-norm of some 3.5e5 on
    in float64, 2.6e5 in float32. If the exponential leaves the float range, a traced result is not finite.

    **Raises:** `ValueError` for a matrix that is not square, not finite or larger than that, and for an exponential that
    leaves the float range.

    Source: scaling and squaring, as `phi_functions` describes.

    ```python
    >>> import rnn_ode as ro
    >>> ro.linalg.expm([[0.0, 1.0], [0.0, 0.0]]).tolist()
    [[1.0, 1.0], [0.0, 1.0]]

    ```
    """
    return phi_functions(A, 0)[0]


def phi_functions(A: ArrayLike | Sequence, count: int) -> list[Inexact[Array, "N N"]]:
    """The exponential of a matrix and its φ functions, φ_j(z) = Σ zⁱ/(i + j)!: φ₀(z) = eᶻ, φ₁(z) = (eᶻ − 1)/z, ….

    The solution of dh/ds = A h + Σ_j c_j sʲ/j! at s = 1 is exp(A) h + Σ_j φ_{j+1}(A) c_j, with h its value at s = 0.

    **Arguments:**

    - `A`: (N, N), real or complex.
    - `count`: how many functions after the exponential.

    **Returns:** a list of exp(A), φ₁(A), …, φ_count(A), each (N, N). Differentiable to any order in both modes, also at
    singular and defective matrices.

    **Raises:** `ValueError` or `TypeError` as `expm`, and for a count that is not a whole number of at least 0.

    By scaling and squaring of the balanced matrix: the last φ by its Taylor polynomial, the others by
    φ_{j−1}(z) = 1/(j−1)! + z φ_j(z), then φ_j(2z) = 2⁻ʲ (eᶻ φ_j(z) + Σᵢ φᵢ(z)/(j−i)!), i = 1 … j (Skaflestad & Wright 2009).
    At ‖A‖₁ ≤ ½ sixteen terms leave ½¹⁶/16! = 7e-19. The error is about the precision times ‖A‖₁ times the norm of the
    result, in the units of the balanced matrix, whose norm may be up to 2⁶³.

    ```python
    >>> import rnn_ode as ro
    >>> [phi.tolist() for phi in ro.linalg.phi_functions([[0.0]], 2)]
    [[[1.0]], [[1.0]], [[0.5]]]

    ```
    """
    A = in_single(as_matrix("A", A, complex=True))
    check_count("count", count, 0)
    functions = exponentials(A, count)
    if is_concrete(A, functions) and not np.isfinite([np.sum(np.abs(function)) for function in functions]).all():
        size = float(jnp.linalg.norm(balanced(A), 1))
        if not size < 2.0 ** (_MAX_SQUARINGS - 1):
            raise ValueError(
                f"A must have a 1-norm below 2^{_MAX_SQUARINGS - 1} once it is balanced; got {size:.3g}. The "
                "exponential of a larger one is not computed."
            )
        raise ValueError(
            f"the exponential of A leaves the float range of {A.dtype}: A has a 1-norm of {size:.3g} once it is balanced. "
            "Take a part of it, or float64."
        )
    return functions


def exponentials(A: Inexact[Array, "N N"], count: int) -> list[Inexact[Array, "N N"]]:
    """Return what `phi_functions` returns, without checks: NaN for a matrix that is too large or not finite."""
    return _of_balanced(A, balancing(A), count)


@partial(jax.jit, static_argnums=2)
def _of_balanced(A: Inexact[Array, "N N"], e: Integer[Array, " N"], count: int) -> list[Inexact[Array, "N N"]]:
    """Return `exponentials` of A, by those of the matrix balanced by e. This takes matrix products alone: a batch is safe on
    a CPU (see `solve`)."""
    last = max(count, 1)
    weights = [1 / math.factorial(i) for i in range(16 + last)]
    eye = jnp.eye(A.shape[0], dtype=A.dtype)

    def double(functions):
        # squaring exp(z) − 1 keeps the digits of values of exp near 1, squaring exp(z) those of values near 0
        power, less, *phis = functions
        sums = [sum(phi * weights[j - i] for i, phi in enumerate(phis[:j], start=1)) for j in range(1, count + 1)]
        phis = [(phi + less @ phi + rest) / 2**j for j, (phi, rest) in enumerate(zip(phis, sums, strict=True), start=1)]
        less = 2 * less + less @ less
        return [jnp.where(jnp.linalg.norm(power, 1) < 0.5, power @ power, eye + less), less, *phis]

    A = rescaled(A, e)
    with jax.default_matmul_precision("highest"):
        size = lax.stop_gradient(jnp.linalg.norm(A, 1))
        A = nan_unless(size < 2.0 ** (_MAX_SQUARINGS - 1), A)
        squarings = jnp.clip(jnp.ceil(jnp.log2(jnp.where(size == 0, 1, size))) + 1, 0, _MAX_SQUARINGS)
        z = A * 2**-squarings
        square = z @ z
        powers, fourth = (eye, z, square, z @ square), square @ square
        phi = jnp.zeros_like(A)
        for first in (12, 8, 4, 0):
            phi = fourth @ phi + sum(power * weights[first + i + last] for i, power in enumerate(powers))
        functions = [phi]
        for j in range(last - 1, 0, -1):
            functions.insert(0, weights[j] * eye + z @ functions[0])
        less = z @ functions[0]
        functions = [eye + less, less, *functions[:count]]
        power, _, *phis = lax.fori_loop(
            0, _MAX_SQUARINGS, lambda i, functions: lax.cond(i < squarings, double, list, functions), functions
        )
        return [rescaled(function, -e) for function in (power, *phis)]


def exponential(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    """Return exp(A) of a matrix (N, N): see `exponentials`."""
    return exponentials(A, 0)[0]


def host_exponential(A: Inexact[np.ndarray, "N N"]) -> Inexact[np.ndarray, "N N"]:
    """exp(A) of a matrix (N, N) in NumPy and float64, with nothing to compile. The method is that of `phi_functions`."""
    wide = A.astype(complex if np.iscomplexobj(A) else float)
    e = host_balancing(wide).astype(float)
    units = np.exp2(e[None, :] - e[:, None])
    B = wide * units
    size = np.linalg.norm(B, 1)
    if not size < 2.0 ** (_MAX_SQUARINGS - 1):
        return np.full_like(wide, np.nan)
    squarings = max(0, math.ceil(math.log2(size)) + 1) if size > 0 else 0
    z, power = B / 2.0**squarings, np.eye(len(B), dtype=B.dtype)
    for k in range(18, 0, -1):
        power = np.eye(len(B)) + z @ power / k
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(squarings):
            power = power @ power
        return power / units


def matrix_power(A: Inexact[Array, "N N"], k: Array) -> Inexact[Array, "N N"]:
    """Return Aᵏ of A (N, N) for a traced whole number k ≥ 0, by squaring. Differentiable in both modes."""
    bits = jnp.iinfo(k.dtype).bits - 1

    def step(_, carry):
        k, base, total = carry
        total = jnp.where(k % 2 == 1, total @ base, total)
        # the last square is not needed, and might overflow, as might its derivative
        return k // 2, jnp.where(k > 1, base @ base, base), total

    with jax.default_matmul_precision("highest"):
        return lax.fori_loop(0, bits, step, (k, A, jnp.eye(A.shape[0], dtype=A.dtype)))[2]
