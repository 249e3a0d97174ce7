"""diffrax as its documentation has it, with nothing of ours."""

from collections.abc import Callable

import diffrax
import jax.numpy as jnp

from ._tanh import over_batch


def solve(rate: Callable, solver: diffrax.AbstractSolver, jumps: bool, tolerance, xs, h0):
    """The states at 0, 1, …, T of dh/dt = rate(t, k, h, xs), k the floor of the time: (T + 1, …, N).

    With `jumps` the solver is told that the input changes at whole times.
    """
    steps = xs.shape[0]
    controller = diffrax.PIDController(tolerance, tolerance / 100)
    if jumps:
        controller = diffrax.ClipStepSizeController(controller, jump_ts=jnp.arange(1, steps, dtype=float))

    def field(t, h, xs):
        return rate(t, jnp.clip(jnp.floor(t).astype(int), 0, steps - 1), h, xs)

    def run(xs, h0):
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
            max_steps=2**24,
            throw=False,
        ).ys

    return over_batch(run, xs, h0)


def ways(rate: Callable) -> dict[str, tuple[Callable, str]]:
    """Its two contenders, name: (solve(tolerance, xs, h0), note)."""
    tsit5 = diffrax.Tsit5()
    return {
        "diffrax": (lambda *given: solve(rate, tsit5, False, *given), "Tsit5, PIDController, SaveAt(ts)"),
        "diffrax with jump_ts": (
            lambda *given: solve(rate, tsit5, True, *given),
            "the same, with ClipStepSizeController",
        ),
    }
