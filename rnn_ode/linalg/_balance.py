"""Balancing: a change of units that makes a matrix as small as its eigenvalues allow.

A network whose states have different units has a matrix W = D R D⁻¹, whose norm may be many times that of R. Error bounds of
eigenvalues are relative to a norm, so they are better for R. A diagonal similarity by powers of two rounds nothing.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Inexact, Integer

from .._base.checks import from_host, is_concrete
from .._base.types import AnyArray

_MAX_SWEEPS = 40

# The logarithm of the ratio of two norms from which a change is worthwhile: it then reduces their sum by a twentieth at least
# (Parlett and Reinsch). The ratio r becomes r/4, and (2 + r/2) / (1 + r) < 0.95 from r = 7/3 on.
_WORTHWHILE = math.log2(7 / 3)


def balancing(A: Inexact[Array, "N N"]) -> Integer[Array, " N"]:
    """Return the exponents e (N,) of D = diag(2ᵉ) for which D⁻¹ A D has rows and columns of similar norms.

    Osborne's iteration with the two-norm of rows and columns, diagonal included, as newer versions of LAPACK's `gebal` have
    it (James, Langou & Lowery, "On matrix balancing and eigenvector computation", 2014; Parlett & Reinsch, Numer. Math. 13,
    1969). It works with logarithms, which cannot overflow. A normal matrix stays as it is. `gebal` permutes the matrix first;
    here a row or column of zeros counts as if it had the size of a rounding error, so that the part of a triangular matrix
    that is off its diagonal becomes small. The result is 0 for a matrix that is not finite.

    If the values of A are known it is computed in NumPy, with nothing to compile.
    """
    return from_host(host_balancing(np.asarray(A))) if is_concrete(A) else _balancing(A)


@jax.jit
def _balancing(A: Inexact[Array, "N N"]) -> Integer[Array, " N"]:
    n, info = A.shape[0], jnp.finfo(A.dtype)
    sizes = jnp.log2(jnp.abs(lax.stop_gradient(A)).astype(jnp.promote_types(A.real.dtype, jnp.float32)))
    least = jnp.max(sizes) + jnp.log2(info.eps).astype(sizes.dtype)
    columns_and_rows = jnp.stack([sizes.T, sizes])

    def visit(state):
        e, visits, unmoved = state
        i = visits % n
        shift = _shift(jnp, columns_and_rows[:, i], e, e[i], least)
        return e.at[i].add(shift), visits + 1, jnp.where(shift == 0, unmoved + 1, 0)

    e, _, _ = lax.while_loop(
        lambda state: (state[2] < n) & (state[1] < _MAX_SWEEPS * n), visit, (jnp.zeros(n, sizes.dtype), 0, 0)
    )
    limit = info.maxexp - 2
    return jnp.clip(e - jnp.round(jnp.mean(e)), -limit, limit).astype(jnp.int32)


def host_balancing(A: Inexact[np.ndarray, "N N"]) -> Integer[np.ndarray, " N"]:
    """`balancing` of a matrix of known values, in NumPy."""
    n, info = A.shape[0], jnp.finfo(A.dtype)
    with np.errstate(divide="ignore"):
        sizes = np.log2(np.abs(A).astype(np.promote_types(info.dtype, np.float32)))
    least = np.max(sizes) + np.log2(info.eps)
    sides = np.stack([sizes.T, sizes], axis=1)
    e, visits, unmoved = np.zeros(n, sizes.dtype), 0, 0
    with np.errstate(invalid="ignore"):
        if not np.any(_shift(np, sides, e, sizes.dtype.type(0), least)):  # of all units at once
            return np.zeros(n, np.int32)
        while unmoved < n and visits < _MAX_SWEEPS * n:
            i = visits % n
            shift = _shift(np, sides[i], e, e[i], least)
            e[i] += shift
            visits, unmoved = visits + 1, unmoved + 1 if shift == 0 else 0
    limit = info.maxexp - 2
    return np.clip(e - np.round(np.mean(e)), -limit, limit).astype(np.int32)


def _shift(xp, sides, e, own, least):
    """Return how far to move the exponent `own` of a unit; `sides` (…, 2, N) are the logarithms of its column and its row.
    `xp` is NumPy or JAX's NumPy."""
    sign = xp.asarray([1, -1], sides.dtype)  # a unit divides its column and multiplies its row
    logs = sides - sign[:, None] * e[None, :]
    largest = xp.max(logs, axis=-1)
    empty = largest == -xp.inf
    squares = xp.sum(xp.exp2(2 * (logs - xp.where(empty, 0, largest)[..., None])), axis=-1)
    norms = xp.where(empty, least, sign * own + largest + xp.log2(xp.where(empty, 1, squares)) / 2)
    ratio = norms[..., 1] - norms[..., 0]
    return xp.where(xp.abs(ratio) > _WORTHWHILE, xp.round(ratio / 2), 0)


def rescaled(A: Inexact[AnyArray, "N N"], e: Integer[AnyArray, " N"]) -> Inexact[Array, "N N"]:
    """Return D⁻¹ A D for D = diag(2ᵉ), exact except for entries that fall below the float range."""
    if is_concrete(A, e):
        return from_host(host_rescaled(np.asarray(A), np.asarray(e)))
    return _rescaled(A, e)


def host_rescaled(A: Any, e: Any) -> Any:
    """`rescaled` of a matrix of known values, in NumPy."""
    return times_power(A, e[None, :] - e[:, None])


_rescaled = jax.jit(host_rescaled)


def balanced(A: Inexact[Array, "N N"]) -> Inexact[Array, "N N"]:
    """Return D⁻¹ A D for the D of `balancing`."""
    return rescaled(A, balancing(A))


def times_power(X: Inexact[AnyArray, "*shape"], k: Integer[AnyArray, "..."]) -> Inexact[AnyArray, "*shape"]:
    """Return X · 2ᵏ, arrays of JAX or of NumPy, without rounding, by two factors, each within the float range."""
    half = k // 2
    return X * _power_of_two(half, X.real.dtype) * _power_of_two(k - half, X.real.dtype)


def _power_of_two(k: Integer[AnyArray, "..."], kind: Any) -> Float[AnyArray, "..."]:
    """Return 2ᵏ by its bits, within the range of normal floats. (`exp2` and 2.0 ** k may round, and `ldexp` is ten times the
    code.)"""
    info, xp = jnp.finfo(kind), k.__array_namespace__()
    bits = (xp.clip(k, info.minexp, info.maxexp - 1) + (info.maxexp - 1)).astype(f"uint{info.bits}") << info.nmant
    return bits.view(kind) if xp is np else lax.bitcast_convert_type(bits, kind)


def exponents(X: Inexact[AnyArray, "..."], axis: int | None) -> Integer[AnyArray, "..."]:
    """Return the exponent of the power of two near the largest entry along an axis; 0 if that entry is 0 or not finite."""
    xp = X.__array_namespace__()
    largest = xp.max(xp.abs(X), axis=axis)
    usable = (largest > 0) & xp.isfinite(largest)
    return xp.frexp(xp.where(usable, largest, 1))[1].astype(xp.int32) - 1


def frobenius(A: Inexact[AnyArray, "N M"]) -> Float[AnyArray, ""]:
    """Return the Frobenius norm, scaled so that squares neither overflow nor underflow."""
    xp = A.__array_namespace__()
    largest = xp.max(xp.abs(A))
    return largest * xp.linalg.norm(A / xp.where(largest == 0, 1, largest))
