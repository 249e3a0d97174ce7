"""The largest norm of the powers of a matrix: by how much a disturbance of a linear system grows at most.

The supremum of ‖Eᵏ‖ over k ≥ 0, where E is what a disturbance is multiplied by in one grain of time: one step of a map, or
½/‖A‖ of a flow with the matrix A, E = exp(A · ½/‖A‖). All of the first powers are computed (8192 for N ≤ 8, at least 1024),
and then 32 in each octave. Norms are submultiplicative: after a norm of at most 1 nothing exceeds what came before.

The best samples are refined: between the samples of an octave, and for a flow between the grains too, by bisection of the
slope, (log ‖exp(A t)‖)' = uᵀ A u with u the first left singular vector. Beyond the first powers the search may miss a hump
that is narrower than 3 % of its time, or an oscillation of every few steps on top of a slow hump.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._base.verdict import Verdict
from .._systems.time import Grain
from ..linalg._norms import batched_map, climb, numerical_abscissa, spectral_norm

_LEAST = 64  # powers to take for the picture, even where the answer is known before

_PER_OCTAVE = 32

_CANDIDATES = 8

_ROUGH_ROUNDS = 12  # bisections of half a grain: its 4096th part is the peak to 1e-8


class Curve(NamedTuple):
    """Norms (n,) of powers of a matrix after `count` (n,) steps, 0 where none was taken; the `spacing` (n,) of the samples;
    and whether the norms are `unbounded`."""

    count: Float[Array, " n"]
    spacing: Float[Array, " n"]
    norms: Float[Array, " n"]
    unbounded: Bool[Array, ""]


def sampled_norms(E: Float[Array, "N N"], verdict: Verdict) -> Curve:
    """Returns the norms of powers of E, until they are seen to stay bounded or consist of rounding errors. `verdict` is what
    the eigenvalues of E say."""
    grows = verdict == Verdict.GROWS
    dense, octaves = _extent(E)
    norms, P, settled, early = _dense_norms(E, grows, dense)
    # A matrix that decays has norms below 1 in the end; for any other 1/√ε steps must be enough.
    limit = jnp.where(verdict == Verdict.DECAYS, octaves, max(1, octaves - jnp.finfo(E.dtype).nmant // 2))
    late, ratio = _octave_norms(E, P @ E, jnp.where(settled | grows, 0, limit), dense, octaves)
    spacing = dense // _PER_OCTAVE * 2.0 ** np.arange(octaves)
    counts = spacing[:, None] * np.arange(_PER_OCTAVE, 2 * _PER_OCTAVE)
    norms = jnp.concatenate([norms, late.ravel()])
    growing = (verdict == Verdict.UNDETERMINED) & (jnp.where(settled, early, ratio) > 1.25)
    return Curve(
        jnp.asarray(np.concatenate([np.arange(dense), counts.ravel()]), E.dtype),
        jnp.asarray(np.concatenate([np.ones(dense), np.repeat(spacing, _PER_OCTAVE)]), E.dtype),
        norms,
        grows | growing | ~jnp.all(jnp.isfinite(norms)),
    )


def highest(grain: Grain, curve: Curve) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the time at which the norm is largest, refined from its samples, and that norm."""
    f = _without_rounding(grain, curve.count, jnp.where(jnp.isfinite(curve.norms), curve.norms, 0))
    beside = jnp.pad(f, 1)
    crest = (f >= beside[:-2]) & (f >= beside[2:])
    values, best = jax.lax.top_k(jnp.where(crest, f, 0), _CANDIDATES)
    best = jnp.where(values < values[0] / 2, best[0], best)  # these are too low to be worth a refinement
    powers = _squarings(grain.step)
    count, norms = _between_samples(powers, curve.count[best], curve.spacing[best], curve.norms[best])
    first = jnp.argmax(_without_rounding(grain, count, norms))
    if grain.rate is None:
        return count[first] * grain.length, norms[first]
    return _between_grains(grain, grain.rate, powers, count, norms)


