"""Lyapunov exponents: the mean rates at which a system's small disturbances grow, in nats per unit time.

The method is that of Benettin, Galgani, Giorgilli & Strelcyn (Meccanica 15, 1980) and of Shimada & Nagashima: an
orthonormal frame is carried along the trajectory and orthonormalised again and again. The mean gain of its j-th vector is
λ_j, and the sum over all N is the mean of log|det J| (of a flow: of the trace), step by step.

Three things matter for accuracy.

*The frame's alignment.* A random frame turns towards the directions of the exponents as exp((λ_{j+1} − λ_j) t), and what it
gains meanwhile is an error of order 1/duration. The frame is therefore carried along the transient. If that is shorter than a
tenth of the duration, the frame is first carried along the first tenth of the run, which then starts anew.

*The window.* At a complex pair, a cycle or a torus, the gain of an aligned frame still oscillates, and a plain mean keeps an
error of order 1/duration. The mean is therefore taken with a window that is flat over the middle half and falls smoothly,
with all derivatives, to zero at both ends: for quasi-periodic motion the error then vanishes faster than any power of the
duration (Das, Saiki, Sander & Yorke, Nonlinearity 30, 2017, whose window is narrower). A chaotic system's error grows
by a tenth. If all N exponents are asked for, their sum is exactly the plain mean of log|det J|: the difference that the
window makes is shared among them in proportion to their variances. It is of order 1/duration along a cycle, and 0 where the
determinant is constant.

*Zero.* A vector that a step sends into the span of those before it, to within rounding, is lost, and its exponent is −∞. A
factor below 4√k u of the step's largest factor cannot be told from zero, where u is the unit roundoff.
"""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree

from .._base.checks import as_number, as_step, check_count, check_flag, is_concrete
from .._base.compiled import compiled
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.states import frozen
from .._base.text import Table, plain
from .._run.parallel import stats_of
from .._run.parallel_choice import ParallelChoice, in_words
from .._run.parallel_verdict import scan_unless_it_pays
from .._systems.base import AbstractSystem, check_system
from .frames import first_frame
from .lyapunov_plan import Plan, plan_run
from .lyapunov_run import run_blocks
from .lyapunov_statistics import counted_as_zero, exponents_of
from .lyapunov_table import lyapunov_table
from .steps import Step, divided, step_wanted

_FEWEST = 256  # steps of a flow in the duration, at least, unless `step` says otherwise
_COARSE = 2000  # the same where the number of steps is traced
_TRIES = 4  # runs, at most, each with shorter steps than the one before


