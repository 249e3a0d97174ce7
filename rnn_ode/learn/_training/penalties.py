"""Terms to add to a loss that keep gradients from vanishing or exploding, each from an analysis of this package."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..._analyses.lyapunov import lyapunov
from ..._base.checks import as_floats, as_matrix, as_number
from ..._base.states import frozen, promote
from ..._base.types import Cell, State
from ..._cells.protocol import as_initial_state
from ..._systems.map import Map
from ...linalg._eig import eig


def vanishing_gradient(
    cell: Cell, xs: Real[Array | np.ndarray, "T D"], loss: Callable[[Any], Any], h0: State | None = None
) -> Float[Array, ""]:
    """Pascanu's regulariser Ω: how far the gradient of a loss changes its length in a step back through a run,

        Ω = 1/T Σ_k (‖g_k J_k‖ / ‖g_k‖ − 1)²,   g_k = ∂loss/∂h_k,   J_k = ∂h_k/∂h_{k−1},

    the mean in place of the paper's sum (Pascanu, Mikolov & Bengio, ICML 2013, section 3.3). As there, it is differentiated
    with respect to the weights in J_k alone, the run and g_k held. Steps with g_k = 0 count nothing.

    **Arguments:** `cell` any cell; `xs` (T, D) its inputs; `loss` a function of the states, a pytree of (T, …), those after
    each step; `h0` the state before the first step. **Returns:** Ω, a number without a unit.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> xs, last = jnp.ones((5, 1)), lambda states: jnp.sum(states[-1])
    >>> halves = ro.VanillaCell(0.5 * jnp.eye(3), jnp.ones((3, 1)), jnp.zeros(3), activation=None)
    >>> learn.vanishing_gradient(halves, xs, last).item()
    0.25

    ```
    """
    xs = as_floats("xs", xs)
    h0 = frozen(promote(as_initial_state(h0, cell), cell, xs))
    flat, unravel = ravel_pytree(h0)

    def step(cell, x, h):
        return ravel_pytree(cell(x, unravel(h)))[0]

    def forth(h, x):
        after = step(frozen(cell), x, h)
        return after, after

    _, after = jax.lax.scan(forth, flat, xs)
    before = jnp.concatenate([flat[None], after[:-1]])
    direct = frozen(jax.grad(lambda rows: loss(jax.vmap(unravel)(rows)))(after))

    def back(later, inputs):
        x, h, own = inputs
        g, scale = _sum(later, (own, jnp.zeros((), own.dtype)))
        alive = jnp.any(g != 0)
        size = jnp.linalg.norm(jnp.where(alive, g, 1))
        _, pull = jax.vjp(lambda h: step(cell, x, h), h)
        pulled = pull(g / size)[0]
        squares = jnp.sum(pulled**2)
        length = jnp.sqrt(jnp.where(squares > 0, squares, 1))
        term = jnp.where(alive, (jnp.where(squares > 0, length, 0) - 1) ** 2, 0)
        return frozen((pulled, scale + jnp.log2(size))), term

    start = (jnp.zeros_like(flat), jnp.zeros((), flat.dtype))
    _, terms = jax.lax.scan(back, start, frozen((xs, before, direct)), reverse=True)
    return jnp.mean(terms)


def _sum(a, b):
    """The sum of two vectors v 2^e, given as (v, e), in the same form: gradients may be smaller than any float."""

    def top(vector, exponent):
        size = jnp.max(jnp.abs(vector))
        return jnp.where(size > 0, exponent + jnp.log2(jnp.where(size > 0, size, 1)), -1e6)

    scale = jnp.maximum(top(*a), top(*b))
    return sum(vector * jnp.exp2(jnp.minimum(exponent - scale, 126)) for vector, exponent in (a, b)), scale


def flossing(cell: Cell, xs: Real[Array | np.ndarray, "T D"], count: int, h0: State | None = None) -> Float[Array, ""]:
    """Gradient flossing: the mean square of the `count` largest conditional Lyapunov exponents of a run, in (nats per step)².

    Pushed towards zero, before training and during it, it leaves as many directions in which gradients neither vanish nor
    explode (Engelken, NeurIPS 2023; the paper's sum divided by their number).

    **Arguments:** `cell` any cell; `xs` (T, D) an input, along which the exponents are taken; `count` how many, N at most;
    `h0` the state before the first step. **Raises:** as `lyapunov` does. An exponent of −∞ (a dead ReLU) makes it infinite.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=None, recurrent=jax.nn.initializers.orthogonal(0.5))
    >>> round(learn.flossing(cell, jnp.ones((50, 1)), 2).item(), 4), round(float(jnp.log(0.5)) ** 2, 4)
    (0.4805, 0.4805)

    ```
    """
    h0 = as_initial_state(h0, cell)
    return jnp.mean(lyapunov(Map(cell, xs), h0, float(xs.shape[0]), count=count).exponents ** 2)


def spectral_penalty(W: Float[Array, "N N"], radius: ArrayLike = 1.0) -> Float[Array, ""]:
    """How far the multipliers are from a circle: the mean of (|λ| − radius)² over the eigenvalues of W.

    **Arguments:** `W` (N, N), real; `radius` of the circle. **Raises:** `ValueError` for what is no square matrix. The
    gradient is that of the eigenvalues, and grows without bound towards a defective matrix.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> learn.spectral_penalty(jnp.diag(jnp.array([1.0, -1.0, 0.5, 1.5]))).item()
    0.125

    ```
    """
    W = as_matrix("W", W)
    return jnp.mean((jnp.abs(eig(W)[0]) - radius) ** 2)


def orthogonality_penalty(W: Float[Array, "N N"], gain: float = 1.0) -> Float[Array, ""]:
    """How far W is from gain times an orthogonal matrix: ‖WᵀW − gain² I‖²_F / N (Vorontsov et al., ICML 2017).

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> learn.orthogonality_penalty(2 * jnp.eye(3)).item(), learn.orthogonality_penalty(2 * jnp.eye(3), gain=2.0).item()
    (9.0, 0.0)

    ```
    """
    W, gain = as_matrix("W", W), as_number("gain", gain)
    return jnp.sum((W.T @ W - gain**2 * jnp.eye(W.shape[0], dtype=W.dtype)) ** 2) / W.shape[0]
