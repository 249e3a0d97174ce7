"""Penalties: terms to add to a loss, so that gradients neither vanish nor explode.

A penalty is any function of the model that returns one real number and that JAX can differentiate. These use analyses of the
package.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..._analyses.lyapunov import lyapunov
from ..._base.checks import as_floats, as_matrix, as_number, brief, check_callable, in_single
from ..._base.states import frozen, promote
from ..._base.types import Cell, State
from ..._cells.protocol import as_initial_state
from ..._run.inputs import check_inputs
from ..._systems.map import Map
from ...linalg._eig import eig


def vanishing_gradient(
    cell: Cell, xs: Real[Array | np.ndarray, "T D"], loss: Callable[[Any], Any], h0: State | None = None
) -> Float[Array, ""]:
    """Pascanu's regulariser Ω: how much the gradient of a loss changes its length in each step back through a run.

        Ω = 1/T Σ_k (‖g_k J_k‖ / ‖g_k‖ − 1)²,   g_k = ∂loss/∂h_k,   J_k = ∂h_k/∂h_{k−1}

    It is the mean over the steps, where the paper has the sum (Pascanu, Mikolov & Bengio, ICML 2013, section 3.3). As in
    the paper, its derivative is taken with respect to the weights in J_k alone; the states and g_k are held constant. A step
    with g_k = 0 adds 0.

    **Arguments:**

    - `cell`: any cell.
    - `xs`: its inputs (T, D).
    - `loss`: a function of the states after each step, a pytree of (T, …), that returns one number.
    - `h0`: the state before the first step. Default: the cell's zero state.

    **Returns:** Ω, a number without a unit.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> xs, last = jnp.ones((5, 1)), lambda states: jnp.sum(states[-1])
    >>> halves = ro.VanillaCell(0.5 * jnp.eye(3), jnp.ones((3, 1)), jnp.zeros(3), activation=None)
    >>> learn.vanishing_gradient(halves, xs, last).item()
    0.25

    ```
    """
    check_callable("loss", loss, "loss(states)")
    xs = check_inputs(cell, xs)
    h0 = frozen(promote(as_initial_state(h0, cell), cell, xs))
    flat, unravel = ravel_pytree(h0)

    def step(cell: Cell, x: Array, h: Array) -> Array:
        return ravel_pytree(cell(x, unravel(h)))[0]

    def forth(h: Array, x: Array) -> tuple[Array, Array]:
        after = step(frozen(cell), x, h)
        return after, after

    def measured(rows: Array) -> Any:
        found = loss(jax.vmap(unravel)(rows))
        if jnp.shape(found) != () if isinstance(found, jax.Array | np.ndarray | float) else True:
            raise TypeError(f"loss must return one real number; it returned {brief(found)}.")
        return found

    _, after = jax.lax.scan(forth, flat, xs)
    before = jnp.concatenate([flat[None], after[:-1]])
    direct = frozen(jax.grad(measured)(after))

    def back(later: tuple[Array, Array], inputs: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], Array]:
        x, h, own = inputs
        g, scale = _scaled_sum(later, (own, jnp.zeros((), own.dtype)))
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


def _scaled_sum(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
    """The sum of two vectors v 2^e, each given as (v, e) since gradients may be smaller than any float, as such a pair."""

    def top(vector: Array, exponent: Array) -> Array:
        size = jnp.max(jnp.abs(vector))
        return jnp.where(size > 0, exponent + jnp.log2(jnp.where(size > 0, size, 1)), -1e6)

    scale = jnp.maximum(top(*a), top(*b))
    first, second = (vector * jnp.exp2(jnp.minimum(exponent - scale, 126)) for vector, exponent in (a, b))
    return first + second, scale


def flossing(cell: Cell, xs: Real[Array | np.ndarray, "T D"], count: int, h0: State | None = None) -> Float[Array, ""]:
    """Gradient flossing: the mean square of the `count` largest conditional Lyapunov exponents of a run.

    If training drives it to zero, gradients neither vanish nor explode in `count` directions (Engelken, NeurIPS 2023, where
    it is the sum). It may be used before training and during it.

    **Arguments:**

    - `cell`: any cell.
    - `xs`: an input (T, D), along which the exponents are computed.
    - `count`: the number of exponents, at most the number of states N.
    - `h0`: the state before the first step. Default: the cell's zero state.

    **Returns:** the mean square in (nats per step)². It is infinite if an exponent is −∞, as with dead ReLU units.

    **Raises:** as `lyapunov` does.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=None, recurrent=jax.nn.initializers.orthogonal(0.5))
    >>> round(learn.flossing(cell, jnp.ones((50, 1)), 2).item(), 4), round(float(jnp.log(0.5)) ** 2, 4)
    (0.4805, 0.4805)

    ```
    """
    xs, h0 = check_inputs(cell, xs), as_initial_state(h0, cell)
    return jnp.mean(lyapunov(Map(cell, xs), h0, float(xs.shape[0]), count=count).exponents ** 2)


def spectral_penalty(W: Float[Array, "N N"], radius: ArrayLike = 1.0) -> Float[Array, ""]:
    """The mean of (|λ| − radius)² over the eigenvalues λ of W.

    Its gradient is that of the eigenvalues, so it grows without bound as W approaches a defective matrix.

    **Arguments:**

    - `W`: a real matrix (N, N).
    - `radius`: the modulus that the eigenvalues should have. Default 1.

    **Returns:** one number.

    **Raises:** `ValueError` if W is no square matrix.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> learn.spectral_penalty(jnp.diag(jnp.array([1.0, -1.0, 0.5, 1.5]))).item()
    0.125

    ```
    """
    W, radius = in_single(as_matrix("W", W)), as_floats("radius", radius)
    return jnp.mean((jnp.abs(eig(W)[0]) - radius.astype(W.dtype)) ** 2)


def orthogonality_penalty(W: Float[Array, "N N"], gain: float = 1.0) -> Float[Array, ""]:
    """The distance of W from `gain` times an orthogonal matrix: ‖WᵀW − gain² I‖²_F / N (Vorontsov et al., ICML 2017).

    **Arguments:**

    - `W`: a real matrix (N, N).
    - `gain`: the factor of the orthogonal matrix. Default 1.

    **Returns:** one number.

    **Raises:** `ValueError` if W is no square matrix.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> learn.orthogonality_penalty(2 * jnp.eye(3)).item(), learn.orthogonality_penalty(2 * jnp.eye(3), gain=2.0).item()
    (9.0, 0.0)

    ```
    """
    W, wanted = as_matrix("W", W), as_floats("gain", as_number("gain", gain), ())
    return jnp.sum((W.T @ W - jnp.diag(jnp.full(len(W), wanted.astype(W.dtype) ** 2))) ** 2) / W.shape[0]
