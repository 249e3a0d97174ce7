"""`integrate`: run a field."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import diffrax
import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, PRNGKeyArray, PyTree, Real

from .._base.callables import check_field
from .._base.checks import check_callable, check_count, check_flag, check_solver, is_concrete
from .._base.results import RESULTS
from .._base.types import Field, State
from .._cells.protocol import as_state
from .._paths.base import AbstractPath, check_path_width, check_reading
from .clock import Clock
from .noise import Noise
from .noisy_field import check_options, count_of_steps, solve_with_noise
from .solve import reason_of, solve_field
from .tolerances import tolerances_of
from .trajectory import Trajectory, or_raise


def integrate(
    field: Field,
    path: Any,
    h0: PyTree[ArrayLike],
    *,
    ts: Real[ArrayLike, "..."] | None = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: ArrayLike | None = None,
    atol: ArrayLike | None = None,
    max_steps: int | None = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
    save: Callable[[Any], Any] | None = None,
    noise: ArrayLike | Sequence | None = None,
    key: PRNGKeyArray | None = None,
    step: float | None = None,
    throw: bool = True,
) -> Trajectory:
    """Solve dh/dt = field(t, h, path) with diffrax, or with noise dh = field(t, h, path) dt + σ dB in equal steps.

    **Arguments:**

    - `field`: any callable `field(t, h, path)`.
    - `path`: one of our paths; or any function of time, or `None`, both of which need `ts`.
    - `h0`: the state at the first time.
    - `ts`: (n,) increasing times. Default: the start of the first step (0) and every stamp of the path.
    - `solver`: any diffrax solver. Default: Dopri8, but a linear field at the stamps (that of `Textbook`, of any method on
      an affine cell, or of `CTRNN(…, activation=None)`) is solved exactly by one matrix exponential, under any path except
      `BandLimited`; `adjoint` and the tolerances are then not used. A solver without an error estimate takes one step from
      each time, or sample if that comes first, to the next.
    - `rtol`: the relative tolerance of a step. Default: 1e-5 in float32; in float64 1e-10, but 1e-12 where the flow of a
      step is linear, and 1e-8 for an implicit solver.
    - `atol`: the absolute tolerance of a step, in the unit of the state. Default: for each component a hundredth of `rtol`
      times the largest value that the component has had so far.
    - `max_steps`: the most steps in total. Default: 65,536 and 64 for every interval.
    - `adjoint`: how gradients are taken. Default: those of the steps that the solver accepted, in reverse mode; for `jvp`
      give `diffrax.ForwardMode()`. Second derivatives need forward mode over a gradient, as in `jax.hessian`. With another
      solver, or a path without samples, the default is `diffrax.RecursiveCheckpointAdjoint(checkpoints=8)` in each interval.
    - `save`: what to keep of each state, a function of it. Default: all of it.
    - `noise`: σ, the standard deviation of the noise in a unit of time: a number, one for each number of a state (N,), or a
      matrix (N, M) for the covariance σ σᵀ. States count flat, as `jax.flatten_util.ravel_pytree` orders them. Default: none.
      In a short time dt the noise adds σ √dt ξ, with ξ standard normal: σ² is a variance per unit of time.
    - `key`: the key from which the noise is drawn, such as `jax.random.key(0)`.
    - `step`: with noise, the longest step, in time. Every interval between samples and times is divided into the same number
      of equal steps.
    - `throw`: whether a run that fails raises.

    **With noise** the solver is `diffrax.Heun()`, of strong order 1 and weak order 2, or `diffrax.Euler()`, which is
    Euler–Maruyama, of strong and weak order 1. `rtol`, `atol`, `max_steps` and `adjoint` belong to adaptive solvers and are
    refused. The same key gives the same run, under `jit` and for any `save`. Under `vmap` all rows that share a key have the
    same noise: give each its own, `jax.random.split(key, rows)`. Gradients are pathwise, and take memory for some hundred
    steps and the states between them.

    Times that are known while Python runs are subtracted in their own type: NumPy float64 times as large as Unix seconds keep
    their digits in float32. The field itself gets the time as a float of the state's type.

    **Returns:** a `Trajectory` at `ts`, the initial state first. Its `result` says how the run ended; rows after a failure
    are infinite. `stats` holds `num_steps`, `num_accepted_steps`, `num_rejected_steps` and `max_steps`.

    **Raises:** `ValueError` or `TypeError` for times that do not increase, a state that is not finite or does not fit, and
    counts that are not whole; for noise that is negative, of the wrong shape, not finite, without a key or without a step,
    and for a key or a step without noise; with `throw=True`, at run time, for what `result` says.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.integrate(lambda t, h, path: path(t) - h, ro.Hold(jnp.ones((3, 1))), jnp.zeros(1))
    >>> [round(h, 3) for h in run.states[:, 0].tolist()]
    [0.0, 0.632, 0.865, 0.95]

    ```
    """
    check_field("field", field)
    check_flag("throw", throw)
    h0 = as_state("h0", h0, field)
    clock = None if ts is None else Clock.of(path, ts, path.dt if isinstance(path, AbstractPath) else 1.0)
    _check_path(field, path)
    if isinstance(path, AbstractPath) and clock is not None and is_concrete(clock.ts):
        with jax.ensure_compile_time_eval():
            clock = None if np.array_equal(clock.ts, path.times) else clock
    if clock is not None:
        clock = dataclasses.replace(clock, uniform=False)  # of no use here, and would be compiled apart
    if save is not None:
        check_callable("save", save, "save(h)")
    if adjoint is not None and not isinstance(adjoint, diffrax.AbstractAdjoint):
        raise TypeError(f"adjoint must be one of diffrax's, such as diffrax.ForwardMode(); got {adjoint!r}.")
    if not isinstance(path, AbstractPath) and clock is None:
        raise ValueError(
            f"ts must be given for a path without samples ({type(path).__name__}): nothing says when to stop."
        )
    check_reading(path, field, "field")
    if solver is not None:
        check_solver("solver", solver)
    if max_steps is not None:
        check_count("max_steps", max_steps)
    driven = Noise.of(noise, key, h0)
    if driven is not None:
        check_options(solver, rtol=rtol, atol=atol, max_steps=max_steps, adjoint=adjoint)
        count = count_of_steps(step, path, clock)
        euler = isinstance(solver, diffrax.Euler)
        times, states, result, stats = solve_with_noise(field, path, h0, clock, count, euler, driven, save)
        return _finished(times, states, result, stats, throw)
    if step is not None:
        raise ValueError(
            "step is the step of a run with noise, and there is no noise; a solver chooses its steps by rtol."
        )
    tolerances = tolerances_of(field, h0, solver, rtol, atol)
    solved = solve_field(field, path, h0, clock, solver, tolerances, max_steps, adjoint, save)
    return _finished(solved.times, solved.states, reason_of(field, path, solved, solver), solved.stats, throw)


def _finished(times: Array, states: State, result: RESULTS, stats: dict[str, Any], throw: bool) -> Trajectory:
    if throw:
        states = or_raise(states, result)
    return Trajectory(times, states, result, stats)


def integrate_samples(
    field: Field,
    path: AbstractPath,
    h0: State,
    count: Array,
    solver: diffrax.AbstractSolver | None,
    rtol: float | None,
    atol: float | None,
    adjoint: diffrax.AbstractAdjoint | None,
) -> State:
    """Return the states (T + 1, …) of `integrate` at the stamps of a path, when only its first `count` samples are run.

    After the last of them the state stays constant. `count` may be traced."""
    tolerances = tolerances_of(field, h0, solver, rtol, atol)
    return solve_field(field, path, h0, None, solver, tolerances, None, adjoint, None, count).states


def _check_path(field: Field, path: Any) -> None:
    if path is not None and not callable(path):
        raise TypeError(
            f"path must be one of rnn_ode's paths, a function of time, or None; got {type(path).__name__}. "
            "Samples (T, D) become a path with Hold(xs)."
        )
    check_path_width(path, field, "field")
