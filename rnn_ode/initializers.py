"""Initial recurrent matrices W_h (N, N) that place the spectrum, in the manner of `jax.nn.initializers`.

Each function returns a function `(key, shape, dtype=None)` that draws a real matrix of shape (N, N). That function raises
`ValueError` for other shapes, and `TypeError` for a dtype that is not real and floating. It is what the argument `recurrent`
of a cell's or field's `random` takes.

A network forgets where |λ| < 1, so its radius max |λ| matters (`orthogonal`, `with_radius`). A flow forgets where Re μ < 0,
so its abscissa max Re μ matters (`antisymmetric`, `with_abscissa`). `with_multipliers` places every eigenvalue. The error of
each eigenvalue is the rounding of the matrix times its condition, which is 1 for normal matrices (`orthogonal`, `shifted`,
`identity`, `antisymmetric`, `with_multipliers`).

```python
>>> import jax, rnn_ode as ro
>>> cell = ro.VanillaCell.random(jax.random.key(0), 1, 8, recurrent=ro.initializers.with_radius(0.9))
>>> round(ro.spectrum(cell.W_h).radius.item(), 4)
0.9

```
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn.initializers import Initializer
from jax.typing import ArrayLike
from jaxtyping import Array, PRNGKeyArray

from ._base.checks import as_floats, as_number, check_on_host, is_concrete
from .linalg._eig import eig

__all__ = [
    "antisymmetric",
    "gaussian",
    "identity",
    "orthogonal",
    "shifted",
    "with_abscissa",
    "with_multipliers",
    "with_radius",
]


def _square(matrix: Callable[[PRNGKeyArray, int, Any], Array]) -> Initializer:
    """An initializer from `matrix(key, N, dtype)`, which is called with float32 or wider."""

    def initialize(key, shape, dtype=None):
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
            raise ValueError(f"shape must be (N, N) with N ≥ 1, that of a recurrent matrix W_h; got {tuple(shape)}.")
        dtype = jnp.result_type(float if dtype is None else dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"dtype must be real and floating; got {dtype}.")
        return matrix(key, shape[0], jnp.promote_types(dtype, jnp.float32)).astype(dtype)

    return cast(Initializer, initialize)  # JAX's own take a sharding besides


def _as_finite(name: str, value: float) -> float:
    number = as_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}.")
    return number


def orthogonal(scale: float = 1.0) -> Initializer:
    """`scale` times a random orthogonal matrix, of uniform (Haar) distribution: every |λ| is |scale| (Saxe, McClelland &
    Ganguli, ICLR 2014). The draws are those of `jax.nn.initializers.orthogonal`.

    **Arguments:**

    - `scale`: a finite number. Default 1.

    **Returns:** an initializer.

    ```python
    >>> import jax, rnn_ode as ro
    >>> W = ro.initializers.orthogonal(0.5)(jax.random.key(0), (4, 4))
    >>> (W @ W.T).round(3).diagonal().tolist()
    [0.25, 0.25, 0.25, 0.25]

    ```
    """
    base = jax.nn.initializers.orthogonal(_as_finite("scale", scale))
    return _square(lambda key, n, dtype: base(key, (n, n), dtype))


def shifted(gain: float = 1.0) -> Initializer:
    """gain (5/8 I + 3/8 Q), where Q is a random orthogonal matrix: the eigenvalues lie on a circle around 5/8 gain, from
    1/4 gain to gain.

    For a gain between 0 and 1 a linear network with this matrix decays, and exp(W t) grows, since every multiplier has a
    positive real part. `Exact()` exists for it, and the series of `Forward` converges. `rnn-ode compare` uses this matrix.

    **Arguments:**

    - `gain`: a finite number. Default 1.

    **Returns:** an initializer.

    ```python
    >>> import jax, rnn_ode as ro
    >>> W = ro.initializers.shifted(0.8)(jax.random.key(0), (4, 4))
    >>> [round(abs(z - 0.5), 3) for z in ro.spectrum(W).multipliers.tolist()]
    [0.3, 0.3, 0.3, 0.3]

    ```
    """
    gain, base = _as_finite("gain", gain), jax.nn.initializers.orthogonal()
    return _square(lambda key, n, dtype: gain * (5 * jnp.eye(n, dtype=dtype) + 3 * base(key, (n, n), dtype)) / 8)


def gaussian(gain: float = 1.0) -> Initializer:
    """Independent normal entries of standard deviation gain/√N: for large N the eigenvalues fill the disc of radius
    |gain| (Ginibre 1965; in recurrent networks: Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61, 1988).

    **Arguments:**

    - `gain`: a finite number. Default 1.

    **Returns:** an initializer.

    ```python
    >>> import jax, rnn_ode as ro
    >>> W = ro.initializers.gaussian(0.5)(jax.random.key(0), (100, 100))
    >>> round(W.std().item(), 2)
    0.05

    ```
    """
    gain = _as_finite("gain", gain)
    return _square(lambda key, n, dtype: gain / n**0.5 * jax.random.normal(key, (n, n), dtype))


def identity(gain: float = 1.0) -> Initializer:
    """`gain` times the identity, for every key (for ReLU networks: Le, Jaitly & Hinton, arXiv 1504.00941, 2015).

    **Arguments:**

    - `gain`: a finite number. Default 1.

    **Returns:** an initializer.

    ```python
    >>> import jax, rnn_ode as ro
    >>> ro.initializers.identity(0.5)(jax.random.key(0), (2, 2)).tolist()
    [[0.5, 0.0], [0.0, 0.5]]

    ```
    """
    gain = _as_finite("gain", gain)
    return _square(lambda key, n, dtype: gain * jnp.eye(n, dtype=dtype))


def antisymmetric(gain: float = 1.0) -> Initializer:
    """gain (M − Mᵀ)/√2, where M has normal entries of standard deviation 1/√N.

    The eigenvalues are on the imaginary axis. For large N they lie between −2i gain and 2i gain, with the density of Wigner's
    semicircle. The flow of such a matrix rotates, and neither grows nor decays (Chang, Chen, Haber & Chi, ICLR 2019). A
    network with this matrix does grow or decay, since |λ| ≠ 1.

    **Arguments:**

    - `gain`: a finite number. Default 1.

    **Returns:** an initializer.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> W = ro.initializers.antisymmetric()(jax.random.key(0), (4, 4))
    >>> bool(jnp.all(W == -W.T))
    True

    ```
    """
    gain = _as_finite("gain", gain)

    def matrix(key, n, dtype):
        M = jax.random.normal(key, (n, n), dtype)
        return gain / (2 * n) ** 0.5 * (M - M.T)

    return _square(matrix)


def with_radius(radius: float, base: Initializer = gaussian()) -> Initializer:  # noqa: B008
    """A draw of `base`, scaled so that its spectral radius max |λ| is `radius` (echo state networks: Jaeger, GMD Report 148,
    2001).

    **Arguments:**

    - `radius`: a finite number ≥ 0.
    - `base`: the initializer that draws the matrix. Default `gaussian()`.

    **Returns:** an initializer. It raises `ValueError` if all eigenvalues of the draw are 0, which cannot be scaled. Under
    `jit` the entries are NaN then, which every cell refuses.

    ```python
    >>> import jax, rnn_ode as ro
    >>> W = ro.initializers.with_radius(1.1)(jax.random.key(0), (8, 8))
    >>> round(ro.spectrum(W).radius.item(), 4)
    1.1

    ```
    """
    radius = _as_finite("radius", radius)
    if radius < 0:
        raise ValueError(f"radius must be a modulus max |λ|, 0 or more; got {radius}.")

    def matrix(key, n, dtype):
        W = base(key, (n, n), dtype)
        found = jnp.max(jnp.abs(eig(W)[0]))
        if is_concrete(found) and found == 0:
            raise ValueError(f"base must draw matrices with an eigenvalue other than 0, to be scaled; got {W}.")
        return radius / found * W

    return _square(matrix)


def with_abscissa(abscissa: float, base: Initializer = gaussian()) -> Initializer:  # noqa: B008
    """A draw of `base` plus a multiple of the identity, so that max Re λ is `abscissa`.

    That is the rate, per unit time, at which the flow dh/dt = W h grows or, if it is negative, decays.

    **Arguments:**

    - `abscissa`: a finite number.
    - `base`: the initializer that draws the matrix. Default `gaussian()`.

    **Returns:** an initializer.

    ```python
    >>> import jax, rnn_ode as ro
    >>> W = ro.initializers.with_abscissa(-0.25)(jax.random.key(0), (8, 8))
    >>> round(ro.spectrum(W).abscissa.item(), 4)
    -0.25

    ```
    """
    abscissa = _as_finite("abscissa", abscissa)

    def matrix(key, n, dtype):
        W = base(key, (n, n), dtype)
        return W + (abscissa - jnp.max(jnp.real(eig(W)[0]))) * jnp.eye(n, dtype=dtype)

    return _square(matrix)


def with_multipliers(multipliers: ArrayLike | Sequence) -> Initializer:
    """A random real normal matrix with these eigenvalues.

    It is Q B Qᵀ with Q orthogonal, of uniform (Haar) distribution, and B of blocks (λ) for real eigenvalues and
    ((a, b), (−b, a)) for pairs a ± ib, the real normal form (Horn & Johnson, "Matrix Analysis", theorem 2.5.8).

    **Arguments:**

    - `multipliers`: (N,), real or complex, in any order. The conjugate of each complex one must be there equally often,
      exactly as `np.conj` returns it.

    **Returns:** an initializer, for the shape (N, N) alone.

    **Raises:** `ValueError` for multipliers that are not of this kind.

    ```python
    >>> import jax, rnn_ode as ro
    >>> W = ro.initializers.with_multipliers([0.6 + 0.6j, 0.6 - 0.6j, 0.9])(jax.random.key(0), (3, 3))
    >>> [round(abs(z), 3) for z in ro.spectrum(W).multipliers.tolist()]
    [0.9, 0.849, 0.849]

    ```
    """
    check_on_host("initializers.with_multipliers", multipliers=multipliers)
    B = _normal_form(np.asarray(as_floats("multipliers", multipliers, ("N",), complex=True)))

    def matrix(key, n, dtype):
        if n != len(B):
            raise ValueError(f"shape must be {B.shape} for {len(B)} multipliers; got {(n, n)}.")
        Q = jax.nn.initializers.orthogonal()(key, (n, n), dtype)
        with jax.default_matmul_precision("highest"):
            return Q @ jnp.asarray(B, dtype) @ Q.T

    return _square(matrix)


def _normal_form(multipliers: np.ndarray) -> np.ndarray:
    """The block diagonal real matrix (N, N) with these eigenvalues (N,), N ≥ 1."""
    if len(multipliers) == 0:
        raise ValueError("multipliers must hold at least one eigenvalue; it is empty.")
    for z in multipliers:
        counts = np.sum(multipliers == z), np.sum(multipliers == np.conj(z))
        if counts[0] != counts[1]:
            raise ValueError(
                "multipliers must hold the conjugate of each complex one, as np.conj gives it and equally often, for a "
                f"real matrix; got {z} {counts[0]} times and its conjugate {counts[1]} times."
            )
    re, im = np.real(multipliers), np.imag(multipliers)
    B = np.diag(np.concatenate([re[im == 0], np.repeat(re[im > 0], 2)]))
    first = np.arange(np.sum(im == 0), len(B), 2)
    B[first, first + 1], B[first + 1, first] = im[im > 0], -im[im > 0]
    return B


def __dir__() -> list[str]:
    return __all__