def _extent(E: Float[Array, "N N"]) -> tuple[int, int]:
    """Returns the number of first powers of E, all of which are computed (8192 for N ≤ 8, at least 1024), and the number of
    octaves from there to 1/ε steps, after which no digit of a power is right."""
    bits = min(13, max(10, 16 - math.ceil(math.log2(E.shape[0]))))
    return 2**bits, jnp.finfo(E.dtype).nmant - bits


def _dense_norms(
    E: Float[Array, "N N"], grows: Bool[Array, ""], dense: int
) -> tuple[Float[Array, " dense"], Float[Array, "N N"], Bool[Array, ""], Float[Array, ""]]:
    """Returns ‖Eᵏ‖ for k < dense; the last power; whether later powers are not needed; and the growth over the last octave,
    or 0 after a norm of at most 1.

    Later powers are not needed after a norm that is at most 1, or smaller than its rounding error: the sum over the steps j
    of ε ‖E‖ ‖Eʲ⁻¹‖ ‖Eᵏ⁻ʲ‖.
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


def _octave_norms(
    E: Float[Array, "N N"], P: Float[Array, "N N"], limit: Int[Array, ""], dense: int, octaves: int
) -> tuple[Float[Array, "octaves m"], Float[Array, ""]]:
    """Returns norms (octaves, 32) of the powers from P = E^dense on, until one is at most 1 or `limit` octaves are done; and
    the growth over the last of them."""
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


def _without_rounding(grain: Grain, count: Float[Array, " n"], norms: Float[Array, " n"]) -> Float[Array, " n"]:
    """Returns norms less what rounding errors may have added, so that of two equal norms the earlier one is preferred."""
    return norms / (1 + jnp.finfo(norms.dtype).eps * (4 + grain.step.shape[0]) * (2 + count))


def _squarings(E: Float[Array, "N N"]) -> Float[Array, "n N N"]:
    """Returns E to the powers 1, 2, 4, …"""
    return jax.lax.scan(lambda P, _: (P @ P, P), E, length=jnp.finfo(E.dtype).nmant + 1)[1]


def _power(powers: Float[Array, "n N N"], count: Float[Array, ""]) -> Float[Array, "N N"]:
    """Returns E to the power `count`, a whole number, from its `_squarings`."""
    k = count.astype(int)

    def multiply(i, P):
        return jnp.where((k >> i) & 1 == 1, P @ powers[i], P)

    return jax.lax.fori_loop(0, len(powers), multiply, jnp.eye(powers.shape[1], dtype=powers.dtype))


def _between_samples(
    powers: Float[Array, "n N N"], count: Float[Array, " C"], spacing: Float[Array, " C"], norms: Float[Array, " C"]
) -> tuple[Float[Array, " C"], Float[Array, " C"]]:
    """Returns the numbers of steps with the largest norms near the candidates `count`, and these norms, by a search between
    the samples with strides that are four times shorter in each round."""

    def finer(state):
        count, spacing, norms = state
        spacing = jnp.maximum(1, jnp.floor(spacing / 4))
        tried = jnp.maximum(0, count[:, None] + spacing[:, None] * jnp.arange(-4, 5, dtype=count.dtype)[None])
        found = batched_map(lambda k: spectral_norm(_power(powers, k)), tried.ravel(), powers.shape[1])
        found = found.reshape(tried.shape)
        best = jnp.argmax(found, axis=1)[:, None]
        better = jnp.take_along_axis(found, best, 1)[:, 0] > norms
        moved = jnp.where(better, jnp.take_along_axis(tried, best, 1)[:, 0], count)
        return moved, spacing, jnp.maximum(norms, jnp.max(found, axis=1))

    start = (count, spacing, norms)
    count, _, norms = jax.lax.while_loop(lambda state: jnp.any((state[1] > 1) & (state[2] > 0)), finer, start)
    return count, norms


def _between_grains(
    grain: Grain,
    rate: Float[Array, "N N"],
    powers: Float[Array, "n N N"],
    count: Float[Array, " C"],
    norms: Float[Array, " C"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the time and the value of the largest norm of a flow, within one grain of the candidates `count`."""
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
        # at 0 all singular values are equal, and the slope is that of the fastest direction
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
