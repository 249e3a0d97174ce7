"""The exact flow of a linear field: one matrix exponential for all steps, and the contribution of the input to each.

If the input is a polynomial in time between its kinks, dh/ds = M h + Σ_j c_j sʲ/j! in each part of a step, s = 0 … 1. The
state at the end of the part is exp(M) h + Σ_j φ_{j+1}(M) c_j, with the same matrices in every step. The c_j of all steps come
from the field itself: its values at h = 0 in degree + 1 places.

This leaves h(k+1) = E h(k) + u(k). On a CPU it is run by a scan. For 1000 steps a scan takes 0.11, 0.22, 1.1, 4.0 and 20 ms
for 32, 64, 128, 256 and 512 units; doubling over blocks of 4 to 32 steps takes 1 to 9 times that (0.84 times for 512 units
and blocks of 4). Accelerators, where each step costs a latency and a product costs little, use blocks of 32. Eigenvectors can
be used only if they are well conditioned, and computing them takes longer than either method.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Inexact

from .._base.protocol import is_linear, leads_of
from .._base.results import RESULTS
from .._base.states import after, real_dtype
from .._base.types import Field, State
from .._paths.base import AbstractPath, is_held
from ..linalg._exponential import exponentials, matrix_power
from .intervals import Interval
from .kept import keep, with_result

_BLOCK = 32


def is_exact(field: Field, path: Any) -> bool:
    """Whether the flow from sample to sample is known in closed form: of a linear field, under an input in polynomials."""
    return is_linear(field) and isinstance(path, AbstractPath) and path.degree is not None


def linear_flow(
    field: Field, path: AbstractPath, h0: State, save: Callable[[Any], Any] | None
) -> tuple[State, RESULTS]:
    """Return what is kept of the states (T + 1, …) at the path's stamps, the initial one first, and how the run ended."""
    flat, unravel = ravel_pytree(h0)
    E, u, defined = _steps(field, path, flat, unravel)
    if save is None:
        rows = jax.lax.platform_dependent(E, u, flat, cpu=scanned, default=doubled_where_finite)
        rows = keep(jax.vmap(unravel)(rows), None)
    else:
        rows = scanned(E, u, flat, lambda h: keep(unravel(h), save))
    states, result = with_result(after(keep(h0, save), rows))
    why = RESULTS.where(defined, RESULTS.left_float_range, RESULTS.field_undefined)  # pyright: ignore
    return states, RESULTS.where(result == RESULTS.successful, result, why)


def _steps(
    field: Field, path: AbstractPath, flat: Array, unravel: Callable[[Array], State]
) -> tuple[Inexact[Array, "N N"], Inexact[Array, "T N"], Bool[Array, ""]]:
    """Return E and u of h(k+1) = E h(k) + u(k), and whether the field was finite everywhere."""
    kind, zero = real_dtype(flat), jnp.zeros_like(flat)
    whole = jnp.arange(path.xs.shape[0])
    points = np.linspace(0, 1, (path.degree or 0) + 1)
    # from the values at the points to c_j, the j-th derivative at 0
    derivatives = np.diag([math.factorial(j) for j in range(len(points))]) @ np.linalg.inv(
        np.vander(points, increasing=True)
    )
    eye = jnp.eye(len(flat), dtype=flat.dtype)
    E, u, defined = eye, jnp.zeros((len(whole), len(flat)), flat.dtype), jnp.array(True)
    for begin, end in itertools.pairwise((0.0, *_kinks(field, path), 1.0)):

        def rate(k, s, h, ends=(begin, end)):
            interval = Interval.of(field, path, (k, *(jnp.asarray(value, kind) for value in ends)))
            return ravel_pytree(interval.rate(s, unravel(h)))[0]

        _, along = jax.linearize(lambda h: rate(whole[0], jnp.zeros((), kind), h), zero)
        with jax.default_matmul_precision("highest"):
            M = jax.vmap(along, out_axes=1)(eye)
        values = jax.vmap(lambda k: jax.vmap(lambda s: rate(k, s, zero))(jnp.asarray(points, kind)))(whole)
        added = jnp.einsum("js,tsn->jtn", jnp.asarray(derivatives, kind), values)
        defined &= jnp.all(jnp.isfinite(M)) & jnp.all(jnp.isfinite(values))
        part, *phis = exponentials(M, len(points))
        with jax.default_matmul_precision("highest"):
            u = u @ part.T + sum(c @ phi.T for c, phi in zip(added, phis, strict=True))
            E = part @ E
    return E, u, defined


def _kinks(field: Field, path: AbstractPath) -> list[float]:
    """Return the fractions of a step, without 0 and 1, at which the input that the field reads has a kink."""
    if is_held(path):
        return []
    # kinks that differ by rounding are one; those at 0 are left out
    fractions = {round(-lead / path.dt % 1, 9) % 1: -lead / path.dt % 1 for lead in leads_of(field)}
    return [fractions[key] for key in sorted(fractions) if key]


def scanned(E: Inexact[Array, "N N"], u: Inexact[Array, "T N"], h0: Inexact[Array, " N"], kept=lambda h: h):
    """Return what is kept of every h(k+1) = E h(k) + u(k), (T, …), step by step."""

    def body(h, u):
        h = jnp.matmul(E, h, precision="highest") + u
        return h, kept(h)

    return jax.lax.scan(body, h0, u)[1]


def doubled_where_finite(E, u, h0) -> Inexact[Array, "T N"]:
    """Return `doubled` if the power of E that it needs is finite, else `scanned`."""
    power = jax.lax.stop_gradient(matrix_power(E, jnp.asarray(_BLOCK)))
    return jax.lax.cond(jnp.all(jnp.isfinite(power)), doubled, scanned, E, u, h0)


def doubled(E: Inexact[Array, "N N"], u: Inexact[Array, "T N"], h0: Inexact[Array, " N"]) -> Inexact[Array, "T N"]:
    """Return the states of `scanned`, computed in blocks.

    The contribution of the input within each block comes from doubling, in all blocks at once; a scan gives the states at the
    starts of the blocks; and powers of E their contribution to the other states."""
    (T, N), blocks = u.shape, -(-u.shape[0] // _BLOCK)
    with jax.default_matmul_precision("highest"):
        within = jnp.concatenate([u, jnp.zeros((blocks * _BLOCK - T, N), u.dtype)]).reshape(blocks, _BLOCK, N)
        powers, reach = E[None], 1
        while reach < _BLOCK:
            within = within.at[:, reach:].add(within[:, :-reach] @ powers[-1].T)
            powers = jnp.concatenate([powers, powers @ powers[-1]])
            reach *= 2
        _, starts = jax.lax.scan(lambda h, end: (powers[-1] @ h + end, h), h0, within[:, -1])
        within = within + jnp.einsum("jab,kb->kja", powers, starts)
    return within.reshape(blocks * _BLOCK, N)[:T]
