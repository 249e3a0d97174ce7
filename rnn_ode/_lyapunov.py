"""Lyapunov exponents: the mean rates at which a system's small disturbances grow, in nats per unit time.

The method is that of Benettin, Galgani, Giorgilli & Strelcyn (Meccanica 15, 1980) and of Shimada & Nagashima: an
orthonormal frame is carried along the trajectory and made orthonormal again; what its j-th vector then loses or gains
is λ_j, on average, and the sum over all N is the mean of log|det J| (of a flow: of the trace), step by step.

Three matters of accuracy.

*The frame's alignment.* A frame that starts at random turns towards the directions of the exponents as
exp((λ_{j+1} − λ_j) t), and what it gains meanwhile would be an error of order 1/duration. It is carried along the transient
and, where that is shorter than a tenth of the duration, first along the first tenth of the run, which then starts anew.

*The window.* Even an aligned frame's gain at a complex pair, a cycle or a torus swings, and a plain mean keeps an error of
order 1/duration. The mean is therefore taken with a window that is flat over the middle half and falls smoothly, with
all derivatives, to zero at both ends: for quasi-periodic motion the error then vanishes faster than any power of the
duration (Das, Saiki, Sander & Yorke, Nonlinearity 30, 2017, whose window is narrower). A chaotic system's error grows
by a tenth. With all N exponents their sum is kept at the plain mean of log|det J|, exactly: what the window makes of it
beyond that is shared evenly among them, of order 1/(N duration) along a cycle and nothing where the determinant is constant.

*What is zero.* A vector that a step sends into the span of those before it, to within rounding, is lost for good, and
its exponent is −∞. Rounding cannot tell a factor below 4√k u (u the unit roundoff) of the step's largest from zero.
"""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from ._errors import RESULTS, as_number, as_step, check_count
from ._systems import AbstractSystem, check_system
from ._tangent import Growth, carry, first_frame, no_growth

_ROWS = 200  # of the history, at most
_BATCHES = 20  # for the standard error, at most
_STRIDE = 10  # steps between orthonormalisations, at most
_BLOCKS = 4000  # for all of the run, at most
_RETRY = 16  # blocks after which a longer stride is tried again


class Lyapunov(eqx.Module):
    """Lyapunov exponents and how they came about.

    **Fields:** `exponents` (k,), nats per unit time, largest first; −∞ for directions that a step destroys, NaN where the
    run failed. `history` (m, k), m ≤ 200, the running means at `times` (m,), counted from the end of the transient; its
    last row is `exponents`. `stderr` (k,), standard errors by the means of 20 batches: for chaotic motion; too large for
    regular motion, 0 for −∞, NaN for a run of one step. `state` (N,) at the end. `result` a `RESULTS`: `successful`, or
    `left_float_range`, or where the system does not exist at a state of the run `field_undefined` of a flow and
    `not_a_number` of a map, with NaN in `exponents` and in the rows of `history` from there on.
    """

    exponents: Float[Array, " k"]
    history: Float[Array, "m k"]
    times: Float[Array, " m"]
    stderr: Float[Array, " k"]
    state: Float[Array, " N"]
    result: RESULTS

    @property
    def kaplan_yorke(self) -> Float[Array, ""]:
        """Kaplan–Yorke dimension: j + (λ₁ + … + λ_j) / |λ_{j+1}| for the last j with a sum that is not negative.

        NaN where that j is not reached by the exponents that were asked for, and N where there is no more of them.
        """
        sums = jnp.cumsum(self.exponents)
        j = jnp.sum(jnp.cumprod((sums >= 0).astype(int)))
        last = self.exponents.shape[0] - 1
        total = jnp.where(j > 0, sums[jnp.maximum(j - 1, 0)], 0)
        size = jnp.abs(self.exponents[jnp.minimum(j, last)])
        partial = j + total / jnp.where(j > last, 1, size)
        return jnp.where(j > last, self._unless_cut(j), partial)

    @property
    def entropy_sum(self) -> Float[Array, ""]:
        """The sum of the positive exponents, nats per unit time: a bound of the metric entropy (Ruelle), which it equals for
        a smooth measure (Pesin). NaN where all the exponents that were asked for are positive and there are more."""
        total = jnp.sum(jnp.where(self.exponents < 0, 0, self.exponents))
        return jnp.where(self.exponents[-1] > 0, self._unless_cut(total), total)

    def _unless_cut(self, value):
        return value * jnp.ones((), self.exponents.dtype) if self.exponents.size == self.state.size else jnp.nan