class Lyapunov(ShownArrays, eqx.Module):
    """Lyapunov exponents and how they came about.

    **Fields:**

    - `exponents`: (k,), in nats per unit time, largest first. −∞ for directions that a step destroys, to within rounding
      (float64 sees factors that float32 does not). NaN where the run failed, or where a flow's steps are far too long.
    - `history`: (m, k), m ≤ 200, running means; the last row is `exponents`.
    - `times`: (m,), the times of `history`, counted from the end of the transient.
    - `stderr`: (k,), standard errors. They allow for the correlation of what is averaged and for the error of a flow's steps.
      0 for −∞, NaN for a run of one step. They are too small if the motion's correlation time is longer than the run.
    - `state`: (N,), the flat state at the end.
    - `result`: a `RESULTS`. `successful`; `left_float_range`; `field_undefined` of a flow, or `not_a_number` of a map, if the
      system does not exist at a state of the run; `step_too_long` of a flow, whose exponents are then wrong. A run that fails
      has NaN in `exponents`, and in the rows of `history` from there on.
    - `step`: the length of the steps taken, in time.
    - `step_wanted`: the length of the longest steps that suit the run; of a map, its own.
    - `stats`: of a run with `parallel`: `parallel`, a `ParallelChoice`, and where the run was in parallel `newton_steps` and
      `residual`, as in the `stats` of `iterate`. `None` without it.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> logistic = ro.Map(lambda x, h: 4 * h * (1 - h))
    >>> run = ro.lyapunov(logistic, jnp.array([0.3]), 2000.0)
    >>> round(run.exponents.item(), 1), run.kaplan_yorke.item()  # log 2, and the whole line
    (0.7, 1.0)

    ```
    """

    exponents: Float[Array, " k"]
    history: Float[Array, "m k"]
    times: Float[Array, " m"]
    stderr: Float[Array, " k"]
    state: Float[Array, " N"]
    result: RESULTS
    step: Float[Array, ""] | None = None
    step_wanted: Float[Array, ""] | None = None
    stats: dict[str, Any] | None = None

    _alone = "exponents", 1

    def plot(self):
        """The exponents, and the running means that led to them. A matplotlib figure (needs the `app` extra)."""
        from ..plot import lyapunov as draw

        return draw(self)

    @property
    def is_zero(self) -> Bool[Array, "... k"]:
        """Which exponents count as zero: those within two standard errors of it, if these are at most a tenth of the smallest
        exponent that is not zero, or a hundredth over the run. Along a cycle of a flow one exponent is zero, and a run may
        measure −0.0002 ± 0.003. Larger errors say that the run was too short."""
        return counted_as_zero(self.exponents, self.stderr, self.times[..., -1])

    @property
    def kaplan_yorke(self) -> Float[Array, "..."]:
        """Kaplan–Yorke dimension: j + (λ₁ + … + λ_j) / |λ_{j+1}| for the last j with a sum that is not negative.

        Exponents that may be zero count as zero where `is_zero` says so: along a cycle of a flow the dimension is 1. If the
        run was too short, `kaplan_yorke_range` says so.

        NaN if too few exponents were asked for to find j; N if even the sum of all N is not negative.
        """
        return self._dimension(0.0)

    @property
    def kaplan_yorke_range(self) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The Kaplan–Yorke dimensions with every exponent two standard errors lower, and two higher. Exponents that count as
        zero stay zero."""
        return self._dimension(-2.0), self._dimension(2.0)

    def _dimension(self, shift: float) -> Array:
        counted = jnp.where(self.is_zero, 0, self.exponents + shift * self.stderr)
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
        """The sum of the positive exponents, in nats per unit time: an upper bound of the metric entropy (Ruelle), which is
        equal to it for a smooth measure (Pesin). NaN if all exponents that were asked for are positive and there are more."""
        total = jnp.sum(jnp.where(self.exponents < 0, 0, self.exponents), axis=-1)
        return jnp.where(self.exponents[..., -1] > 0, self._unless_cut(total), total)

    def _unless_cut(self, value: Array) -> Any:
        whole = self.exponents.shape[-1] == self.state.shape[-1]
        return value * jnp.ones((), self.exponents.dtype) if whole else jnp.nan

    def _tables(self) -> tuple[Table, ...]:
        return (lyapunov_table(self.to_dict()),)

    def _data(self) -> dict[str, Any]:
        names = "exponents", "stderr", "kaplan_yorke", "entropy_sum", "times", "history", "state", "step", "step_wanted"
        found = {name: getattr(self, name) for name in names}
        more = {"kaplan_yorke_range": list(self.kaplan_yorke_range), "result": how_it_ended(self.result)}
        if self.stats is not None:
            more["stats"] = {name: in_words(value) for name, value in self.stats.items()}
        return plain({**found, **more}, infinities=True)

    def _variables(self) -> Variables:
        unit = "nats per unit time"
        return {
            "time": (("time",), self.times, "time"),
            "exponents": (("exponent",), self.exponents, unit),
            "stderr": (("exponent",), self.stderr, unit),
            "history": (("time", "exponent"), self.history, unit),
            "state": (("unit",), self.state, ""),
        }


def _pick(rows: Float[Array, "... k"], index: Array) -> Array:
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
    parallel: bool | None = False,
) -> Lyapunov:
    """The Lyapunov exponents of a map or a flow along its trajectory from h0; of a driven one, conditional on its input.

    **Arguments:**

    - `system`: a `Map`, a `Flow`, or a system of your own.
    - `h0`: the state at the start, flat (N,) or as the cell or field has it.
    - `duration`: the time over which growth is averaged, rounded to a whole number of steps.
    - `count`: how many exponents, the largest first. Default all N; the cost is proportional to it.
    - `transient`: the time before `duration`, rounded likewise. Default 0. Choose it long enough for the state to reach its
      attractor: an average that includes the approach has an error of order 1/duration.
    - `step`: length of a flow's steps, in time. By default it is measured in a trial along the beginning of the run, so that
      an exponent's error is about 2·10⁻⁷ of the fastest rate, and is checked along the run. Outside `jit` and `vmap` a run
      whose steps turn out too long is repeated with shorter ones.
    - `solver`: an explicit diffrax solver for a flow. Default the classical Runge–Kutta method.
    - `parallel`: `True` carries the frame through all parts of the run at once, see below. `None` does so on an accelerator,
      for runs that are not traced. Default `False`: step by step.

    **Returns:** a `Lyapunov`.

    **Raises:** `ValueError` or `TypeError` for a duration under one step, a transient below 0, a count that is not from 1 to
    N, and a run that goes past the last sample of its input, after which the exponents would be those of another system.

    *Accuracy.* At a fixed point the error falls faster than any power of the duration, once this is many times the period of
    every complex pair and the inverse of every gap between exponents; where multipliers are defective it falls as 1/duration.
    Along a cycle it falls as fast for `count` < N, and as 1/duration for all N, whose sum is kept exact. Along a chaotic
    trajectory it falls as one over the square root of the duration, see `stderr`. Memory does not grow with the duration.
    All steps of a flow have one length, and one step in each of some two hundred parts of the run is checked. An orbit that
    passes a singularity within a few steps may do so unseen: compare the result with that of a shorter `step`.

    *In parallel.* The states come from Newton's method, as in `iterate`, or from a scan where that does not converge. The
    frames before all blocks of the run come from a parallel prefix of the products of Jacobians, which is exact to rounding
    for chaotic motion too. It takes memory for all states and for three (N, N) matrices a block, and more arithmetic than the
    run step by step.

    *Transformations.* All arguments but `system` and `h0` must be known when traced by `jit`. Gradients, in both modes, are
    those of the finite run: for chaotic motion they grow as disturbances do, and are of no use over long durations. Inside
    `jit` and `vmap` the number of a flow's steps is not known without `step`: then only forward-mode derivatives exist, and
    the steps may have another length than outside, so that exponents differ within their standard errors.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> damped = ro.Flow(lambda t, h, path: jnp.array([h[1], -h[0] - 0.2 * h[1]]))
    >>> run = ro.lyapunov(damped, jnp.ones(2), 100.0, step=0.05)
    >>> [round(exponent, 3) for exponent in run.exponents.tolist()]
    [-0.1, -0.1]

    ```
    """
    check_system("system", system)
    if parallel is not None:
        check_flag("parallel", parallel)
    h0 = system.as_point("h0", h0)
    size = h0.shape[0]
    count = size if count is None else count
    check_count("count", count)
    if count > size:
        raise ValueError(f"count must be at most the number of states, {size}; got {count}.")
    frame = jnp.asarray(first_frame(int(count), size), h0.dtype)
    duration, transient = as_step("duration", duration), as_number("transient", transient)
    if not 0 <= transient < np.inf:
        raise ValueError(f"transient must be at least 0 and finite; got {transient}.")

    def run_in(step: Step) -> Lyapunov:
        length = Step(step.unit).stepper(system, solver).length
        plan = plan_run(system, size, length, duration, transient)
        why_scan = _why_scan(parallel, system, h0, step, plan)
        run = _measured(system, h0, frame, plan, step, solver, parallel is not False and why_scan is None)
        return (
            run if why_scan is None else eqx.tree_at(_stats, run, {"parallel": why_scan}, is_leaf=lambda x: x is None)
        )

    if step is not None or system.time.own_step:
        return run_in(Step(step))
    wanted = _trial_step(system, h0, solver, duration, transient)
    for _ in range(_TRIES):
        run = run_in(wanted)
        again, result = frozen(run.step_wanted), run.result
        if not is_concrete(wanted.parts, again, result) or result != RESULTS.step_too_long:
            break
        if (transient + duration) / float(again) > 2**29:
            break
        wanted = _whole_step(system, float(again), duration)
    return run  # pyright: ignore[reportPossiblyUnboundVariable]


def _stats(run: Lyapunov) -> Any:
    return run.stats


def _why_scan(
    parallel: bool | None, system: AbstractSystem, h0: Float[Array, " N"], step: Step, plan: Plan
) -> ParallelChoice | None:
    """Why a run that may be in parallel is the scan; `None` where it is not, or was not asked."""
    if parallel is False:
        return None
    if not isinstance(step.parts, int):
        return ParallelChoice.SCAN_TRACED  # pyright: ignore
    return None if parallel else scan_unless_it_pays(h0, (system, h0), plan.counted * step.parts)


def _trial_step(
    system: AbstractSystem,
    h0: Float[Array, " N"],
    solver: diffrax.AbstractSolver | None,
    duration: float,
    transient: float,
) -> Step:
    """The step that a trial run wants. Its number of parts is static if the answer is known while Python runs."""
    unit, whole = system.stepper().length, duration + transient
    sampled = np.isfinite(system.span)
    parts = jnp.ones((), int) if sampled else jnp.asarray(1 / whole, h0.dtype)
    share = step_wanted(system, h0, parts, jnp.asarray(whole / unit, h0.dtype), solver)
    if is_concrete(frozen(share)):
        return _whole_step(system, float(frozen(share)) * unit, duration)
    base = unit if sampled else duration / _COARSE
    most = 2**29 // max(1, round(whole / base))
    return Step(base, jnp.minimum(divided(share * (unit / base)), most).astype(int))


def _whole_step(system: AbstractSystem, length: float, duration: float) -> Step:
    """A step of about that length, so that a whole number of steps fits the sampling interval, or else the duration."""
    unit = system.stepper().length if np.isfinite(system.span) else duration / _FEWEST
    return Step(unit / divided(length / unit))


@compiled
def _measured(
    system: AbstractSystem,
    h0: Float[Array, " N"],
    frame: Float[Array, "k N"],
    plan: Plan,
    step: Step,
    solver: diffrax.AbstractSolver | None,
    parallel: bool,
) -> Lyapunov:
    run = run_blocks(system, h0, frame, plan, step, solver, parallel)
    found = exponents_of(run.growth, run.live, len(h0), plan.length, run.accuracy, run.why)
    result = Lyapunov(
        exponents=found.history[-1],
        history=found.history,
        times=found.times,
        stderr=found.stderr,
        state=run.state,
        result=found.result,
        step=run.accuracy.length,
        step_wanted=run.accuracy.wanted,
        stats=None if run.found is None else stats_of(run.found, ParallelChoice.FRAMES),  # pyright: ignore
    )
    return result if isinstance(step.parts, int) else _forward_only(result)


@jax.custom_jvp
def _forward_only(run: Lyapunov) -> Lyapunov:
    """Return the same run. In reverse mode it raises an error that says why there are no derivatives."""
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
