"""diffrax used as in its documentation, without anything of ours."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax.numpy as jnp
from jax import Array

from ._networks import over_batch


def solve(
    rate: Callable,
    solver: diffrax.AbstractSolver,
    jumps: bool,
    tolerance: Any,
    xs: Array,
    h0: Array,
    max_steps: int = 2**24,
) -> Array:
    """The states (T + 1, …, N) at the times 0, 1, …, T of dh/dt = rate(t, k, h, xs), with k = ⌊t⌋.

    With `jumps` the solver is told that the input jumps at whole times.
    """
    steps = xs.shape[0]
    controller = diffrax.PIDController(tolerance, tolerance / 100)
    if jumps:
        controller = diffrax.ClipStepSizeController(controller, jump_ts=jnp.arange(1, steps, dtype=float))

    def field(t: Any, h: Array, xs: Array) -> Array:
        return rate(t, jnp.clip(jnp.floor(t).astype(int), 0, steps - 1), h, xs)

    def run(xs: Array, h0: Array) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            solver,
            0.0,
            float(steps),
            None,
            h0,
            args=xs,
            saveat=diffrax.SaveAt(ts=jnp.arange(steps + 1, dtype=float)),
            stepsize_controller=controller,
            max_steps=max_steps,
            throw=False,
        ).ys

    return over_batch(run, xs, h0)


def ways(rate: Callable) -> dict[str, tuple[Callable, str]]:
    """The two contenders of diffrax: name: (solve, note), with `solve(tolerance, xs, h0)`."""
    tsit5 = diffrax.Tsit5()
    return {
        "diffrax": (lambda *given: solve(rate, tsit5, False, *given), "Tsit5, PIDController, SaveAt(ts)"),
        "diffrax with jump_ts": (
            lambda *given: solve(rate, tsit5, True, *given),
            "the same, with ClipStepSizeController",
        ),
    }
