"""What a linear system does before its eigenvalues have the say: growth, Kreiss constant, pseudospectra.

A stable non-normal matrix may magnify a disturbance a long way before it lets it die. With W the step of a map,

    peak = sup over k ≥ 0 of ‖Wᵏ‖,    K = sup over |z| > 1 of (|z| − 1) ‖(z − W)⁻¹‖,    K ≤ peak ≤ e N K,

and with A the matrix of a flow, exp(A t) for Wᵏ and Re z > 0 for |z| > 1 (Kreiss 1962; the constant is Spijker's, 1991;
Trefethen & Embree, "Spectra and Pseudospectra", 2005, ch. 14-18). Norms are spectral ones.

**The peak.** The norm is followed step by step, a flow's every ½/‖A‖, and from there on with 32 samples an octave. Norms
are submultiplicative: once one is at most 1 nothing later exceeds what came before. The best samples are refined, those of
an octave between its steps, a flow's in continuous time by bisection of the slope (log ‖exp(A t)‖)' = uᵀ A u, u the first
left singular vector. Beyond the steps that are all looked at (8192 for N ≤ 8, at least
1024) a hump that is narrower than 3 % of its time may be missed, and an oscillation of every few steps under a slow hump.

**The Kreiss constant.** With d the distance of z from the boundary of stability it is the maximum of d/σ_min(z − W): on a
grid, logarithmic in d, along the boundary opposite every eigenvalue, in the middle between each two and in even steps; then
Newton's method with a trust region from the best local maxima, with the second derivatives of the singular value.

Both are searches: the sampled values are lower bounds to rounding, and nothing but the horizon of the peak is proven.
"""

import math
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float

from .._base.checks import as_matrix, check_finite, in_single
from .._base.verdict import Verdict
from .._systems.base import AbstractSystem
from .._systems.time import AbstractTime, Discrete, Grain
from ..linalg._eig import eig, modes
from ..linalg._norms import batched_map, climb, numerical_abscissa, spectral_norm
from ..linalg._regions import AbstractRegion
from .kinks import jumps

_LEAST = 64  # of them even where the first already shrinks, or what grows is known to: for the picture

_PER_OCTAVE = 32

_CANDIDATES = 8

_ROUGH_ROUNDS = 12  # bisections of half a grain: its 4096th part is the peak to 1e-8

_DISTANCES = 32

_PLACES = 24

_OPPOSITE = 24

_SEEDS = 12

_NEWTON_STEPS = 20

_POLISHING_STEPS = 6


class Transient(eqx.Module):
    """How far disturbances of a linear system grow before, if ever, they decay. Times are in the system's unit of time.

    **Fields:** `eigenvalues` (N,) complex, fastest growing first, and their `condition` numbers (N,); `verdict` on the long
    run; `rate`, the growth of the fastest eigenvalue in nats per unit time.

    `peak` the supremum over all times of ‖Wᵏ‖ or ‖exp(A t)‖, at `peak_time`; `kreiss` the Kreiss constant. All three are
    infinite where the verdict is GROWS or the norm overflows. Where it is PERSISTS the peak is the largest norm met within
    1/√ε steps (ε that of the precision), 1 at 0 for an orthogonal map. Where it is UNDETERMINED, it is the supremum if a
    norm fell to 1 again, else, of these steps or those before rounding errors took over, infinite if the norm grew by a
    quarter over the last octave and else the largest norm: then it is a lower bound.

    At a kink, a state at which the Jacobian jumps as that of a ReLU network does at 0 without bias, the verdict is
    UNDETERMINED and everything else is of the one Jacobian that the derivative's convention picks there.

    `numerical_radius` max |xᴴ W x| of a map, `numerical_abscissa` max Re xᴴ A x of a flow, which is the slope of the norm at
    0; the other is `None`. `departure` from normality (Henrici), √(‖W‖_F² − Σ|λ|²).

    `times` (n,) and `norms` (n,): the curve as far as it was sampled, NaN where it was not.
    """

    eigenvalues: Complex[Array, " N"]
    condition: Float[Array, " N"]
    verdict: Verdict
    rate: Float[Array, ""]
    peak: Float[Array, ""]
    peak_time: Float[Array, ""]
    kreiss: Float[Array, ""]
    numerical_radius: Float[Array, ""] | None
    numerical_abscissa: Float[Array, ""] | None
    departure: Float[Array, ""]
    times: Float[Array, " n"]
    norms: Float[Array, " n"]