def lyapunov(
    system: AbstractSystem,
    h0: PyTree[ArrayLike],
    duration: float,
    *,
    count: int | None = None,
    transient: float = 0.0,
    step: float | None = None,
    solver: diffrax.AbstractSolver | None = None,
) -> Lyapunov:
    """The Lyapunov exponents of a map or a flow along its trajectory from h0; of a driven one, conditional on its input.

    **Arguments:** `system` a `Map` or `Flow`; `h0` the state at the start; `duration` the time over which growth is
    averaged, and `transient` the time before it, both rounded to the nearest whole number of steps; `count` how many
    exponents, all N by default (the cost is proportional to it); `step` and `solver` for a flow: fixed steps, by default
    the classical Runge–Kutta method's of 0.005.

    **Returns:** a `Lyapunov`. **Raises:** `ValueError` or `TypeError` for a duration under one step, a transient below 0, a
    count out of 1 … N, and a run that goes past the last sample of its input, beyond which the exponents would be another
    system's.

    At a fixed point the error falls faster than any power of the duration, once that is many times the period of every
    complex pair and the inverse of every gap between exponents (as 1/duration where multipliers are defective); along a
    cycle it does for `count` < N, and as 1/duration for all N, whose sum is kept exact; along a chaotic trajectory as the
    square root, see `stderr`. Give a transient that takes the state to where it stays: what is averaged before that
    counts, and costs an error of order 1/duration. Memory does not grow with the duration.

    All but `system` and `h0` must be known when traced by `jit`. Gradients, in both modes, are those of the finite run: for
    chaotic motion they grow as the disturbances do, and over long durations are of no use.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> damped = ro.Flow(lambda t, h, path: jnp.array([h[1], -h[0] - 0.2 * h[1]]))
    >>> run = ro.lyapunov(damped, jnp.ones(2), 100.0, step=0.05)
    >>> [round(exponent, 3) for exponent in run.exponents.tolist()]
    [-0.1, -0.1]

    ```
    """
    check_system("system", system)
    h0 = system.as_point("h0", h0)
    size = h0.shape[0]
    count = size if count is None else count
    check_count("count", count)
    if count > size:
        raise ValueError(f"count must be at most the number of states, {size}; got {count}.")
    length = system.stepper(step, solver).length
    plan = _plan(system, size, length, duration, transient)
    return _run(system, h0, first_frame(int(count), size), plan, step, solver)


class _Plan(NamedTuple):
    """Numbers of steps: the frame's alignment, the state's transient, what is counted; in how large blocks and strides."""

    align: int
    transient: int
    counted: int
    block: int
    stride: int


