"""Vanishing and exploding gradients: how a network's last state depends on its earlier ones.

Backpropagation through T steps multiplies by the step Jacobians of the run, J_j = ∂h_j/∂h_{j−1}, from the last to the first:

    P_k = ∂h_T/∂h_{T−k} = J_T J_{T−1} … J_{T−k+1},    P_0 = I.

Two rates and two bounds of ‖P_k‖₂ are computed; rates are in nats per step.

- *Eigenvalues*: if every J_j were the same W, then ‖P_k‖^(1/k) → ρ(W), and log ρ is the predicted rate. W is the network's
  linear part here. The prediction ignores the activation, although its slopes mostly slow growth down. It does not describe
  the early lags of a matrix that is not normal: 1.5 · shift of size N has ρ = 0, and ‖P_k‖ = 1.5ᵏ for k < N, then 0.
- *Lyapunov*: for a stationary run (1/k) log ‖P_k‖ tends to the largest conditional Lyapunov exponent, that of the run and its
  input (Engelken, Wolf & Abbott, Phys. Rev. Research 5, 2023). It is measured by pushing one vector forward.
- *The weights' bound*: ‖J_j‖₂ ≤ γ ‖W_h‖₂ with γ = sup |f'|, hence ‖P_k‖₂ ≤ (γ ‖W_h‖₂)ᵏ. So ‖W_h‖₂ < 1/γ suffices for
  vanishing and ‖W_h‖₂ > 1/γ is necessary for exploding (Pascanu, Mikolov & Bengio, ICML 2013, section 2.1). The largest
  eigenvalue cannot replace the norm, as the shift shows.
- *The steps' bound*: ‖P_k‖₂ ≤ Π ‖J_j‖₂ over the k last steps, for any cell.

Products are those of `products`, in which nothing over- or underflows: the logarithm is −∞ only where derivatives are, or
round to, 0 (a saturated tanh, inactive ReLUs). At a ReLU's kink the derivative is that of `jax.nn.relu`: 0 at 0.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree, Real

from .._base.callables import check_cell
from .._base.checks import check_flag
from .._base.compiled import compiled
from .._base.fate import fate
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.states import promote
from .._base.text import Table, plain
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state, gain_of, linear_part
from .._run.iterate import check_inputs, iterate
from .._run.trajectory import or_raise
from .gradients_bounds import GradientBounds, bounds_of
from .gradients_table import gradient_tables
from .products import log_norm, log_size, push, rescale
from .spectrum import Spectrum, spectrum

Step = Callable[[Array, Array], Array]
"""step(x, h): the next flat state."""


class GradientFlow(ShownArrays, eqx.Module):
    """How strongly the last state of a run depends on the states before it: what `gradient_flow` returns.

    **Fields:**

    - `log_norms`: (T+1,), log ‖∂h_T/∂h_{T−k}‖₂ for k = 0…T, in nats; −∞ where the Jacobian is exactly 0.
    - `spectrum`: a `Spectrum` of the network's linear part, or, for cells that do not name one, of the Jacobian at the last
      state and input.
    - `lyapunov_rate`: (), the largest conditional Lyapunov exponent of the run, in nats per step: the growth of a generic
      vector after the first quarter of the run.
    - `measured_rate`: (), the slope of the least-squares line through `log_norms` at the lags k ≥ T/2, in nats per step; −∞
      if the gradient is exactly 0 at one of them.
    - `bounds`: a `GradientBounds`.
    - `spectrum_of`: what `spectrum` is of, in words: "W_h" for a `VanillaCell`, "the Jacobian at the last state" for an LSTM.
    - `result`: a `RESULTS`: `successful`, `left_float_range` (every number of the run is NaN) or `derivative_undefined`
      (norms are NaN from the first such lag on).

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> shift = ro.VanillaCell(1.5 * jnp.eye(3, k=1), jnp.zeros((3, 1)), jnp.zeros(3), activation=None)
    >>> g = ro.gradient_flow(shift, jnp.zeros((4, 1)))
    >>> print(g.log_norms.round(2), g.measured_rate)  # log 1.5 = 0.41 for each step, then nothing
    [0.   0.41 0.81 -inf -inf] -inf

    ```
    """

    log_norms: Float[Array, "*batch lags"]
    spectrum: Spectrum
    lyapunov_rate: Float[Array, "*batch"]
    measured_rate: Float[Array, "*batch"]
    bounds: GradientBounds
    result: RESULTS
    spectrum_of: str = eqx.field(static=True, default="the linear part")

    _alone = "log_norms", 1

    @property
    def norms(self) -> Float[Array, "*batch lags"]:
        """‖∂h_T/∂h_{T−k}‖₂ for k = 0…T; it may over- or underflow where `log_norms` does not."""
        return jnp.exp(self.log_norms)

    def plot(self):
        """The norms against the lag, with rates and bounds. A matplotlib figure (needs the `app` extra)."""
        from ..plot import gradient_flow as draw

        return draw(self)

    @property
    def predicted_rate(self) -> Float[Array, "*batch"]:
        """What the eigenvalues predict, log ρ of `spectrum.matrix`, in nats per step."""
        return jnp.log(jnp.max(jnp.abs(self.spectrum.multipliers), axis=-1))

    def _tables(self) -> tuple[Table, ...]:
        return gradient_tables(self.to_dict())

    def _data(self) -> dict[str, Any]:
        names = "log_norms", "predicted_rate", "lyapunov_rate", "measured_rate"
        found = {name: getattr(self, name) for name in names} | {"multipliers": self.spectrum.multipliers}
        words = {"finding": f"The gradient {fate(self)}.", "spectrum_of": self.spectrum_of}
        return plain(found | words, infinities=True) | {
            "bounds": self.bounds.to_dict(),
            "result": how_it_ended(self.result),
        }

    def _variables(self) -> Variables:
        return self.bounds._variables() | {
            "log_norms": (("lag",), self.log_norms, "nats"),
            "predicted_rate": ((), self.predicted_rate, "nats per step"),
            "lyapunov_rate": ((), self.lyapunov_rate, "nats per step"),
            "measured_rate": ((), self.measured_rate, "nats per step"),
            "multipliers": (("mode",), self.spectrum.multipliers, "per step"),
        }


def gradient_flow(
    cell: Cell, xs: Real[ArrayLike, "T ..."], h0: PyTree[ArrayLike] | None = None, *, throw: bool = True
) -> GradientFlow:
    """How gradients of a network's last state vanish, persist or explode on their way back through a run.

    A state of several arrays, such as an LSTM's (h, c), counts as one vector (`jax.flatten_util.ravel_pytree`). The cost is T
    times (N³ + N steps of the cell), and memory N² beside the run (T N² when differentiated). It can be compiled, batched and
    differentiated; where singular values coincide, the derivative of the norms is that of one of them.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `xs`: inputs (T, D), time first.
    - `h0`: the state before the first step. Default zeros, for cells whose state's shape is known.
    - `throw`: whether a run that leaves the float range, or has no derivative, raises. Default `True`.

    **Returns:** a `GradientFlow`: the norms at every lag, the rate that eigenvalues predict, the Lyapunov exponent, the
    measured rate and the bounds; rates are in nats per step.

    **Raises:** `TypeError` for a `cell` that cannot be called, for inputs that are no numbers and for complex states.
    `ValueError` for empty or non-finite `xs`, for inputs or a state that do not fit the cell, and without `h0` for a cell
    that does not say its state's shape. A run that leaves the float range, or has no derivative, raises
    `EquinoxRuntimeError` with the reason.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> shift = ro.VanillaCell(1.5 * jnp.eye(3, k=1), jnp.zeros((3, 1)), jnp.zeros(3), activation=None)
    >>> g = ro.gradient_flow(shift, jnp.zeros((4, 1)))
    >>> g.norms.round(4).tolist(), g.predicted_rate.item()
    ([1.0, 1.5, 2.25, 0.0, 0.0], -inf)

    ```
    """
    check_cell("cell", cell)
    check_flag("throw", throw)
    xs = check_inputs(cell, xs)
    h0 = as_initial_state(h0, cell)
    # singular values want float32 at least
    run = iterate(cell, xs, promote(h0, cell, least=jnp.float32), throw=False)
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(run.states)):
        raise TypeError(
            "gradient_flow needs real states; this run's are complex. Split them into real and imaginary parts."
        )
    flow = _flow(cell, xs, run.states, run.result)
    if not throw:
        return flow
    return dataclasses.replace(flow, log_norms=or_raise(flow.log_norms, flow.result))


@compiled  # compiled, a matrix that is not finite does not raise; `result` says why
def _flow(cell: Cell, xs: Array, states: State, result: RESULTS) -> GradientFlow:
    """The `GradientFlow` of a run with these states and this result."""
    rows = jax.vmap(lambda state: ravel_pytree(state)[0])(states)
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], states))[1]

    def step(x: Array, h: Array) -> Array:
        return ravel_pytree(cell(x, unravel(h)))[0]

    with jax.default_matmul_precision("highest"):
        log_norms, log_steps = _pulled_back(step, xs, rows[:-1])
        log_sizes = _pushed_forward(step, xs, rows[:-1])
        known = linear_part(cell)
        if known is None:
            known = jax.jacfwd(lambda h: step(xs[-1], h))(rows[-1]), "the Jacobian at the last state"
        matrix, spectrum_of = known
        gain = gain_of(cell).astype(rows.dtype)
    total, lags = len(xs), jnp.arange(len(rows), dtype=rows.dtype)
    settled, late = total // 4, slice(total // 2, None)  # by then a generic vector points where growth is largest
    lyapunov_rate = _difference(log_sizes[-1], log_sizes[settled]) / (total - settled)
    measured_rate = _slope(lags[late], log_norms[late])
    ran = result == RESULTS.successful
    log_norms, log_steps, lyapunov_rate, measured_rate = (
        jnp.where(ran, value, jnp.nan) for value in (log_norms, log_steps, lyapunov_rate, measured_rate)
    )
    undefined = ran & jnp.any(jnp.isnan(log_norms))
    result = RESULTS.where(undefined, RESULTS.derivative_undefined, result)  # pyright: ignore
    return GradientFlow(
        log_norms=log_norms,
        spectrum=spectrum(matrix),
        lyapunov_rate=lyapunov_rate,
        measured_rate=measured_rate,
        bounds=bounds_of(gain, log_steps, rows.shape[1]),
        result=result,
        spectrum_of=spectrum_of,
    )


def _pulled_back(
    step: Step, xs: Array, before: Float[Array, "T N"]
) -> tuple[Float[Array, " T+1"], Float[Array, " T+1"]]:
    """log ‖P_k‖₂ and Σ log ‖J_j‖₂ over the last k steps, for the states `before` the steps."""
    eye = jnp.eye(before.shape[1], dtype=before.dtype)
    none = jnp.zeros(len(eye), int)

    def multiply(product, point):
        x, h = point
        J = jax.jacfwd(lambda h: step(x, h))(h)
        rows, exponents = rescale(product[0] @ J, product[1])
        logs = jax.vmap(log_norm)(jnp.stack([rows, J]), jnp.stack([exponents, none]))
        return (rows, exponents), logs

    _, logs = jax.lax.scan(multiply, (eye, none), (xs, before), reverse=True)
    log_norms, log_steps = jnp.concatenate([jnp.zeros((1, 2), before.dtype), logs[::-1]]).T
    return log_norms, jnp.cumsum(log_steps)


def _pushed_forward(step: Step, xs: Array, before: Float[Array, "T N"]) -> Float[Array, " T+1"]:
    """The logarithm of the length of a generic vector that the run carries along."""
    v = np.random.default_rng(0).normal(size=before.shape[1:])
    v = jnp.asarray(v / np.linalg.norm(v), before.dtype)

    def tangent(v: Array, point: tuple[Array, Array]) -> Array:
        x, h = point
        return jax.jvp(lambda h: step(x, h), (h,), (v,))[1]

    _, sizes = push(tangent, (v, jnp.zeros((), int)), (xs, before))
    return jnp.concatenate([jnp.zeros(1, before.dtype), log_size(*sizes)])


def _difference(last: Float[Array, ""], first: Float[Array, ""]) -> Float[Array, ""]:
    """last − first, two logarithms of lengths; a length that has become 0 stays 0."""
    return jnp.where(last == -jnp.inf, last, last - jnp.where(first == -jnp.inf, 0, first))


def _slope(x: Float[Array, " n"], y: Float[Array, " n"]) -> Float[Array, ""]:
    """The slope of the least-squares line through the points; −∞ if a y is −∞."""
    gone = y == -jnp.inf
    centred = x - jnp.mean(x)
    slope = jnp.sum(centred * jnp.where(gone, 0, y)) / jnp.sum(centred**2)
    return jnp.where(jnp.any(gone), -jnp.inf, slope)