def transient(system: AbstractSystem | ArrayLike | list, at: Any = None) -> Transient:
    """Transient growth of the map h ↦ W h, or of a system's small disturbances at a state.

    **Arguments:** `system` a matrix W (N, N), or a `Map` or `Flow` with a constant input; `at` with a system the state,
    a pytree or flat (N,), at which its Jacobian is taken. **Returns:** a `Transient`. **Raises:** `ValueError` for a matrix
    that is not square or not finite, an input that is not constant, a state that does not fit; `TypeError` where `at` is
    missing for a system or given for a matrix.

    Peak, Kreiss constant and numerical range are differentiable, at the time or point where they are taken.

    ```python
    >>> import rnn_ode as ro
    >>> t = ro.transient([[0.5, 10.0], [0.0, 0.5]])
    >>> round(float(t.peak), 3), float(t.peak_time), round(float(t.kreiss), 3)
    (10.025, 1.0, 5.05)

    ```
    """
    if hasattr(system, "jacobian"):
        system = cast(AbstractSystem, system)
        if at is None:
            raise TypeError(
                f"transient(system, at) needs the state at which the Jacobian is taken; got {system!r} alone."
            )
        system.require_constant("transient")
        h = system.as_point("at", at)
        system.require_constant("transient", h)
        return _transient(system.time, *_look_at(system, h))
    if at is not None:
        raise TypeError(f"at is a state of a Map or Flow, and a matrix has the same Jacobian at all; got at={at!r}.")
    W = in_single(as_matrix("W", system))
    return _transient(Discrete(1.0), W, jnp.zeros((), bool))


@eqx.filter_jit
def _look_at(system: AbstractSystem, h: Float[Array, " N"]) -> tuple[Float[Array, "N N"], Bool[Array, ""]]:
    """The Jacobian at a state, and whether it jumps there."""
    return system.jacobian(h), jumps(system.jacobian, jax.lax.stop_gradient(h))


@eqx.filter_jit
def _transient(time: AbstractTime, J: Float[Array, "N N"], kink: Bool[Array, ""]) -> Transient:
    eigenvalues, _, condition, of_balanced = modes(J)
    order = jnp.argsort(-time.growth(eigenvalues), stable=True)
    eigenvalues, condition, of_balanced = eigenvalues[order], condition[order], of_balanced[order]
    with jax.default_matmul_precision("highest"):
        fixed, *judged = jax.lax.stop_gradient((J, eigenvalues, of_balanced))
        verdict = Verdict.where(kink, Verdict.UNDETERMINED, time.verdict(fixed, *judged))
        grain = time.grain(fixed)
        curve = _follow(grain.step, verdict)
        peak_time, found = _peak(grain, curve)
        again = spectral_norm(time.propagator(J, jnp.where(curve.unbounded, 0, peak_time)))
        # the value of the search, step by step, is the more exact one, and this the differentiable one
        peak = found + again - jax.lax.stop_gradient(again)
        unbounded = curve.unbounded | ~jnp.isfinite(peak)
        z = _kreiss_point(time.region, fixed, judged[0])
        # rounding may hide how near to the boundary an ill-conditioned eigenvalue lies, and so how large the quotient is,
        # but never below what the theorem makes of the peak
        theorem = peak / (math.e * J.shape[0])
        kreiss = jnp.maximum(jnp.maximum(1, theorem), time.region.position(z)[1] / _smallest(J, z))
        radius, abscissa = time.numerical_range(J)
    return Transient(
        eigenvalues,
        condition,
        verdict,
        jnp.max(time.growth(eigenvalues)),
        jnp.where(unbounded, jnp.inf, jnp.maximum(1, peak)),
        jnp.where(unbounded, jnp.inf, peak_time),
        jnp.where(unbounded, jnp.inf, kreiss),
        radius,
        abscissa,
        _departure(J),
        curve.count * grain.length,
        jnp.where(curve.norms > 0, curve.norms, jnp.nan).at[0].set(1),
    )


# --- the peak --------------------------------------------------------------------------------------------------------


class _Curve(NamedTuple):
    """Norms (n,) of powers of a matrix after `count` (n,) steps, 0 where none was taken, and the spacing of the samples."""

    count: Array
    spacing: Array
    norms: Array
    unbounded: Array


def _extent(E) -> tuple[int, int]:
    """How many steps of E (N, N) are all looked at, 8192 for N ≤ 8 and at least 1024, and how many octaves there are from
    there to 1/ε steps, beyond which no digit of a power is right."""
    bits = min(13, max(10, 16 - math.ceil(math.log2(E.shape[0]))))
    return 2**bits, jnp.finfo(E.dtype).nmant - bits