def _plan(system, size: int, length: float, duration, transient) -> _Plan:
    duration, transient = as_step("duration", duration), as_number("transient", transient)
    if not 0 <= transient < np.inf:
        raise ValueError(f"transient must be at least 0 and finite; got {transient}.")
    counted, before = round(duration / length), round(transient / length)
    if counted < 1:
        raise ValueError(f"duration must be at least one step, {length:g}; got {duration:g}.")
    if (counted + before) * length > system.span * (1 + 1e-9):
        raise ValueError(
            f"transient + duration must end with the input's samples, which cover a time of {system.span:g}; "
            f"got {transient:g} + {duration:g}. Give more samples, or a shorter run."
        )
    align = 0 if size == 1 or before >= counted / 10 else -(-counted // 10)
    stride = max(1, min(_STRIDE, counted // _ROWS))
    blocks = max(-(-counted // (stride * _ROWS)), -(-(counted + before + align) // (stride * _BLOCKS)))
    return _Plan(align, before, counted, stride * blocks, stride)


def _schedule(plan: _Plan):
    """Each block's first step and how many steps it has, phase by phase, and how many blocks are before the counted ones.

    A block that starts with step 0 starts at h0."""
    phases = [(0, plan.align), (0, plan.transient), (plan.transient, plan.counted)]
    starts = [first + np.arange(0, steps, plan.block) for first, steps in phases]
    ends = [np.minimum(start + plan.block, sum(phase)) for start, phase in zip(starts, phases, strict=True)]
    first = np.concatenate(starts)
    return first, np.concatenate(ends) - first, len(starts[0]) + len(starts[1])


@eqx.filter_jit
def _run(system, h0, frame, plan: _Plan, step, solver) -> Lyapunov:
    stepper = system.stepper(step, solver)
    first, live, skipped = _schedule(plan)

    def weigh(k):
        return _window((k - plan.transient) / plan.counted)

    @jax.checkpoint
    def block(state, row):
        number, first, live = row
        h, Q, patient = state
        h, patient = jnp.where(first == 0, h0, h), patient | (number % _RETRY == 0)

        def stride(state, _):
            offset, h, Q, patient, total = state
            steps = jnp.clip(live - offset, 0, plan.stride)
            h, Q, gain, patient = carry(stepper.advance, weigh, first + offset, steps, h, Q, patient, plan.stride)
            return (offset + plan.stride, h, Q, patient, _together(total, gain)), None

        start = (jnp.zeros_like(first), h, Q, patient, no_growth(Q))
        (_, h, Q, patient, total), _ = jax.lax.scan(stride, start, length=plan.block // plan.stride)
        return (h, Q, patient), total

    start = (h0, jnp.asarray(frame, h0.dtype), jnp.ones((), bool))
    blocks = tuple(jnp.asarray(numbers) for numbers in (np.arange(len(first)), first, live))
    (h, *_), rows = jax.lax.scan(block, start, blocks)
    # the trial run is of steps that the run itself makes: what they destroy is gone
    lost, failed = jnp.cumsum(rows.lost, axis=0) > 0, jnp.cumsum(~rows.finite) > 0
    rows = rows._replace(lost=lost, finite=~failed)
    why = RESULTS.where(jnp.any(rows.undefined), system.undefined, RESULTS.left_float_range)  # pyright: ignore
    return _summary(h, jax.tree.map(lambda row: row[skipped:], rows), live[skipped:], stepper.length, why)


def _together(a: Growth, b: Growth) -> Growth:
    sums = (x + y for x, y in zip(a[:3], b[:3], strict=True))
    return Growth(*sums, a.lost | b.lost, a.finite & b.finite, a.undefined | b.undefined)  # pyright: ignore


def _window(x):
    """1 over the middle half of 0 … 1, smoothly down to 0 at its ends (the Planck taper)."""
    y = jnp.clip(4 * jnp.minimum(x, 1 - x), 1e-3, 1 - 1e-3)
    return jax.nn.sigmoid(1 / (1 - y) - 1 / y)


def _summary(h, rows: Growth, live, length: float, why: RESULTS) -> Lyapunov:
    """What follows from each block's growth and number of steps (m,), and from why the run failed, if it did; here `lost`
    and `finite` are of all up to its end."""
    steps = np.cumsum(live).astype(h.dtype)
    running = jnp.cumsum(rows.logs, axis=0) / steps[:, None]
    plain, smooth = running[-1], jnp.sum(rows.weighted, axis=0) / jnp.sum(rows.weight)
    if plain.shape == h.shape:
        smooth = smooth + jnp.mean(plain - smooth)
    running = jnp.where(rows.lost, -jnp.inf, running.at[-1].set(smooth))
    stderr = jnp.where(rows.lost[-1], 0, _standard_error(rows, live))
    running, stderr = (
        jnp.where(ok, x, jnp.nan) for ok, x in ((rows.finite[:, None], running), (rows.finite[-1], stderr))
    )
    order = jnp.argsort(-running[-1], stable=True)
    result = RESULTS.where(rows.finite[-1], RESULTS.successful, why)  # pyright: ignore
    history, stderr = running[:, order] / length, stderr[order] / length
    return Lyapunov(history[-1], history, jnp.asarray(steps * length, h.dtype), stderr, h, result)


def _standard_error(rows: Growth, live):
    """Of the windowed means (k,), from the scatter of batches of blocks, taken as independent."""
    total = len(live)
    batches = min(total, _BATCHES)
    member = (np.arange(batches)[:, None] == np.arange(total) * batches // total).astype(rows.logs.dtype)
    means = (member @ rows.logs) / (member @ live.astype(member.dtype))[:, None]
    share = (member @ rows.weight) / jnp.sum(rows.weight)
    variance = jnp.var(means, axis=0, ddof=1) if batches > 1 else jnp.full(means.shape[1], jnp.nan, means.dtype)
    return jax.lax.stop_gradient(jnp.sqrt(variance * jnp.sum(share**2)))
