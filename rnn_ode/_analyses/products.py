"""Long products of matrices, in which nothing over- or underflows on the way.

Rows (…, N) are held with exponents (…): a row stands for 2^exponent · row. Division by a power of two is exact. The logarithm
of a length is then −∞ only where the product is 0. Entries of a row that are smaller than its largest entry by more than the
float range (1e-38, or 1e-308) count as 0.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

Scaled = tuple[Inexact[Array, "..."], Int[Array, "..."]]
"""Rows and their exponents."""


def push(
    step: Callable[[Array, Any], Array], v: Scaled, inputs: Any, count: int | None = None
) -> tuple[Scaled, Scaled]:
    """Carry a vector v (N,) through linear steps, v ↦ step(v, input).

    `inputs` has a row for each step; where it is `None`, `count` steps are made. Returns the last vector, and the Euclidean
    length after each step (T,).
    """

    def one(v: Scaled, row: Any) -> tuple[Scaled, Scaled]:
        rows, exponents = rescale(step(v[0], row), v[1])
        gone = jnp.all(rows == 0)
        size = jnp.linalg.norm(jnp.where(gone, 1, rows))  # the derivative of the norm at 0 is NaN
        return (rows, exponents), (jnp.where(gone, 0, size), exponents)

    return jax.lax.scan(one, v, inputs, length=count)


def rescale(rows: Inexact[Array, "*n N"], exponents: Int[Array, "*n"]) -> tuple[Array, Array]:
    """The same rows with their largest entries from ¾ to 1½; rows of zeros stay."""
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(rows), axis=-1))
    power = jax.lax.reduce_precision(
        size, jnp.finfo(size.dtype).nexp, 0
    )  # without a mantissa: the nearest power of two
    power = jnp.where(power == 0, 1, power)
    return rows / power[..., None], exponents + jnp.round(jnp.log2(power)).astype(int)


def log_norm(rows: Float[Array, "n N"], exponents: Int[Array, " n"]) -> Float[Array, ""]:
    """log of the spectral norm of the matrix with these rows; −∞ for zero."""
    alive = jnp.any(rows != 0, axis=1)
    top = jnp.max(jnp.where(alive, exponents, jnp.iinfo(exponents.dtype).min))
    scales = jnp.exp2(jnp.where(alive, exponents - top, 0).astype(rows.dtype))
    return log_size(jnp.linalg.svd(scales[:, None] * rows, compute_uv=False)[0], top)


def log_size(size: Float[Array, "..."], exponent: Int[Array, "..."]) -> Float[Array, "..."]:
    """log (2^exponent · size); −∞ for a size of 0."""
    log = jnp.log(jnp.where(size == 0, 1, size)) + exponent.astype(size.dtype) * float(np.log(2))
    return jnp.where(size == 0, -jnp.inf, log)
