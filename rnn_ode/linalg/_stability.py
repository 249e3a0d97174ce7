"""How near a matrix is to instability: the stability radius, the Kreiss constant and pseudospectra.

The stability radius is the least σ_min(z − A) over all z on the boundary of the region of stability. It is found by the level
method of Boyd & Balakrishnan (Systems & Control Letters 15, 1990) and Bruinsma & Steinbuch (1990). s is a singular value of
z − A at the boundary points z that are eigenvalues of a matrix twice as large, made of A and s. If s is the least value so
far, a lower one lies between two neighbours among these points, so σ_min is evaluated half-way between all neighbours. The
least of these values is the next s. It decreases quadratically fast to the global minimum.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from .._base.checks import as_matrix, check_finite, check_flag, in_single
from .._base.compiled import cond
from .._base.verdict import Verdict
from ._eig import eig_of_balanced, modes
from ._norms import climb, spectral_norm
from ._regions import AbstractRegion, HalfPlane, UnitDisc
from ._resolvent import kreiss_constant, resolvent_distances, smallest_singular_value
from ._verdict import judge

_MAX_LEVELS = 30


class StabilityRadius(NamedTuple):
    """How far a matrix is from instability: what `stability_radius` returns.

    **Fields:**

    - `radius`: the spectral norm of the smallest change that makes the matrix unstable.
    - `at`: the point of the boundary to which such a change moves an eigenvalue.
    - `error`: how far rounding may have moved the radius.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import linalg
    >>> found = linalg.stability_radius(jnp.diag(jnp.array([0.5, -0.75])))
    >>> round(float(found.radius), 6), round(float(found.at.real), 6)
    (0.25, -1.0)

    ```
    """

    radius: Float[Array, ""]
    at: Complex[Array, ""]
    error: Float[Array, ""]


def stability_radius(A: ArrayLike | Sequence, *, continuous: bool = False) -> StabilityRadius:
    """The spectral norm of the smallest complex change of a matrix that makes it unstable.

    **Arguments:**

    - `A`: a real matrix (N, N): the map h ↦ A h, stable if all |λ| < 1.
    - `continuous`: whether A is a generator instead, of the flow dh/dt = A h, stable if all Re μ < 0.

    **Returns:** a `StabilityRadius`. Its `radius` is 0 for a matrix that is not stable. It is differentiable in both modes,
    with the point `at` fixed. `at` is iω for a generator, with ω ≥ 0, and a point of the upper half of the unit circle for a
    map.

    **Raises:** `ValueError` for a matrix that is not square or not finite.

    A change of A by E changes the radius by at most ‖E‖, so the relative condition is ‖A‖/radius. The method finds the global
    minimum; Boyd & Balakrishnan, Systems & Control Letters 15, 1990. SLICOT's AB13FD has the same definition.

    ```python
    >>> import rnn_ode as ro
    >>> found = ro.linalg.stability_radius([[-1.0, 10.0], [0.0, -2.0]], continuous=True)
    >>> round(float(found.radius), 4), round(abs(complex(found.at)), 4)
    (0.1952, 0.0)

    ```
    """
    A = in_single(as_matrix("A", A))
    check_flag("continuous", continuous)
    return _stability_radius(A, _region(continuous))


def kreiss(A: ArrayLike | Sequence, *, continuous: bool = False) -> Float[Array, ""]:
    """The Kreiss constant of a matrix, the supremum of d(z) / σ_min(z − A) over all z outside of the region of stability,
    with d(z) the distance from it.

    A large value means that disturbances grow far before they decay: K ≤ sup ‖Aᵏ‖ ≤ e N K, or the same for ‖exp(A t)‖.

    **Arguments:**

    - `A`: a real matrix (N, N): the map h ↦ A h.
    - `continuous`: whether A is a generator instead, of the flow dh/dt = A h.

    **Returns:** the constant, at least 1; infinite if an eigenvalue lies outside of the region for certain. It is a lower
    bound by a search from many starts. Values above about 1/√ε (3000 in float32) may be too small, unless a change of units
    makes the matrix small, as that of a triangular one does. It is differentiable in both modes, with the point of the
    maximum fixed.

    **Raises:** `ValueError` for a matrix that is not square or not finite.

    Source: Trefethen & Embree, "Spectra and Pseudospectra", 2005, ch. 14. `transient` returns it with the peak itself.

    ```python
    >>> import rnn_ode as ro
    >>> round(float(ro.linalg.kreiss([[0.5, 10.0], [0.0, 0.5]])), 2)
    5.05

    ```
    """
    A = in_single(as_matrix("A", A))
    check_flag("continuous", continuous)
    return _kreiss(A, _region(continuous))


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
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"grid must be an array of complex numbers; got {type(grid).__name__} ({error}).") from None
    if not jnp.issubdtype(points.dtype, jnp.number):
        raise TypeError(f"grid must hold complex numbers; got dtype {points.dtype}.")
    check_finite("grid", points)
    points = points.astype(jnp.result_type(W.dtype, jnp.complex64))
    return resolvent_distances(W, points.ravel()).reshape(points.shape) if points.size else points.real


def _region(continuous: bool) -> AbstractRegion:
    return HalfPlane() if continuous else UnitDisc()


def _kreiss(A: Array, region: AbstractRegion) -> Array:
    found = modes(A, region.extent)
    fixed = lax.stop_gradient(found)
    (verdict,) = judge(fixed.balanced, fixed.values, fixed.balanced_condition, (region.reading,))
    with jax.default_matmul_precision("highest"):
        return cond(
            verdict == Verdict.GROWS,
            lambda A: jnp.full((), jnp.inf, A.dtype),
            lambda A: kreiss_constant(A, fixed.values, region),
            A,
        )


@eqx.filter_jit
def _stability_radius(A: Array, region: AbstractRegion) -> StabilityRadius:
    with jax.default_matmul_precision("highest"):
        fixed = lax.stop_gradient(A)
        values = modes(fixed).values
        places, distances = region.position(values)
        z = _closest(fixed, jnp.concatenate([jnp.zeros(1, A.dtype), places]), region)
        z = jnp.where(z.imag < 0, z.conj(), z)
        radius = smallest_singular_value(z * jnp.eye(A.shape[0], dtype=z.dtype) - A)
        error = 4 * jnp.finfo(A.dtype).eps * (spectral_norm(fixed) + jnp.abs(z))
        return StabilityRadius(jnp.where(jnp.max(distances) < 0, radius, 0), z, error)


def _closest(A: Array, places: Array, region: AbstractRegion) -> Complex[Array, ""]:
    """Return the point of the boundary where σ_min(z − A) is least. `places` are where the search starts."""
    eps = jnp.finfo(A.dtype).eps

    def best_of(places):
        values = resolvent_distances(A, region.point(places, jnp.zeros_like(places)))
        i = jnp.argmin(values)
        return values[i], places[i]

    def lower(state):
        level, place, _, count = state
        crossings = jnp.sort(_crossings(A, level, region))
        # all eigenvalues are tried, also those that are not on the boundary, so that rounding cannot lose one that is
        found = best_of(jnp.concatenate([crossings, (crossings[1:] + crossings[:-1]) / 2]))
        better = found[0] < level
        fell = (level - found[0]) > 8 * eps * level
        return jnp.where(better, found[0], level), jnp.where(better, found[1], place), fell, count + 1

    start = (*best_of(places), jnp.array(True), 0)
    level, place, _, _ = lax.while_loop(lambda state: state[2] & (state[3] < _MAX_LEVELS), lower, start)
    return region.point(_polished(A, level, place, region), jnp.zeros_like(place))


def _polished(A: Array, level: Array, place: Array, region: AbstractRegion) -> Array:
    """Return the place near `place` where the derivative of σ_min along the boundary is 0. The values themselves are flat
    there, and give only half of the digits of the place, or less where σ_min hardly changes along the boundary."""
    eps, eye = jnp.finfo(A.dtype).eps, jnp.eye(A.shape[0])

    def falling(place):
        z, frame = region.point(place, jnp.zeros_like(place)), region.frame(place, jnp.zeros_like(place))
        U, _, Vh = jnp.linalg.svd(z * eye.astype(z.dtype) - A)
        return -jnp.real(1j * frame.outward * frame.pace * jnp.vdot(U[:, -1], Vh[-1].conj()))

    def polish(place, reach):
        found, _ = climb(falling, place - reach, place + reach, jnp.finfo(A.dtype).nmant)
        values = resolvent_distances(A, region.point(jnp.stack([place, found]), jnp.zeros(2, A.dtype)))
        return jnp.where(values[1] <= values[0] + 8 * eps * spectral_norm(A), found, place), None

    reaches = eps ** jnp.array([0.125, 0.25], A.dtype) * jnp.maximum(jnp.abs(place), level)
    return lax.scan(polish, place, reaches)[0]


def _crossings(A: Array, level: Array, region: AbstractRegion) -> Float[Array, " M"]:
    """Return the places of the boundary points z at which `level` is a singular value of z − A, and other places."""
    matrix, points = region.crossing(A, level)
    return region.position(points(eig_of_balanced(matrix)[0]))[0]
