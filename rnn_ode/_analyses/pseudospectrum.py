"""Pseudospectra of a matrix."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from .._base.checks import as_matrix, check_finite
from ..linalg._resolvent import resolvent_distances


def pseudospectrum(W: ArrayLike | list, grid: ArrayLike | list) -> Float[Array, "..."]:
    """The smallest singular value of z − W at each point z: the ε-pseudospectrum of W is where it is at most ε.

    **Arguments:**

    - `W`: a matrix (N, N).
    - `grid`: points (…,) of the complex plane.

    **Returns:** the distance (…,) of W from the nearest matrix with the eigenvalue z, in the spectral norm, good to ε‖W‖ of
    the precision. For a normal matrix it is the distance of z from the spectrum.

    **Raises:** `ValueError` for a matrix that is not square, or values that are not finite; `TypeError` for points that are
    not numbers.

    Singular values are computed for at most 256 points at a time. Source: Trefethen & Embree, "Spectra and Pseudospectra",
    2005.

    ```python
    >>> import rnn_ode as ro
    >>> ro.pseudospectrum([[0.5, 0.0], [0.0, -0.5]], [0.5, 1.0, 0.5 + 1j]).round(3).tolist()
    [0.0, 0.5, 1.0]

    ```
    """
    W = as_matrix("W", W)
    try:
        points = jnp.asarray(grid)
    except (TypeError, ValueError) as error:
        raise TypeError(f"grid must be an array of complex numbers; got {type(grid).__name__} ({error}).") from None
    if not jnp.issubdtype(points.dtype, jnp.number):
        raise TypeError(f"grid must hold complex numbers; got dtype {points.dtype}.")
    check_finite("grid", points)
    points = points.astype(jnp.result_type(W.dtype, jnp.complex64))
    return resolvent_distances(W, points.ravel()).reshape(points.shape) if points.size else points.real
