"""Runs of a system over a time, for guesses of closed orbits: steps of a map, adaptive steps of a flow."""

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._base.checks import is_concrete
from .._base.compiled import compiled
from .._base.states import frozen
from .._systems.base import AbstractSystem
from .orbits_clock import rate_of, samples_of

_STATES = 64  # of the period of a flow

_TOLERANCE = {64: 1e-8, 32: 1e-4}

_ROUGH = {64: 1e-6, 32: 1e-4}  # of an implicit solver

_STEPS = 20_000


def filled(system: AbstractSystem, h: Float[Array, " N"], length: float, steps: int | None) -> Float[Array, "n N"]:
    """Returns the states (n, N) of a run from h over one period, without the last one: each step of a map, or states of a
    flow at equal distances in time. Raises `ValueError` where the run is known to leave the float range."""
    rows, ended = run(system, h, length, _STATES if steps is None else steps)
    if is_concrete(rows) and not bool(ended):
        raise ValueError(
            "guess must be a state from which a run of one period stays finite; the run from it does not. Give a state "
            "nearer to the orbit, or states (n, N) along it."
        )
    return rows[:-1]


def run(
    system: AbstractSystem, h: Float[Array, " N"], length: float, count: int
) -> tuple[Float[Array, "n N"], Bool[Array, ""]]:
    """Returns `count` + 1 states of a run from h at equal distances in time, and whether all of them are finite."""
    if system.time.own_step:
        return _steps(system, h, count)
    bits = jnp.finfo(h.dtype).bits
    rows, ended = _solved(system, h, length, count, diffrax.Tsit5(), _TOLERANCE[bits])
    if is_concrete(ended) and not bool(ended):
        rows, ended = _solved(system, h, length, count, diffrax.Kvaerno5(), _ROUGH[bits])
    return rows, ended


@compiled
def _steps(system: AbstractSystem, h: Array, count: int) -> tuple[Array, Array]:
    stepper, samples = frozen(system).stepper(), samples_of(system)

    def step(h, k):
        after = stepper.advance(k, h)
        return after, after

    number = jnp.arange(count)
    _, rows = jax.lax.scan(step, h, number if samples is None else number % samples)
    rows = jnp.concatenate([h[None], rows])
    return rows, jnp.all(jnp.isfinite(rows))


@compiled
def _solved(
    system: AbstractSystem, h: Array, length: float, count: int, solver: diffrax.AbstractSolver, tolerance: float
) -> tuple[Array, Array]:
    system = frozen(system)
    stepper, samples = system.stepper(), samples_of(system)

    def rate(t, h, _):
        if samples is None:
            return rate_of(system, h, t)
        k = jnp.floor(t / stepper.length)
        return stepper.rate(k.astype(int) % samples, h, t / stepper.length - k)  # pyright: ignore

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        solver,
        jnp.zeros((), h.dtype),
        jnp.asarray(length, h.dtype),
        None,
        h,
        saveat=diffrax.SaveAt(ts=jnp.linspace(0, length, count + 1, dtype=h.dtype)),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance * jnp.max(jnp.abs(h)) + 1e-30),
        max_steps=_STEPS,
        throw=False,
    )
    rows = jnp.asarray(solution.ys)
    return rows, (solution.result == diffrax.RESULTS.successful) & jnp.all(jnp.isfinite(rows))
