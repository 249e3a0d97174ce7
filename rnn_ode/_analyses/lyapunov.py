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
beyond that is shared among them in proportion to their variances. It is of order 1/duration along a cycle, and nothing where
the determinant is constant.

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

from .._base.checks import as_number, as_step, check_count, is_concrete
from .._base.results import RESULTS
from .._base.states import frozen
from .._systems.base import AbstractSystem, check_system
from .frames import Growth, Sum, carry, first_frame, no_growth
from .steps import INEXACT, Accuracy, Errors, Step, divided, is_thrown, local_error, some_rows, step_wanted

_ROWS = 200  # of the history, at most

_STRIDE = 10  # steps between orthonormalisations, at most

_BLOCKS = 4000  # for all of the run, at most

_RETRY = 16  # blocks after which a longer stride is tried again

_FEWEST = 256  # steps of a flow in the duration, at least, unless `step` says otherwise

_COARSE = 2000  # the same where the number of steps is traced

_TRIES = 4  # of shorter steps


class Lyapunov(eqx.Module):
    """Lyapunov exponents and how they came about.

    **Fields:**
    `exponents` (k,), nats per unit time, largest first; −∞ for directions that a step destroys, to within rounding (float64
    sees factors that float32 does not); NaN where the run failed, or where a flow's steps are far too long.
    `history` (m, k), m ≤ 200, the running means at `times` (m,), counted from the end of the transient; its last row is
    `exponents`.
    `stderr` (k,), standard errors, which allow for the correlation of what is averaged and for the error of a flow's steps;
    0 for −∞, NaN for a run of one step. They are too small where the motion forgets more slowly than the run is long.
    `state` (N,) at the end.
    `result` a `RESULTS`: `successful`; `left_float_range`; `field_undefined` of a flow or `not_a_number` of a map, where the
    system does not exist at a state of the run; `step_too_long` of a flow, whose exponents these are then not. A run that
    fails has NaN in `exponents`, and in the rows of `history` from there on.
    `step`, the length of the steps taken, and `step_wanted`, of the longest ones that suit the run; of a map, its own.
    """

    exponents: Float[Array, " k"]
    history: Float[Array, "m k"]
    times: Float[Array, " m"]
    stderr: Float[Array, " k"]
    state: Float[Array, " N"]
    result: RESULTS
    step: Float[Array, ""] | None = None
    step_wanted: Float[Array, ""] | None = None

    @property
    def kaplan_yorke(self) -> Float[Array, "..."]:
        """Kaplan–Yorke dimension: j + (λ₁ + … + λ_j) / |λ_{j+1}| for the last j with a sum that is not negative.

        An exponent within two standard errors of zero counts as zero: along a cycle of a flow one exponent is zero, and the
        dimension 1, also where −0.0002 ± 0.003 is measured. NaN where that j is not reached by the exponents that were asked
        for, and N where there is no more of them.
        """
        return self._dimension(0.0)

    @property
    def kaplan_yorke_range(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The Kaplan–Yorke dimensions with every exponent two standard errors lower, and higher; those that count as zero
        stay zero."""
        return self._dimension(-2.0), self._dimension(2.0)

    def _dimension(self, shift: float) -> Array:
        counted = jnp.where(jnp.abs(self.exponents) <= 2 * self.stderr, 0, self.exponents + shift * self.stderr)
        counted = jnp.where(jnp.isnan(self.stderr), self.exponents, counted)
        sums = jnp.cumsum(counted, axis=-1)
        j = jnp.sum(jnp.cumprod((sums >= 0).astype(int), axis=-1), axis=-1)
        last = counted.shape[-1] - 1
        total = jnp.where(j > 0, _pick(sums, jnp.maximum(j - 1, 0)), 0)
        size = jnp.abs(_pick(counted, jnp.minimum(j, last)))
        partial = j + total / jnp.where(j > last, 1, size)
        dimension = jnp.where(j > last, self._unless_cut(j), partial)
        return jnp.where(jnp.isnan(counted[..., 0]), jnp.nan, dimension)

    @property
    def entropy_sum(self) -> Float[Array, "..."]:
        """The sum of the positive exponents, nats per unit time: a bound of the metric entropy (Ruelle), which it equals for
        a smooth measure (Pesin). NaN where all the exponents that were asked for are positive and there are more."""
        total = jnp.sum(jnp.where(self.exponents < 0, 0, self.exponents), axis=-1)
        return jnp.where(self.exponents[..., -1] > 0, self._unless_cut(total), total)

    def _unless_cut(self, value):
        whole = self.exponents.shape[-1] == self.state.shape[-1]
        return value * jnp.ones((), self.exponents.dtype) if whole else jnp.nan


def _pick(rows: Float[Array, "... k"], index) -> Array:
    return jnp.take_along_axis(rows, index[..., None], axis=-1)[..., 0]


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
    the classical Runge–Kutta method's. Without `step` their length is measured in a trial along the beginning of the run,
    so that an exponent's error is about 2·10⁻⁷ of the fastest rate, and is checked along the run. Outside `jit` and `vmap`
    a run whose steps turn out too long is made again with shorter ones.

    **Returns:** a `Lyapunov`. **Raises:** `ValueError` or `TypeError` for a duration under one step, a transient below 0, a
    count out of 1 … N, and a run that goes past the last sample of its input, beyond which the exponents would be another
    system's.

    At a fixed point the error falls faster than any power of the duration, once that is many times the period of every
    complex pair and the inverse of every gap between exponents (as 1/duration where multipliers are defective); along a
    cycle it does for `count` < N, and as 1/duration for all N, whose sum is kept exact; along a chaotic trajectory as the
    square root, see `stderr`. Give a transient that takes the state to where it stays: what is averaged before that
    counts, and costs an error of order 1/duration. Memory does not grow with the duration.

    All but `system` and `h0` must be known when traced by `jit`. Gradients, in both modes, are those of the finite run: for
    chaotic motion they grow as the disturbances do, and over long durations are of no use. Inside `jit` and `vmap` the number
    of a flow's steps is not known without `step`: derivatives are then of forward mode alone, and the steps that are chosen
    may have another length than outside, so that exponents differ within their standard errors.

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
    frame = first_frame(int(count), size)
    duration, transient = as_step("duration", duration), as_number("transient", transient)
    if not 0 <= transient < np.inf:
        raise ValueError(f"transient must be at least 0 and finite; got {transient}.")
    if step is not None or system.time.own_step:
        return _run(system, h0, frame, *_planned(system, size, Step(step), solver, duration, transient), solver)
    wanted = _wanted(system, h0, solver, duration, transient)
    for _ in range(_TRIES):
        run = _run(system, h0, frame, *_planned(system, size, wanted, solver, duration, transient), solver)
        again, result = frozen(run.step_wanted), run.result
        if not is_concrete(wanted.parts, again, result) or result != RESULTS.step_too_long:
            break
        if (transient + duration) / float(again) > 2**29:
            break
        wanted = _static(system, float(again), duration)
    return run  # pyright: ignore[reportPossiblyUnboundVariable]


def _wanted(system, h0, solver, duration: float, transient: float) -> Step:
    """The step that a trial asks for: in static parts where its answer is known while Python runs."""
    unit, whole = system.stepper().length, duration + transient
    sampled = np.isfinite(system.span)
    parts = jnp.ones((), int) if sampled else jnp.asarray(1 / whole, h0.dtype)
    share = step_wanted(system, h0, parts, jnp.asarray(whole / unit, h0.dtype), solver)
    if is_concrete(frozen(share)):
        return _static(system, float(frozen(share)) * unit, duration)
    base = unit if sampled else duration / _COARSE
    most = 2**29 // max(1, round(whole / base))
    return Step(base, jnp.minimum(divided(share * (unit / base)), most).astype(int))


def _static(system, length: float, duration: float) -> Step:
    """Steps of about that length, of which a whole number fits the sampling interval, or else the duration."""
    unit = system.stepper().length if np.isfinite(system.span) else duration / _FEWEST
    return Step(unit / divided(length / unit))


def _planned(system, size: int, step: Step, solver, duration: float, transient: float) -> "tuple[_Plan, Step]":
    return _plan(system, size, Step(step.unit).stepper(system, solver).length, duration, transient), step


class _Plan(NamedTuple):
    """Numbers of steps: the frame's alignment, the state's transient, what is counted; in how large blocks and strides; and
    their length. Where a step has parts, steps and blocks have as many times more."""

    align: int
    transient: int
    counted: int
    block: int
    stride: int
    length: float


def _plan(system, size: int, length: float, duration: float, transient: float) -> _Plan:
    counted, before = round(duration / length), round(transient / length)
    if counted < 1:
        raise ValueError(f"duration must be at least one step, {length:g}; got {duration:g}.")
    if (counted + before) * length > system.span * (1 + 1e-9):
        raise ValueError(
            f"transient + duration must end with the input's samples, which cover a time of {system.span:g}; "
            f"got {transient:g} + {duration:g}. Give more samples, or a shorter run."
        )
    if counted + before >= 2**30:
        raise ValueError(
            f"transient + duration must be under 2³⁰ = 1.07e9 steps; got {counted + before:.3g} steps of {length:g}. "
            "Give a shorter run; a flow that decays much faster than it is watched is stiff, and needs as many."
        )
    align = 0 if size == 1 or before >= counted / 10 else -(-counted // 10)
    stride = max(1, min(_STRIDE, counted // _ROWS))
    blocks = max(-(-counted // (stride * _ROWS)), -(-(counted + before + align) // (stride * _BLOCKS)))
    return _Plan(align, before, counted, stride * blocks, stride, length)


def _schedule(plan: _Plan):
    """Each block's first step and how many steps it has, phase by phase, and how many blocks are before the counted ones.

    A block that starts with step 0 starts at h0."""
    phases = [(0, plan.align), (0, plan.transient), (plan.transient, plan.counted)]
    starts = [first + np.arange(0, steps, plan.block) for first, steps in phases]
    ends = [np.minimum(start + plan.block, sum(phase)) for start, phase in zip(starts, phases, strict=True)]
    first = np.concatenate(starts)
    return first, np.concatenate(ends) - first, len(starts[0]) + len(starts[1])


class _Row(NamedTuple):
    """What is kept of a block: its growth, and the errors of a step of it."""

    growth: Growth
    errors: Errors


@eqx.filter_jit
def _run(system, h0, frame, plan: _Plan, step: Step, solver) -> Lyapunov:
    stepper = step.stepper(system, solver)
    first, live, skipped = _schedule(plan)
    size = frozen(jnp.maximum(jnp.max(jnp.abs(h0)), 1))

    def weigh(k, after):
        return _window(((k - plan.transient * step.parts) + jnp.asarray(after, h0.dtype)) / (plan.counted * step.parts))

    @jax.checkpoint
    def block(state, row):
        number, first, live = row
        h, Q, patient, last = state
        h, patient = jnp.where(first == 0, h0, h), patient | (number % _RETRY == 0)
        checked, last = _checked(system, step, solver, first, h, Q, last)

        def stride(state):
            offset, h, Q, patient, total = state
            steps = jnp.clip(live - offset, 0, plan.stride)
            how = patient, plan.stride, size
            h, Q, gain, patient = carry(stepper.advance, weigh, first + offset, steps, h, Q, *how)
            return offset + plan.stride, h, Q, patient, total.plus(gain)

        start = (jnp.zeros_like(first), h, Q, patient, Sum.of(no_growth(Q)))
        if isinstance(step.parts, int):
            strides = plan.block // plan.stride
            end = jax.lax.scan(lambda state, _: (stride(state), None), start, length=strides)[0]
        else:
            end = jax.lax.while_loop(lambda state: state[0] < live, stride, start)
        _, h, Q, patient, total = end
        return (h, Q, patient, last), _Row(total.value, checked)

    blocks = tuple(jnp.asarray(numbers) for numbers in (np.arange(len(first)), first, live))
    blocks = (blocks[0], blocks[1] * step.parts, blocks[2] * step.parts)
    start = (h0, jnp.asarray(frame, h0.dtype), jnp.ones((), bool), (blocks[1][0], h0))
    (h, _, _, last), rows = jax.lax.scan(block, start, blocks)
    # the trial run is of steps that the run itself makes: what they destroy is gone
    growth = rows.growth
    lost, failed = jnp.cumsum(growth.lost, axis=0) > 0, jnp.cumsum(~growth.finite) > 0
    rows = rows._replace(growth=growth._replace(lost=lost, finite=~failed))
    looked_at = jnp.asarray(np.arange(len(first)) >= skipped) | failed[-1]
    accuracy = Accuracy.of(rows.errors, looked_at, plan.length / step.parts, solver)
    why = RESULTS.where(jnp.any(growth.undefined), system.time.undefined, RESULTS.left_float_range)  # pyright: ignore
    if not system.time.own_step:
        end = (blocks[1] + blocks[2])[jnp.argmax(failed)]
        thrown = is_thrown(frozen(system), step, solver, last[0], frozen(last[1]), jnp.where(failed[-1], end, 0))
        why = RESULTS.where(thrown & ~jnp.any(growth.undefined), RESULTS.step_too_long, why)  # pyright: ignore
    run = _summary(h, jax.tree.map(lambda row: row[skipped:], rows.growth), live[skipped:], plan.length, accuracy, why)
    return run if isinstance(step.parts, int) else _forward_only(run)


def _window(x):
    """1 over the middle half of 0 … 1, smoothly down to 0 at its ends (the Planck taper)."""
    y = jnp.clip(4 * jnp.minimum(x, 1 - x), 1e-3, 1 - 1e-3)
    return jax.nn.sigmoid(1 / (1 - y) - 1 / y)


def _checked(system, step: Step, solver, k, h, Q, last):
    """The errors of step k on a frame; and (k, h), if the step is accurate, or else the `last` at which one was. Nothing of a
    system with a step of its own, or after the end of its run."""
    rows = frozen(some_rows(Q))
    if system.time.own_step:
        return Errors.none(rows), last
    alive = jnp.all(jnp.isfinite(h))
    errors = frozen(local_error(frozen(system), step, solver, k, frozen(h), rows))
    errors = jax.tree.map(lambda x: jnp.where(alive, x, 0), errors)
    accurate = alive & (errors.size <= INEXACT * errors.move)
    return errors, jax.tree.map(lambda new, old: jnp.where(accurate, new, old), (k, h), last)


@jax.custom_jvp
def _forward_only(run):
    """The same, and in reverse mode an error that says why there is none."""
    return run


@_forward_only.defjvp
def _forward_only_jvp(primals, tangents):
    def refuse(residual, cotangent):
        raise ValueError(
            "the number of a flow's steps is not known inside jit or vmap without `step`, and reverse-mode derivatives need "
            "it: give lyapunov a `step`, such as the `step` of a result from outside jit, or take jax.jvp or jax.jacfwd."
        )

    def through(tangent):
        if tangent.dtype == jax.dtypes.float0:
            return tangent
        return jax.custom_derivatives.linear_call(lambda _, t: t, refuse, (), tangent)

    return primals[0], jax.tree.map(through, tangents[0])


def _summary(h, rows: Growth, live, length: float, accuracy: Accuracy, why: RESULTS) -> Lyapunov:
    """What follows from each block's growth and number of steps (m,), and from why the run failed, if it did; here `lost`
    and `finite` are of all up to its end. Time is in steps of that length until the end."""
    steps = np.cumsum(live)
    parts = length / accuracy.length
    running = jnp.cumsum(rows.logs, axis=0) / (parts * steps.astype(h.dtype))[:, None]
    plain, smooth = running[-1], jnp.sum(rows.weighted, axis=0) / jnp.sum(rows.weight)
    own = _variance(rows, live) / parts**2
    shift = _shared(jnp.sum(plain - smooth), own) if plain.shape == h.shape else jnp.zeros_like(smooth)
    running = jnp.where(rows.lost, -jnp.inf, running.at[-1].set(smooth + shift))
    stderr = jnp.sqrt(frozen(own + shift**2 + (accuracy.error * accuracy.length) ** 2))
    stderr = jnp.where(rows.lost[-1], 0, stderr)
    good = rows.finite & ~accuracy.useless
    running, stderr = (jnp.where(ok, x, jnp.nan) for ok, x in ((good[:, None], running), (good[-1], stderr)))
    order = jnp.argsort(-running[-1], stable=True)
    result = RESULTS.where(accuracy.inexact, RESULTS.step_too_long, RESULTS.successful)  # pyright: ignore
    result = RESULTS.where(rows.finite[-1], result, why)  # pyright: ignore
    history, stderr = running[:, order] / accuracy.length, stderr[order] / accuracy.length
    times = jnp.asarray(steps * length, h.dtype)
    return Lyapunov(history[-1], history, times, stderr, h, result, accuracy.length, accuracy.wanted)


def _shared(total, variance: Float[Array, " k"]) -> Float[Array, " k"]:
    """A sum shared among exponents in proportion to their variances (equally, where there are none): the smallest change, in
    standard errors, that makes their sum right."""
    largest = frozen(jnp.max(variance))
    shares = jnp.where(largest > 0, variance / jnp.where(largest > 0, largest, 1), 1)
    return total * shares / jnp.sum(shares)


def _variance(rows: Growth, live):
    """The squared standard error of the windowed means (k,), per step, from how much there is in the blocks' means at the
    lowest frequencies, those of one to three periods in the run, seen through the same window (a multitaper estimate:
    Thomson, Proc. IEEE 70, 1982). The mean itself is what there is at frequency zero. What varies more slowly than the run
    makes this too small."""
    weight, live = frozen(rows.weight), live.astype(rows.logs.dtype)
    means = rows.logs / live[:, None]
    share = weight / jnp.sum(weight)
    middle = (np.cumsum(live) - live / 2) / np.sum(live)
    angles = 2 * np.pi * np.arange(1, 4)[:, None] * middle
    waves = jnp.asarray(np.concatenate([np.cos(angles), np.sin(angles)]), share.dtype)
    tapers = share[None] * (waves - (waves @ share)[:, None])
    sizes = jnp.sum(tapers**2, axis=1)
    known = sizes > 1e-3 * jnp.sum(share**2)
    density = (tapers @ (means - jnp.mean(means, axis=0, keepdims=True))) ** 2 / jnp.where(known, sizes, jnp.inf)[
        :, None
    ]
    return jnp.sum(density, axis=0) / jnp.sum(known) * jnp.sum(share**2)
