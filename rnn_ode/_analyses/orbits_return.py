"""The return map of a closed orbit of a flow, so that the normal forms of maps serve its bifurcations.

Of a driven flow it carries a state on by one period. Of an autonomous flow it carries a state of the plane across the orbit
at its first state to where it meets this plane again. The time T of the return is found by Newton's method from the period
on: two steps of it are exact to third order in the distance from the orbit, and so are the derivatives that a normal form
needs. The map is made of steps of Dormand and Prince's eighth-order method.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._base.compiled import compiled
from .._run.dopri8 import Dopri8
from .._systems.base import AbstractSystem
from .._systems.time import Discrete
from .orbits_clock import Clock, clock_of

_CORRECTIONS = 2  # of the time of return


class Return(AbstractSystem):
    """The return map of a flow near an orbit, in coordinates (n,) of the `plane` (N, n) through its first state `start`."""

    flow: AbstractSystem
    start: Float[Array, " N"]
    plane: Float[Array, "N n"]
    period: Float[Array, ""]
    widths: Float[Array, " m"]
    clock: float = eqx.field(static=True)
    time: Discrete = Discrete()

    def rule(self, h: Float[Array, " n"]) -> Float[Array, " n"]:
        clocks = clock_of(self.flow, self.widths, self.clock)

        def segment(state, row):
            width, clock = row
            return self._step(state, width * self.period, clock), None

        after, _ = jax.lax.scan(segment, self.start + self.plane @ h, (self.widths, clocks))
        if not self.clock:
            here = jax.tree.map(lambda leaf: 0 * leaf[0], clocks)
            rate = self._rate(here, jnp.zeros_like(self.period), self.start)
            time, end = jnp.zeros_like(self.period), after
            for _ in range(_CORRECTIONS):
                speed = rate @ self._rate(here, jnp.zeros_like(self.period), end)
                time = time - rate @ (end - self.start) / speed
                end = self._step(after, time, here)
            after = end
        return self.plane.T @ (after - self.start)

    def _rate(self, clock: Clock, share: Any, h: Array) -> Array:
        return self.flow.stepper().rate(clock.step, h, clock.into + share * clock.span)  # pyright: ignore

    def _step(self, h: Array, length: Array, clock: Clock) -> Array:
        term = diffrax.ODETerm(lambda s, h, _: length * self._rate(clock, s, h))
        zero, one = jnp.zeros((), h.dtype), jnp.ones((), h.dtype)
        return Dopri8().step(term, zero, one, h, None, None, False)[0]


class MakeReturn(eqx.Module):
    """A `make_system` of return maps: a module, so that what is compiled for it is kept."""

    make_system: Callable[[Array], AbstractSystem]
    start: Array
    plane: Array
    period: Array
    widths: Array
    clock: float = eqx.field(static=True)

    def __call__(self, p: Array) -> Return:
        parts = self.make_system(p), self.start, self.plane, self.period, self.widths, self.clock
        return Return(*parts)  # pyright: ignore[reportCallIssue]


def across(rate: np.ndarray, driven: bool) -> np.ndarray:
    """Returns an orthonormal basis (N, n) of the plane across a rate; of all states if the flow is driven."""
    return np.eye(len(rate)) if driven else np.linalg.qr(rate[:, None], mode="complete")[0][:, 1:]


@compiled
def return_derivatives(make_return: MakeReturn, p: Array) -> tuple[Array, Array]:
    """Returns the Jacobian (n, n) of the return map at the orbit, and its derivative (n,) by the parameter."""
    zero = jnp.zeros(make_return.plane.shape[1], make_return.start.dtype)
    return make_return(p).jacobian(zero), jax.jacfwd(lambda p: make_return(p).rule(zero))(p)
