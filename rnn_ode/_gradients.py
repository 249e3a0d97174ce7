"""Vanishing and exploding gradients: how a network's last state depends on its earlier ones.

Backpropagation through T steps multiplies by the step Jacobians of the run, J_j = ∂h_j/∂h_{j−1}, from the last to the first:

    P_k = ∂h_T/∂h_{T−k} = J_T J_{T−1} … J_{T−k+1},    P_0 = I.

Four things are said of ‖P_k‖₂, in nats per step where they are rates.

- *Eigenvalues*: were every J_j the same W, then ‖P_k‖^(1/k) → ρ(W), so that log ρ is the predicted rate. W is the network's
  linear part here. It leaves the activation out (|f'| ≤ 1 only slows growth down), and it says nothing of the early lags
  of a matrix that is not normal: 1.5 · shift of size N has ρ = 0, and ‖P_k‖ = 1.5ᵏ until k = N, from where it is 0.
- *Lyapunov*: for a stationary run (1/k) log ‖P_k‖ tends to the largest conditional Lyapunov exponent, that of the run and its
  input (Engelken, Wolf & Abbott, Phys. Rev. Research 5, 2023). It is measured by pushing one vector forward.
- *The weights' bound*: ‖J_j‖₂ ≤ γ ‖W_h‖₂ with γ = sup |f'|, hence ‖P_k‖₂ ≤ (γ ‖W_h‖₂)ᵏ. So ‖W_h‖₂ < 1/γ suffices for vanishing
  and ‖W_h‖₂ > 1/γ is necessary for exploding (Pascanu, Mikolov & Bengio, ICML 2013, section 2.1). The paper words both with
  the largest eigenvalue; its proof bounds norms, and the shift shows that it needs them.
- *The steps' bound*: ‖P_k‖₂ ≤ Π ‖J_j‖₂ over the k last steps, for any cell.

Products are carried with a power of two for every row apart, so that nothing over- or underflows before the end and the
logarithm is −∞ only where the product is 0: where derivatives are, or round to, 0 (a saturated tanh, inactive ReLUs). At a
ReLU's kink the derivative is that of `jax.nn.relu`: 0 at 0.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, Real

from ._bridge import to_rnn
from ._cells import AbstractCell, VanillaCell
from ._errors import RESULTS, as_floats, check_count
from ._iterate import iterate
from ._schemes import Euler
from ._spectrum import Spectrum, spectrum
from ._types import Cell


class GradientBounds(eqx.Module):
    """Upper bounds of ‖∂h_T/∂h_{T−k}‖₂ at the lags k = 0…T, and what Pascanu, Mikolov & Bengio (2013) conclude from the first.

    **Fields:** `gain` (): what no step's ‖J‖₂ exceeds, whatever state and input, by the weights alone: γ ‖W_h‖₂ for a
    `VanillaCell`, ‖A‖₂ + ‖W‖₂ for a `PiecewiseLinearCell`, NaN for other cells and unknown activations; `log_from_weights` (T+1,):
    k log gain; `log_from_steps` (T+1,): the sum of log ‖J_j‖₂ over the last k steps of this run, of any cell, in nats;
    `vanishing_guaranteed` (): gain < 1; `exploding_possible` (): gain > 1, or unknown. Both hold to within rounding, so that an
    orthogonal W_h under a tanh has neither.
    """

    gain: Float[Array, "*batch"]
    log_from_weights: Float[Array, "*batch lags"]
    log_from_steps: Float[Array, "*batch lags"]
    vanishing_guaranteed: Bool[Array, "*batch"]
    exploding_possible: Bool[Array, "*batch"]

    @property
    def from_weights(self) -> Float[Array, "*batch lags"]:
        """gainᵏ."""
        return jnp.exp(self.log_from_weights)

    @property
    def from_steps(self) -> Float[Array, "*batch lags"]:
        """The product of the norms of the last k step Jacobians."""
        return jnp.exp(self.log_from_steps)


class GradientFlow(eqx.Module):
    """How strongly a run's last state depends on the states before it: what `gradient_flow` returns.

    **Fields:** `log_norms` (T+1,): log ‖∂h_T/∂h_{T−k}‖₂ for k = 0…T, in nats, −∞ where the Jacobian is exactly 0; `spectrum` the
    eigenvalues (with conditions and a verdict) of the network's linear part, or of the Jacobian at the last state and input
    for cells that name no linear part; `lyapunov_rate` (): the largest conditional Lyapunov exponent of the run, nats per
    step; `measured_rate` (): the slope of `log_norms` over the late lags k ≥ T/2, nats per step, −∞ if the gradient has died
    there; `bounds` a `GradientBounds`; `result` a `RESULTS`: `successful`, `left_float_range` (every number of the run is NaN) or
    `derivative_undefined` (NaN from that lag on).
    """

    log_norms: Float[Array, "*batch lags"]
    spectrum: Spectrum
    lyapunov_rate: Float[Array, "*batch"]
    measured_rate: Float[Array, "*batch"]
    bounds: GradientBounds
    result: RESULTS

    @property
    def norms(self) -> Float[Array, "*batch lags"]:
        """‖∂h_T/∂h_{T−k}‖₂ for k = 0…T; it may over- or underflow where `log_norms` does not."""
        return jnp.exp(self.log_norms)

    @property
    def predicted_rate(self) -> Float[Array, "*batch"]:
        """What the eigenvalues predict, log ρ of `spectrum.matrix`, in nats per step."""
        return jnp.log(jnp.max(jnp.abs(self.spectrum.multipliers), axis=-1))


def gradient_flow(
    cell: Cell, xs: Real[ArrayLike, "T ..."], h0: PyTree[ArrayLike] | None = None, *, throw: bool = True
) -> GradientFlow:
    """How gradients of a network's last state vanish, persist or explode on their way back through a run.

    **Arguments:** `cell` any cell; `xs` (T, D) inputs, time first; `h0` the state before the first step, zeros by default for
    our cells and Equinox's; `throw` whether a run that leaves the float range, or has no derivative, raises. A state of
    several arrays, such as an LSTM's (h, c), counts as one vector (`jax.flatten_util.ravel_pytree`).

    **Returns:** a `GradientFlow`: the norms at every lag, the rate that eigenvalues predict, the Lyapunov exponent, the measured
    rate and the bounds; rates in nats per step. **Raises:** as `iterate` does, and `TypeError` for complex states.

    It takes time T (N³ + N steps of the cell) and memory N² beside the run (T N² when differentiated). Compiled, batched
    and differentiable; where singular values coincide a derivative of the norms is that of one of them.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> shift = ro.VanillaCell(1.5 * jnp.eye(3, k=1), jnp.zeros((3, 1)), jnp.zeros(3), activation=None)
    >>> g = ro.gradient_flow(shift, jnp.zeros((4, 1)))
    >>> g.norms.round(4).tolist(), g.predicted_rate.item()
    ([1.0, 1.5, 2.25, 0.0, 0.0], -inf)

    ```
    """
    run = iterate(cell, xs, h0, throw=False)
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(run.states)):
        raise TypeError("gradient_flow needs real states; this run's are complex. Split them into real and imaginary parts.")
    g = _measure(cell, as_floats("xs", xs), run.states, run.result)
    if throw:
        g = eqx.tree_at(lambda g: g.log_norms, g, g.result.error_if(g.log_norms, g.result != RESULTS.successful))
    return g


@eqx.filter_jit
def _measure(cell, xs, states, result) -> GradientFlow:
    rows = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], states))[1]

    def step(x, h):
        return ravel_pytree(cell(x, unravel(h)))[0]

    with jax.default_matmul_precision("highest"):
        log_norms, log_steps = _backward(step, xs, rows[:-1])
        log_sizes = _forward(step, xs, rows[:-1])
        local = isinstance(cell, AbstractCell)
        matrix = cell.linear_part if local else jax.jacfwd(lambda h: step(xs[-1], h))(rows[-1])
        bounds = _bounds(cell.gain if local else jnp.asarray(jnp.nan, rows.dtype), log_steps, rows.shape[1])
    start, lags = (len(xs)) // 4, jnp.arange(len(log_norms), dtype=rows.dtype)
    lyapunov_rate = _difference(log_sizes[-1], log_sizes[start]) / (len(xs) - start)
    late = slice(len(xs) // 2, None)
    numbers = log_norms, lyapunov_rate, _slope(lags[late], log_norms[late])
    ran = result == RESULTS.successful
    result = RESULTS.where(ran & jnp.any(jnp.isnan(log_norms)), RESULTS.derivative_undefined, result)  # pyright: ignore
    numbers = jax.tree.map(lambda value: jnp.where(ran, value, jnp.nan), numbers)
    bounds = eqx.tree_at(lambda b: b.log_from_steps, bounds, jnp.where(ran, bounds.log_from_steps, jnp.nan))
    return GradientFlow(numbers[0], spectrum(matrix), numbers[1], numbers[2], bounds, result)


def _backward(step, xs, before):
    """log ‖P_k‖₂ and Σ log ‖J_j‖₂ over the last k steps, both (T+1,), for the states `before` (T, N) the steps."""
    eye = jnp.eye(before.shape[1], dtype=before.dtype)

    def multiply(carry, point):
        rows, exponents = carry
        x, h = point
        J = jax.jacfwd(lambda h: step(x, h))(h)
        rows, more = _rescale(rows @ J)
        exponents = exponents + more
        return (rows, exponents), (_log_norm(rows, exponents), _log_norm(*_rescale(J)))

    _, logs = jax.lax.scan(multiply, (eye, jnp.zeros(len(eye), jnp.int32)), (xs, before), reverse=True)
    log_norms, log_steps = (jnp.concatenate([jnp.zeros(1, before.dtype), log[::-1]]) for log in logs)
    return log_norms, jnp.cumsum(log_steps)


def _forward(step, xs, before):
    """The logarithm (T+1,) of the size of a generic vector that the run carries along, from its start on."""
    v = jax.random.normal(jax.random.key(0), before.shape[1:], before.dtype)

    def push(carry, point):
        v, exponent = carry
        x, h = point
        v, more = _rescale(jax.jvp(lambda h: step(x, h), (h,), (v,))[1])
        exponent = exponent + more
        return (v, exponent), _log_norm(v[None], exponent[None])

    _, logs = jax.lax.scan(push, (v, jnp.zeros((), jnp.int32)), (xs, before))
    return jnp.concatenate([jnp.log(jnp.linalg.norm(v))[None], logs])


def _rescale(rows: Float[Array, "*n N"]) -> tuple[Float[Array, "*n N"], Int[Array, "*n"]]:
    """Rows with a largest entry in [½, 1), and the powers of two that they were divided by; rows of zeros as they are."""
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(rows), axis=-1, keepdims=True))
    mantissa, exponents = jnp.frexp(size)
    power = size / jnp.where(size == 0, 1, mantissa)  # without rounding
    return rows / jnp.where(size == 0, 1, power), exponents[..., 0]


def _log_norm(rows: Float[Array, "n N"], exponents: Int[Array, " n"]) -> Float[Array, ""]:
    """log of the spectral norm of the matrix whose rows are 2^exponents times these; −∞ for zero."""
    alive = jnp.any(rows != 0, axis=1)
    top = jnp.max(jnp.where(alive, exponents, jnp.iinfo(exponents.dtype).min))
    scales = jnp.exp2(jnp.where(alive, exponents - top, 0).astype(rows.dtype))
    norm = jnp.linalg.svd(scales[:, None] * rows, compute_uv=False)[0]
    some = jnp.any(alive)
    log = jnp.log(jnp.where(some, norm, 1)) + top.astype(rows.dtype) * jnp.log(2.0).astype(rows.dtype)
    return jnp.where(some, log, -jnp.inf)


def _difference(last, first):
    """last − first of logarithms of which −∞ means gone for good."""
    return jnp.where(last == -jnp.inf, last, last - jnp.where(first == -jnp.inf, 0, first))


def _slope(x: Float[Array, " n"], y: Float[Array, " n"]) -> Float[Array, ""]:
    """The slope of the least-squares line; −∞ where some y is."""
    gone = y == -jnp.inf
    centred = x - jnp.mean(x)
    slope = jnp.sum(centred * jnp.where(gone, 0, y)) / jnp.sum(centred**2)
    return jnp.where(jnp.any(gone), -jnp.inf, slope)


def _bounds(gain, log_steps, n: int) -> GradientBounds:
    log_gain = jnp.where(gain == 0, -jnp.inf, jnp.log(jnp.where(gain == 0, 1, gain))).astype(log_steps.dtype)
    lags = jnp.arange(len(log_steps), dtype=log_steps.dtype)
    log_weights = jnp.where(lags == 0, 0, jnp.where(lags == 0, 1, lags) * log_gain)
    rounding = 4 * n * jnp.finfo(gain.dtype).eps
    return GradientBounds(gain, log_weights, log_steps, gain < 1 - rounding, ~(gain <= 1 + rounding))


class _Antisymmetric(eqx.Module):
    """dh/dt = tanh((A − Aᵀ) h + W_x x), whose Jacobian has imaginary eigenvalues where tanh' = 1."""

    A: Float[Array, "N N"]
    W_x: Float[Array, "N D"]

    def __call__(self, t, h, path):
        return jnp.tanh((self.A - self.A.T) @ h + self.W_x @ path(t))

    def initial_state(self):
        return jnp.zeros(len(self.A), self.A.dtype)


def gradient_examples(key: PRNGKeyArray, input_size: int, hidden_size: int) -> dict[str, Any]:
    """Five networks that treat gradients differently, of one size: for `gradient_flow` on the same input, side by side.

    **Arguments:** `key` for the weights; `input_size` D, `hidden_size` N, whole numbers ≥ 1. **Returns:** cells by name:

    - "ReLU": Gaussian W_h of variance 4/N: explodes, at ½ log 2 = 0.35 for large N, and its state with it;
    - "tanh": W_h = 0.9 · orthogonal: vanishes, guaranteed;
    - "orthogonal": h' = W_h h + W_x x with W_h orthogonal: keeps every gradient exactly (Saxe, McClelland & Ganguli 2014);
    - "antisymmetric": h' = h + 0.1 tanh((A − Aᵀ) h + W_x x), an Euler step of a flow that neither grows nor decays (Chang,
      Chen, Haber & Chi 2019);
    - "LSTM": Equinox's, its forget gate near one: its bias is 3 (Jozefowicz, Zaremba & Sutskever 2015).

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> cells = ro.gradient_examples(jax.random.key(0), 1, 8)
    >>> flows = {name: ro.gradient_flow(cell, jnp.ones((50, 1))) for name, cell in cells.items()}
    >>> abs(flows["orthogonal"].norms - 1).max().item() < 1e-4, flows["tanh"].norms[-1].item() < 0.01
    (True, True)

    ```
    """
    check_count("input_size", input_size)
    check_count("hidden_size", hidden_size)
    keys, size = jax.random.split(key, 5), (input_size, hidden_size)
    gauss, orthogonal = jax.nn.initializers.normal, jax.nn.initializers.orthogonal
    skew = VanillaCell.random(keys[3], *size, recurrent=gauss(0.5 / hidden_size**0.5))
    lstm = eqx.nn.LSTMCell(input_size, hidden_size, key=keys[4])
    forget = lstm.bias.at[hidden_size : 2 * hidden_size].set(3.0)
    return {
        "ReLU": VanillaCell.random(keys[0], *size, recurrent=gauss(2 / hidden_size**0.5)),
        "tanh": VanillaCell.random(keys[1], *size, activation=jnp.tanh, recurrent=orthogonal(0.9)),
        "orthogonal": VanillaCell.random(keys[2], *size, activation=None, recurrent=orthogonal()),
        "antisymmetric": to_rnn(_Antisymmetric(skew.W_h, skew.W_x), Euler(), dt=0.1),
        "LSTM": eqx.tree_at(lambda cell: cell.bias, lstm, forget),
    }
