"""The questions that `rnn-ode sweep` asks of random networks: functions of the size, the gain, the drive and the seed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array

from .._analyses.fixed_points import fixed_points
from .._analyses.fixed_points_guesses import draw_guesses
from .._analyses.gradients import gradient_flow
from .._analyses.lyapunov import lyapunov
from .._analyses.spectrum import spectrum
from .._cells.vanilla import VanillaCell
from .._methods.closed import Textbook
from .._systems.map import Map

KEPT = 0.01
"""The part of a gradient that counts as remembered."""

_GUESSES = 32  # for fixed points, from a normal distribution


@dataclasses.dataclass(frozen=True)
class Networks:
    """Random networks h' = f(gain W h + drive w x + 0), with W of the given kind, w normal, and so many steps of a run.

    In a run x is normal, too; for fixed points it is 1.
    """

    activation: Callable[[Array], Array] | None
    recurrent: Initializer
    steps: int

    def cell(self, hidden: int, gain: Array, drive: Array, seed: Array) -> VanillaCell:
        recurrent, drives = jax.random.split(jax.random.key(seed), 4)[:2]
        W = gain * self.recurrent(recurrent, (hidden, hidden), gain.dtype)
        w = drive * jax.random.normal(drives, (hidden, 1), gain.dtype)
        return VanillaCell(W, w, jnp.zeros(hidden, gain.dtype), self.activation)

    def run(self, hidden: int, gain: Array, seed: Array) -> tuple[Array, Array]:
        """The input (T, 1) and the state at the start (N,)."""
        inputs, start = jax.random.split(jax.random.key(seed), 4)[2:]
        return jax.random.normal(inputs, (self.steps, 1), gain.dtype), jax.random.normal(start, (hidden,), gain.dtype)

    def verdicts(self, hidden: int, gain: Array, drive: Array, seed: Array) -> dict[str, Any]:
        """What the eigenvalues say of the linear part of the network, and of exp(W_h t)."""
        network, textbook = spectrum(self.cell(hidden, gain, drive, seed).W_h).verdicts(Textbook())
        return {"network": network, "textbook": textbook}

    def exponent(self, hidden: int, gain: Array, drive: Array, seed: Array) -> dict[str, Any]:
        """The largest Lyapunov exponent of a run, without its first fifth."""
        xs, h0 = self.run(hidden, gain, seed)
        before = float(self.steps // 5)
        network = Map(self.cell(hidden, gain, drive, seed), xs)
        found = lyapunov(network, h0, self.steps - before, transient=before, count=1)
        return {"exponent": found.exponents[0], "result": found.result}

    def fixed_points(self, hidden: int, gain: Array, drive: Array, seed: Array) -> dict[str, Any]:
        """The number of fixed points that are found from random guesses, and how many of them are stable."""
        guesses = draw_guesses(jax.random.key(seed), _GUESSES, jnp.zeros((1, hidden), gain.dtype), spread=1.0)
        found = fixed_points(Map(self.cell(hidden, gain, drive, seed), jnp.ones(1, gain.dtype)), guesses)
        return {"points": found.count}

    def memory(self, hidden: int, gain: Array, drive: Array, seed: Array) -> dict[str, Any]:
        """The lag at which the gradient of the last state has fallen to a hundredth; the whole run if it never does."""
        xs, h0 = self.run(hidden, gain, seed)
        flow = gradient_flow(self.cell(hidden, gain, drive, seed), xs, h0, throw=False)
        gone = flow.log_norms < jnp.log(KEPT)
        return {"lag": jnp.where(jnp.any(gone), jnp.argmax(gone), self.steps), "result": flow.result}


@dataclasses.dataclass(frozen=True)
class Question:
    """What a question measures: its results with a title and a unit each. A result that is a verdict counts as its share."""

    ask: Callable[..., Any]
    results: dict[str, tuple[str, str]]


QUESTIONS = {
    "verdicts": Question(
        Networks.verdicts,
        {"network": ("the network decays", ""), "textbook": ("exp(W_h t) decays", "")},
    ),
    "exponent": Question(Networks.exponent, {"exponent": ("largest Lyapunov exponent", "nats per step")}),
    "fixed-points": Question(
        Networks.fixed_points, {"points": (f"fixed points from {_GUESSES} guesses", "fixed points")}
    ),
    "memory": Question(Networks.memory, {"lag": ("lag at which 1 % of the gradient is left", "steps")}),
}