def _follow(E: Float[Array, "N N"], verdict: Verdict) -> _Curve:
    """The norms of powers of E until they are seen to stay bounded, or for as long as rounding leaves them a meaning."""
    grows = verdict == Verdict.GROWS
    dense, octaves = _extent(E)
    norms, P, settled, early = _dense_norms(E, grows, dense)
    # What decays, as is verified, falls below 1 one day; of anything else 1/√ε steps must do.
    limit = jnp.where(verdict == Verdict.DECAYS, octaves, max(1, octaves - jnp.finfo(E.dtype).nmant // 2))
    late, ratio = _octave_norms(E, P @ E, jnp.where(settled | grows, 0, limit), dense, octaves)
    spacing = dense // _PER_OCTAVE * 2.0 ** np.arange(octaves)
    counts = spacing[:, None] * np.arange(_PER_OCTAVE, 2 * _PER_OCTAVE)
    norms = jnp.concatenate([norms, late.ravel()])
    growing = (verdict == Verdict.UNDETERMINED) & (jnp.where(settled, early, ratio) > 1.25)
    return _Curve(
        jnp.asarray(np.concatenate([np.arange(dense), counts.ravel()]), E.dtype),
        jnp.asarray(np.concatenate([np.ones(dense), np.repeat(spacing, _PER_OCTAVE)]), E.dtype),
        norms,
        grows | growing | ~jnp.all(jnp.isfinite(norms)),
    )


def _dense_norms(E, grows, dense):
    """‖Eᵏ‖ for k < dense, the last power, whether what comes after it is of no interest, and the growth over the last
    octave, or 0 where a norm was at most 1.

    That is where a norm is at most 1, or smaller than its rounding error: the sum over the steps of ε ‖E‖ ‖Eʲ⁻¹‖, each
    of them carried on by ‖Eᵏ⁻ʲ‖.
    """
    eps, size = jnp.finfo(E.dtype).eps, spectral_norm(E)
    index = jnp.arange(dense)

    def step(state):
        k, P, norms, small, _ = state
        P = P @ E
        norm = spectral_norm(P)
        largest = jnp.maximum(jnp.max(norms), norm)
        past = norms / jnp.where(jnp.isfinite(largest), largest, 1)
        error = eps * size * jnp.dot(past, past[(k - 1 - index) % dense])
        return k + 1, P, norms.at[k].set(norm), small | (norm <= 1), norm / largest / largest < error

    def unfinished(state):
        k, _, norms, small, lost = state
        last = norms[k - 1]
        return (k < dense) & ~lost & ((k < _LEAST) | ~(small | grows)) & (last > 0) & jnp.isfinite(last)

    eye = jnp.eye(E.shape[0], dtype=E.dtype)
    start = (jnp.ones((), int), eye, jnp.zeros(dense, E.dtype).at[0].set(1), jnp.zeros((), bool), jnp.zeros((), bool))
    k, P, norms, small, lost = jax.lax.while_loop(unfinished, step, start)
    return norms, P, small | lost | (k < dense), jnp.where(small, 0, norms[k - 1] / norms[(k - 1) // 2])


def _octave_norms(E, P, limit, dense, octaves):
    """Norms (octaves, 32) of the powers from P on, after `dense` steps, until one is at most 1 or `limit` octaves are
    done, and the growth over the last of them."""
    stride = jnp.linalg.matrix_power(E, dense // _PER_OCTAVE)

    def octave(state):
        j, P, S, norms, _ = state
        P, found = jax.lax.scan(lambda P, _: (P @ S, spectral_norm(P)), P, length=_PER_OCTAVE)
        return j + 1, P, S @ S, norms.at[j].set(found), jnp.all((found > 1) & jnp.isfinite(found))

    none = jnp.zeros((octaves, _PER_OCTAVE), E.dtype)
    start = (jnp.zeros((), int), P, stride, none, jnp.ones((), bool))
    j, _, _, norms, above = jax.lax.while_loop(lambda state: (state[0] < limit) & state[4], octave, start)
    last = norms[jnp.maximum(j - 1, 0)]
    return norms, jnp.where(above & (j > 0), last[-1] / last[0], 0)


def _peak(grain: Grain, curve: _Curve) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The time at which the norm is largest, from its samples, and the norm."""
    f = _without_rounding(grain, curve.count, jnp.where(jnp.isfinite(curve.norms), curve.norms, 0))
    beside = jnp.pad(f, 1)
    crest = (f >= beside[:-2]) & (f >= beside[2:])
    values, best = jax.lax.top_k(jnp.where(crest, f, 0), _CANDIDATES)
    best = jnp.where(values < values[0] / 2, best[0], best)  # not worth a refinement
    powers = _squarings(grain.step)
    count, norms = _between_samples(powers, curve.count[best], curve.spacing[best], curve.norms[best])
    first = jnp.argmax(_without_rounding(grain, count, norms))
    if grain.rate is None:
        return count[first] * grain.length, norms[first]
    return _between_grains(grain, grain.rate, powers, count, norms)


def _without_rounding(grain: Grain, count, norms):
    """Norms less what rounding errors may have added to them, so that these do not prefer a later one of equals."""
    return norms / (1 + jnp.finfo(norms.dtype).eps * (4 + grain.step.shape[0]) * (2 + count))


def _squarings(E):
    """E to the powers 1, 2, 4, … (n, N, N)."""
    return jax.lax.scan(lambda P, _: (P @ P, P), E, length=jnp.finfo(E.dtype).nmant + 1)[1]


def _power(powers, count):
    k = count.astype(int)

    def multiply(i, P):
        return jnp.where((k >> i) & 1 == 1, P @ powers[i], P)

    return jax.lax.fori_loop(0, len(powers), multiply, jnp.eye(powers.shape[1], dtype=powers.dtype))


def _between_samples(powers, count, spacing, norms):
    """Candidates (C,) of an octave moved to the best step between the samples, in four times finer and finer strides."""

    def finer(state):
        count, spacing, norms = state
        spacing = jnp.maximum(1, jnp.floor(spacing / 4))
        tried = jnp.maximum(0, count[:, None] + spacing[:, None] * jnp.arange(-4, 5, dtype=count.dtype)[None])
        found = batched_map(lambda k: spectral_norm(_power(powers, k)), tried.ravel(), powers.shape[1]).reshape(
            tried.shape
        )
        best = jnp.argmax(found, axis=1)[:, None]
        better = jnp.take_along_axis(found, best, 1)[:, 0] > norms
        moved = jnp.where(better, jnp.take_along_axis(tried, best, 1)[:, 0], count)
        return moved, spacing, jnp.maximum(norms, jnp.max(found, axis=1))

    return jax.lax.while_loop(lambda s: jnp.any((s[1] > 1) & (s[2] > 0)), finer, (count, spacing, norms))[::2]


def _between_grains(grain: Grain, rate: Array, powers, count, norms):
    """Time and value of the largest norm of a flow, near the whole numbers of grains that are candidates (C,)."""
    length = grain.length
    eye = jnp.eye(rate.shape[0], dtype=rate.dtype)
    rises = numerical_abscissa(rate) * length > jnp.finfo(rate.dtype).eps * (4 + rate.shape[0])

    def later(P, s):
        """exp(rate · s) P for |s| ≤ length: ‖rate · s‖ ≤ ½, and the first term left out is ½¹⁵/15! = 2e-17."""
        return jax.lax.fori_loop(0, 14, lambda i, X: eye + s * rate @ X / (14 - i), eye) @ P

    def slope(P, s):
        u = jnp.linalg.svd(later(P, s))[0][:, 0]
        return u @ rate @ u

    def rough(k):
        P = _power(powers, k)
        # at 0 all singular values are alike, and the slope is that of the fastest direction
        start = jnp.where(k == 0, jnp.where(rises, 1.0, 0.0), slope(P, jnp.zeros_like(length)))
        end = jnp.sign(start) * length
        ends = climb(lambda s: slope(P, s), jnp.zeros_like(end), end, _ROUGH_ROUNDS)
        return *ends, spectral_norm(later(P, ends[0])), P

    near, far, found, P = jax.lax.map(rough, count)
    values = jnp.where(norms > 0, jnp.maximum(found, norms), 0)
    best = jnp.argmax(_without_rounding(grain, count, values))
    rounds = jnp.finfo(values.dtype).nmant - _ROUGH_ROUNDS
    ends = climb(lambda s: slope(P[best], s), near[best], far[best], rounds)
    shift = jnp.where(found[best] >= norms[best], ends[0], 0)
    return count[best] * length + shift, spectral_norm(later(P[best], shift))


# --- the Kreiss constant ---------------------------------------------------------------------------------------------


def _smallest(W, z):
    """σ_min(z − W)."""
    eye = jnp.eye(W.shape[0], dtype=z.dtype)
    return jnp.linalg.svd(z * eye - W, compute_uv=False)[-1]


def _kreiss_point(region: AbstractRegion, J, eigenvalues) -> Complex[Array, ""]:
    """Where d/(σ_min(z − J) + δ) is largest: δ, what rounding may make of a singular value, keeps from the boundary,
    where the quotient of both is a matter of chance."""
    n = J.shape[0]
    eps, size = jnp.finfo(J.dtype).eps, spectral_norm(J)
    origin = jnp.abs(region.point(jnp.zeros((), J.dtype), jnp.zeros((), J.dtype)))
    scale = jnp.where(origin + size == 0, 1, origin + size)
    noise = 8 * eps * scale
    at, distance = region.position(eigenvalues)
    closest = jnp.maximum(-jnp.max(distance) / (8 * n), eps * scale)
    distances = jnp.exp(jnp.linspace(jnp.log(closest), jnp.log(1e3 * scale), _DISTANCES, dtype=J.dtype))
    places = _places(region, at, size)

    def objective(place, distance):
        return jnp.log(distance) - jnp.log(_smallest(J, region.point(place, distance)) + noise)

    pairs = jnp.stack(jnp.meshgrid(places, distances, indexing="ij"), axis=-1)
    values = batched_map(lambda pair: objective(*pair), pairs.reshape(-1, 2), n).reshape(pairs.shape[:2])
    framed = jnp.pad(values, 1, constant_values=-jnp.inf)
    neighbours = (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:])
    crest = jnp.all(jnp.stack([values >= other for other in neighbours]), axis=0)
    _, seeds = jax.lax.top_k(jnp.where(crest, values, -jnp.inf).ravel(), _SEEDS)
    found = batched_map(lambda seed: _newton(region, J, noise, *seed), pairs.reshape(-1, 2)[seeds], n)
    best = found.place[jnp.argmax(found.value)], found.distance[jnp.argmax(found.value)]
    # a few short steps without δ, which had moved the maximum of a matrix near to unstable
    best = _newton(region, J, 0.0, *best, _POLISHING_STEPS, 0.25)
    return region.point(best.place, best.distance)


def _places(region, at, size):
    """Places on the boundary, in order: opposite the fastest eigenvalues, between each two, and opposite a circle of the
    size of the matrix. J is real, so that one half of the plane will do."""
    at = jnp.sort(jnp.abs(at[:_OPPOSITE]))
    circle = size * jnp.exp(1j * (jnp.arange(_PLACES, dtype=at.dtype) + 0.25) * (jnp.pi / _PLACES))
    return jnp.sort(jnp.concatenate([jnp.zeros(1, at.dtype), at, (at[1:] + at[:-1]) / 2, region.position(circle)[0]]))


class _Point(NamedTuple):
    place: Array
    distance: Array
    value: Array
    gradient: Array
    hessian: Array


def _newton(region: AbstractRegion, J, noise, place, distance, steps=_NEWTON_STEPS, reach=2.0) -> _Point:
    """A local maximum of log d − log(σ_min + noise), by Newton's method in a trust region, in the coordinates log d and
    shift along the boundary over d."""

    def step(_, state):
        point, trial, radius = state
        to = _look(region, J, noise, *trial)
        finite = jnp.all(jnp.isfinite(to.hessian)) & jnp.all(jnp.isfinite(to.gradient))
        better = (to.value > point.value) & finite
        point = jax.tree.map(lambda new, old: jnp.where(better, new, old), to, point)
        radius = jnp.where(better, jnp.minimum(2 * radius, reach), radius / 4)
        values, vectors = jnp.linalg.eigh(point.hessian)
        move = vectors @ ((vectors.T @ point.gradient) / jnp.maximum(jnp.abs(values), 1e-6))
        length = jnp.linalg.norm(move)
        move = move * jnp.minimum(1, radius / jnp.where(length == 0, 1, length))
        return point, _moved(region, point.place, point.distance, move), radius

    nothing = jnp.zeros(2, J.dtype), jnp.zeros((2, 2), J.dtype)
    start = _Point(place, distance, jnp.full((), -jnp.inf, J.dtype), *nothing)
    return jax.lax.fori_loop(0, steps, step, (start, (place, distance), jnp.full((), reach / 8, J.dtype)))[0]


def _moved(region, place, distance, q):
    """Place and distance after a move q = (change of log d, shift along the boundary over d)."""
    pace = jnp.abs(jax.jvp(lambda p: region.point(p, distance), (place,), (jnp.ones_like(place),))[1])
    return place + q[1] * distance / pace, distance * jnp.exp(q[0])


def _look(region, J, noise, place, distance) -> _Point:
    """Value, gradient and Hessian at a point. Everything is divided by d, so that no square leaves the float range."""

    def position(q):
        z = region.point(*_moved(region, place, distance, q)) / distance
        return jnp.stack([z.real, z.imag])

    zero = jnp.zeros(2, J.dtype)
    D, D2 = jax.jacfwd(position)(zero), jax.jacfwd(jax.jacfwd(position))(zero)
    sigma, first, second = _singular_value_derivatives(J, region.point(place, distance), distance)
    share = distance / (sigma + noise)
    gradient, hessian = -share * first, share**2 * jnp.outer(first, first) - share * second
    return _Point(
        place,
        distance,
        jnp.log(share),
        jnp.stack([jnp.ones_like(distance), jnp.zeros_like(distance)]) + gradient @ D,
        D.T @ hessian @ D + jnp.tensordot(gradient, D2, 1),
    )


def _singular_value_derivatives(J, z, unit):
    """σ = σ_min(z − J), its gradient (2,) in (Re z, Im z), and its Hessian (2, 2) times `unit`.

    σ is an eigenvalue of the Hermitian [[0, M], [Mᴴ, 0]], M = z − J, whose others are the singular values and their
    negatives; second-order perturbation theory (Kato, "Perturbation Theory", II.6).
    """
    U, sigmas, Vh = jnp.linalg.svd(z * jnp.eye(J.shape[0], dtype=z.dtype) - J)
    sigma, u, v = sigmas[-1], U[:, -1], Vh[-1].conj()
    a, b = U.conj().T @ v, Vh @ u
    couplings = []
    for sign in (1, -1):
        gap = sigma - sign * sigmas
        weight = jnp.where(gap == 0, 0, unit / jnp.where(gap == 0, 1, gap))
        couplings.append((jnp.stack([(a + sign * b) / 2, 1j * (a - sign * b) / 2]), weight))
    hessian = sum(2 * jnp.real((d.conj() * weight[None]) @ d.T) for d, weight in couplings)
    slope = jnp.vdot(u, v)
    return sigma, jnp.stack([slope.real, -slope.imag]), hessian


# --- normality and pseudospectra -------------------------------------------------------------------------------------


def _departure(W) -> Float[Array, ""]:
    """Henrici's departure from normality, Frobenius: √(‖W‖² − Σ|λ|²).

    Where the difference cancels it is the part off the diagonal in the unitary basis that the eigenvectors span.
    """
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(W)))
    size = jnp.where(size == 0, 1, size)
    W = W / size
    eigenvalues, vectors = eig(W)
    total = jnp.sum(W**2)
    difference = total - jnp.sum(jnp.abs(eigenvalues) ** 2)
    root = jnp.finfo(W.dtype).eps ** 0.5
    cancels = difference <= root * total
    Q = jnp.linalg.qr(jax.lax.stop_gradient(vectors))[0]
    T = Q.conj().T @ W @ Q
    rest = jnp.linalg.norm(jnp.where(jnp.eye(W.shape[0], dtype=bool), 0, T))
    return size * jnp.where(cancels, rest, jnp.sqrt(jnp.where(cancels, 1, difference)))


@eqx.filter_jit
def _grid_of_smallest(W, points):
    return batched_map(lambda z: _smallest(W, z), points, W.shape[0])


def pseudospectrum(W: ArrayLike | list, grid: ArrayLike | list) -> Float[Array, "..."]:
    """The smallest singular value of z − W at each point z: the ε-pseudospectrum of W is where it is at most ε.

    **Arguments:** `W` (N, N); `grid` (…,) points of the complex plane. **Returns:** (…,) distances, in the spectral norm,
    of W from the nearest matrix with the eigenvalue z; of a normal matrix the distance of z from the spectrum. Good to ε‖W‖
    of the precision. **Raises:** `ValueError` for a matrix that is not square, or values that are not finite; `TypeError`
    for points that are not numbers.

    By singular values, of some hundred points at a time. Source: Trefethen & Embree, "Spectra and Pseudospectra", 2005.

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
    points = points.astype(jnp.result_type(W, jnp.complex64))
    return _grid_of_smallest(W, points.ravel()).reshape(points.shape) if points.size else points.real
