"""Vanishing and exploding gradients: how a network's last state depends on its earlier ones.

Backpropagation through T steps multiplies by the step Jacobians of the run, J_j = ∂h_j/∂h_{j−1}, from the last to the first:

    P_k = ∂h_T/∂h_{T−k} = J_T J_{T−1} … J_{T−k+1},    P_0 = I.

Four things are said of ‖P_k‖₂, in nats per step where they are rates.

- *Eigenvalues*: were every J_j the same W, then ‖P_k‖^(1/k) → ρ(W), so that log ρ is the predicted rate. W is the network's
  linear part here. That leaves the activation out, whose slopes mostly slow growth down but need not, and says nothing of the
  early lags of a matrix that is not normal: 1.5 · shift of size N has ρ = 0, and ‖P_k‖ = 1.5ᵏ for k < N, then 0.
- *Lyapunov*: for a stationary run (1/k) log ‖P_k‖ tends to the largest conditional Lyapunov exponent, that of the run and its
  input (Engelken, Wolf & Abbott, Phys. Rev. Research 5, 2023). It is measured by pushing one vector forward.
- *The weights' bound*: ‖J_j‖₂ ≤ γ ‖W_h‖₂ with γ = sup |f'|, hence ‖P_k‖₂ ≤ (γ ‖W_h‖₂)ᵏ. So ‖W_h‖₂ < 1/γ suffices for
  vanishing and ‖W_h‖₂ > 1/γ is necessary for exploding (Pascanu, Mikolov & Bengio, ICML 2013, section 2.1). The largest
  eigenvalue will not do in place of the norm, as the shift shows.
- *The steps' bound*: ‖P_k‖₂ ≤ Π ‖J_j‖₂ over the k last steps, for any cell.

Products are carried with a power of two for every row apart, so that nothing over- or underflows before the end and the
logarithm is −∞ only where the product is 0: where derivatives are, or round to, 0 (a saturated tanh, inactive ReLUs). Within
a row, what is smaller than its largest entry by more than the float range (1e-38, or 1e-308) counts as 0. At a ReLU's kink
the derivative is that of `jax.nn.relu`: 0 at 0.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, Real

from .._base.checks import check_callable, check_count
from .._base.results import RESULTS
from .._base.states import promote
from .._base.types import Cell
from .._bridge.schemes import Euler
from .._bridge.to_rnn import to_rnn
from .._cells.base import AbstractCell, as_state, initial_state
from .._cells.vanilla import VanillaCell
from .._fields.antisymmetric import AntisymmetricRNN
from .._run.iterate import check_inputs, iterate
from .spectrum import Spectrum, spectrum


class GradientBounds(eqx.Module):
    """Upper bounds of ‖∂h_T/∂h_{T−k}‖₂ at the lags k = 0…T, and what Pascanu, Mikolov & Bengio (2013) conclude of them.

    **Fields:** `gain` (): what no step's ‖J‖₂ exceeds, whatever state and input, by the weights alone: γ ‖W_h‖₂ for a
    `VanillaCell`, ‖A‖₂ + ‖W‖₂ for a `PiecewiseLinearCell`, NaN for other cells and unknown activations; `log_from_weights`
    (T+1,): k log gain; `log_from_steps` (T+1,): the sum of log ‖J_j‖₂ over the last k steps of this run, of any cell; both in
    nats; `vanishing_guaranteed` (): gain < 1; `exploding_possible` (): gain > 1, or unknown. These two hold to within
    rounding, so that an orthogonal W_h under a tanh has neither.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[2.0]], [[1.0]], [0.0], activation=jnp.tanh)
    >>> b = ro.gradient_flow(cell, jnp.ones((2, 1))).bounds
    >>> b.from_weights.round(4).tolist(), bool(b.exploding_possible)
    ([1.0, 2.0, 4.0], True)

    ```
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

    **Fields:** `log_norms` (T+1,): log ‖∂h_T/∂h_{T−k}‖₂ for k = 0…T, in nats, −∞ where the Jacobian is exactly 0; `spectrum`
    the eigenvalues (with conditions and a verdict) of the network's linear part, or of the Jacobian at the last state and
    input for cells that name no linear part; `lyapunov_rate` (): the largest conditional Lyapunov exponent of the run, nats
    per step, by the growth of a generic vector after the first quarter of it; `measured_rate` (): the slope of the least
    squares line through `log_norms` at the lags k ≥ T/2, nats per step, −∞ if the gradient is exactly 0 at one of them;
    `bounds` a `GradientBounds`; `result` a `RESULTS`: `successful`, `left_float_range` (every number of the run is NaN) or
    `derivative_undefined` (norms are NaN from the first such lag on).
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

    **Returns:** a `GradientFlow`: the norms at every lag, the rate that eigenvalues predict, the Lyapunov exponent, the
    measured rate and the bounds; rates in nats per step. **Raises:** as `iterate` does, and `TypeError` for complex states.

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
    check_callable("cell", cell, "cell(x, h)")
    xs = check_inputs(cell, xs)
    h0 = initial_state(cell) if h0 is None else as_state("h0", h0, cell)
    # singular values want float32 at least
    run = iterate(cell, xs, promote(h0, cell, least=jnp.float32), throw=False)
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(run.states)):
        raise TypeError(
            "gradient_flow needs real states; this run's are complex. Split them into real and imaginary parts."
        )
    matrix, (log_norms, lyapunov_rate, measured_rate, bounds, result) = _measure(cell, xs, run.states, run.result)
    if throw:
        log_norms = result.error_if(log_norms, result != RESULTS.successful)
    return GradientFlow(log_norms, _spectrum(matrix), lyapunov_rate, measured_rate, bounds, result)


# compiled, so that a matrix that is not finite gives NaN and raises nothing: `result` says why
_spectrum = eqx.filter_jit(spectrum)


@eqx.filter_jit
def _measure(cell, xs, states, result):
    """All of a `GradientFlow` but its spectrum, and the matrix that this is of."""
    rows = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], states))[1]

    def step(x, h):
        return ravel_pytree(cell(x, unravel(h)))[0]

    with jax.default_matmul_precision("highest"):
        log_norms, log_steps = _backward(step, xs, rows[:-1])
        log_sizes = _forward(step, xs, rows[:-1])
        ours = isinstance(cell, AbstractCell)
        matrix = cell.linear_part if ours else jax.jacfwd(lambda h: step(xs[-1], h))(rows[-1])
        gain = cell.gain if ours else jnp.asarray(jnp.nan, rows.dtype)
    total, lags = len(xs), jnp.arange(len(rows), dtype=rows.dtype)
    settled, late = total // 4, slice(total // 2, None)  # by then a generic vector points where most growth is
    lyapunov_rate = _difference(log_sizes[-1], log_sizes[settled]) / (total - settled)
    ran = result == RESULTS.successful
    log_norms, log_steps, *rates = (
        jnp.where(ran, value, jnp.nan)
        for value in (log_norms, log_steps, lyapunov_rate, _slope(lags[late], log_norms[late]))
    )
    undefined = ran & jnp.any(jnp.isnan(log_norms))
    result = RESULTS.where(undefined, RESULTS.derivative_undefined, result)  # pyright: ignore
    return matrix, (log_norms, *rates, _bounds(gain, log_steps, rows.shape[1]), result)


def _backward(step, xs, before):
    """log ‖P_k‖₂ and Σ log ‖J_j‖₂ over the last k steps, both (T+1,), for the states `before` (T, N) the steps."""
    eye = jnp.eye(before.shape[1], dtype=before.dtype)
    none = jnp.zeros(len(eye), int)

    def multiply(carry, point):
        rows, exponents = carry
        x, h = point
        J = jax.jacfwd(lambda h: step(x, h))(h)
        rows, exponents = _rescale(rows @ J, exponents)
        logs = jax.vmap(_log_norm)(jnp.stack([rows, J]), jnp.stack([exponents, none]))
        return (rows, exponents), logs

    _, logs = jax.lax.scan(multiply, (eye, none), (xs, before), reverse=True)
    log_norms, log_steps = jnp.concatenate([jnp.zeros((1, 2), before.dtype), logs[::-1]]).T
    return log_norms, jnp.cumsum(log_steps)


def _forward(step, xs, before):
    """The logarithm (T+1,) of the length of a generic vector that the run carries along."""
    v = np.random.default_rng(0).normal(size=before.shape[1:])
    v = jnp.asarray(v / np.linalg.norm(v), before.dtype)

    def push(carry, point):
        v, exponent = carry
        x, h = point
        v, exponent = _rescale(jax.jvp(lambda h: step(x, h), (h,), (v,))[1], exponent)
        size = jnp.linalg.norm(jnp.where(jnp.all(v == 0), 1, v))
        return (v, exponent), _log(jnp.where(jnp.all(v == 0), 0, size), exponent)

    _, logs = jax.lax.scan(push, (v, jnp.zeros((), int)), (xs, before))
    return jnp.concatenate([jnp.zeros(1, before.dtype), logs])


def _rescale(rows: Float[Array, "*n N"], exponents: Int[Array, "*n"]):
    """Rows with a largest entry of about 1 and the exponents of the powers of two that were taken out, none from zeros."""
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(rows), axis=-1))
    # without a mantissa a number is a power of two, and dividing by it rounds nothing
    power = jax.lax.reduce_precision(size, jnp.finfo(size.dtype).nexp, 0)
    power = jnp.where(power == 0, 1, power)
    return rows / power[..., None], exponents + jnp.round(jnp.log2(power)).astype(int)


def _log_norm(rows: Float[Array, "n N"], exponents: Int[Array, " n"]) -> Float[Array, ""]:
    """log of the spectral norm of the matrix whose rows are 2^exponents times these; −∞ for zero."""
    alive = jnp.any(rows != 0, axis=1)
    top = jnp.max(jnp.where(alive, exponents, jnp.iinfo(exponents.dtype).min))
    scales = jnp.exp2(jnp.where(alive, exponents - top, 0).astype(rows.dtype))
    return _log(jnp.linalg.svd(scales[:, None] * rows, compute_uv=False)[0], top)


def _log(size, exponent):
    """log (2^exponent · size), −∞ for a size of 0."""
    log = jnp.log(jnp.where(size == 0, 1, size)) + exponent.astype(size.dtype) * float(np.log(2))
    return jnp.where(size == 0, -jnp.inf, log)


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
    field = AntisymmetricRNN.random(keys[3], *size, recurrent=gauss(0.5 / hidden_size**0.5))
    lstm = eqx.nn.LSTMCell(input_size, hidden_size, key=keys[4])
    forget = jnp.asarray(lstm.bias).at[hidden_size : 2 * hidden_size].set(3.0)
    return {
        "ReLU": VanillaCell.random(keys[0], *size, recurrent=gauss(2 / hidden_size**0.5)),
        "tanh": VanillaCell.random(keys[1], *size, activation=jnp.tanh, recurrent=orthogonal(0.9)),
        "orthogonal": VanillaCell.random(keys[2], *size, activation=None, recurrent=orthogonal()),
        "antisymmetric": to_rnn(field, Euler(), dt=0.1),
        "LSTM": eqx.tree_at(lambda cell: cell.bias, lstm, forget),
    }
