"""Steps in windows that run side by side, and linear recurrences over all windows at once.

A step is h ↦ step(row, h) on real vectors (N,). The rows of the input are divided into K windows of m steps (K, m, …).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .._base.types import State

FlatStep = Callable[[PyTree, Array], Array]
# Rounding errors that are followed. One draw of signs may cancel: of 742 networks that enlarge errors it was more than ten
# times too small for 7. The largest of several rarely is.
_DRAWS = 4
_PRECISION = jax.default_matmul_precision("highest")  # products of a batch are else less exact on GPUs than the scan's


def flat_form(like: State) -> tuple[Callable[[State], Array], Callable[[Array], State]]:
    """Two functions, from states like this one to real vectors (N,) and back. A complex number is two real ones."""

    def apart(leaf):
        return jnp.stack([leaf.real, leaf.imag]) if jnp.iscomplexobj(leaf) else leaf

    def together(leaf, given):
        return lax.complex(given[0], given[1]) if jnp.iscomplexobj(leaf) else given

    restore = ravel_pytree(jax.tree.map(apart, like))[1]
    return lambda h: ravel_pytree(jax.tree.map(apart, h))[0], lambda v: jax.tree.map(together, like, restore(v))


def in_windows(rows: PyTree, length: int, fill: str = "edge") -> PyTree:
    """Rows (T, …) as windows (K, m, …). The last window is filled up with the last row, or with zeros."""

    def divide(leaf):
        more = -leaf.shape[0] % length
        end = jnp.broadcast_to(leaf[-1:], (more, *leaf.shape[1:]))
        whole = jnp.concatenate([leaf, end if fill == "edge" else jnp.zeros_like(end)])
        return whole.reshape(-1, length, *leaf.shape[1:])

    return jax.tree.map(divide, rows)


def window_ends(step: FlatStep, starts: Float[Array, "K N"], inputs: PyTree) -> Float[Array, "K N"]:
    """The states at the ends of windows that start at these states."""

    def window(h, rows):
        return lax.scan(lambda h, row: (step(row, h), None), h, rows)[0]

    with _PRECISION:
        return jax.vmap(window)(starts, inputs)


def run_windows(
    step: FlatStep, starts: Float[Array, "K N"], errors: Float[Array, "K d N"], inputs: PyTree
) -> tuple[Float[Array, "K m N"], Float[Array, "K m N"]]:
    """The states after each step, of windows that start at these states, and the largest of d rounding errors by then, those
    at the starts given."""

    def window(h, errors, rows):
        def one(carry, given):
            (h, errors), (row, signs) = carry, given
            h, push = jax.linearize(lambda h: step(row, h), h)
            errors = jax.vmap(push)(errors) + signs * jnp.abs(h)[None]
            return (h, errors), (h, jnp.max(jnp.abs(errors), axis=0))

        return lax.scan(one, (h, errors), (rows, _units(rows, h)))[1]

    with _PRECISION:
        return jax.vmap(window)(starts, errors, inputs)


def push_windows(
    step: FlatStep, starts: Float[Array, "K N"], inputs: PyTree, probes: Float[Array, "p N"]
) -> tuple[Float[Array, "K N"], Float[Array, "K p N"], Float[Array, "K d N"]]:
    """The states at the ends of windows, the tangent vectors there that start as `probes`, and d rounding errors there."""

    def window(h, rows):
        def one(carry, given):
            h, P, errors = carry
            row, signs = given
            h, push = jax.linearize(lambda h: step(row, h), h)
            return (h, jax.vmap(push)(P), jax.vmap(push)(errors) + signs * jnp.abs(h)[None]), None

        return lax.scan(one, (h, probes, no_errors(h)), (rows, _units(rows, h)))[0]

    with _PRECISION:
        return jax.vmap(window)(starts, inputs)


def no_errors(h: Float[Array, " N"]) -> Float[Array, "d N"]:
    """The rounding errors of a state that is exact."""
    return jnp.zeros((_DRAWS, h.shape[0]), h.dtype)


def _units(rows: PyTree, h: Float[Array, " N"]) -> Float[Array, "m d N"]:
    """The rounding errors of each step of a window, relative to the state: one unit in the last place, with signs that are
    the same in every run."""
    length = jax.tree.leaves(rows)[0].shape[0]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (length, _DRAWS, h.shape[0]))
    return jnp.asarray(signs, h.dtype) * jnp.finfo(h.dtype).eps


def prefix(combine: Callable[[Any, Any], Any], parts: Any) -> Any:
    """All products x_0, x_0 x_1, x_0 x_1 x_2, … of an associative operation, in log₂ K stages (Hillis & Steele 1986).

    `combine(earlier, later)` takes K pairs at once. `lax.associative_scan` combines fewer pairs in all, and has twice as many
    stages of different shapes; here one stage is compiled."""
    count = jax.tree.leaves(parts)[0].shape[0]
    index = jnp.arange(count)

    def stage(parts, distance):
        earlier = jax.tree.map(lambda leaf: leaf[jnp.maximum(index - distance, 0)], parts)

        def chosen(new, old):
            return jnp.where((index >= distance).reshape(-1, *(1,) * (old.ndim - 1)), new, old)

        return jax.tree.map(chosen, combine(earlier, parts), parts), None

    stages = int(np.ceil(np.log2(count)))
    return lax.scan(stage, parts, 2 ** jnp.arange(stages))[0] if stages else parts


def recur(gains: Float[Array, "K N N"] | Float[Array, "K N"], given: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """δ_j = A_j δ_{j−1} + b_j from δ_0 = b_0 on, in parallel. The matrices A are diagonal if given as (K, N)."""

    def product(A, B):
        return A * B if A.ndim == 2 else A @ B

    def applied(A, b):
        return A * b if A.ndim == 2 else (A @ b[..., None])[..., 0]

    def combine(first, second):
        (A, a), (B, b) = first, second
        return product(B, A), applied(B, a) + b

    with _PRECISION:
        return prefix(combine, (gains, given))[1]


def after_each(gains: Array, jumps: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """What the jumps at the ends of windows become at the starts of windows: δ_{j+1} = D_j δ_j + r_j from δ_0 = 0 on."""
    first = jnp.zeros_like(gains[:1]), jnp.zeros_like(jumps[:1])
    return recur(*(jnp.concatenate([a, b[:-1]]) for a, b in zip(first, (gains, jumps), strict=True)))


def linear_states(
    step: FlatStep,
    inputs: PyTree,
    before: Float[Array, "T N"],
    given: Float[Array, "T N"],
    first: Float[Array, " N"],
    length: int,
) -> Float[Array, "T N"]:
    """u_k = J_k u_{k−1} + b_k from u_0 = `first` on, with the Jacobians J_k of the steps at the states `before` them.

    Windows run side by side twice: from zero, with the product of the Jacobians, and from the right start. With one window
    it is a plain scan."""
    windows = in_windows((inputs, before), length)
    total, pushes = before.shape[0], in_windows(given, length, "zeros")

    def push(row, at, u):
        return jax.jvp(lambda h: step(row, h), (at,), (u,))[1]

    def window(u, rows, pushes):
        def one(u, given):
            (row, at), b = given
            u = push(row, at, u) + b
            return u, u

        return lax.scan(one, u, (rows, pushes))[1]

    def product(rows):
        def one(P, given):
            row, at = given
            return jax.vmap(lambda v: push(row, at, v))(P), None

        return lax.scan(one, jnp.eye(before.shape[1], dtype=before.dtype), rows)[0].T

    with _PRECISION:
        starts = first[None]
        if pushes.shape[0] > 1:
            ends = jax.vmap(window)(jnp.zeros_like(pushes[:, 0]), windows, pushes)[:, -1]
            gains = jax.vmap(product)(windows)
            gains = jnp.concatenate([jnp.zeros_like(gains[:1]), gains[:-1]])
            starts = recur(gains, jnp.concatenate([starts, ends[:-1]]))
        rows = jax.vmap(window)(starts, windows, pushes)
    return rows.reshape(-1, rows.shape[-1])[:total]
