"""Inputs of which a step sees nothing later than its own sample."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from ..._base.protocol import is_linear, leads_of
from ..._base.types import Field
from ..._paths.base import AbstractInput, AbstractPath


def causal(path: AbstractPath, field: Field) -> AbstractPath:
    """The path as a field may read it in a step: up to the step's own sample. It is itself where nothing else is read: an
    input that is constant in a step, and a linear field that does not read ahead, whose flow is known in closed form."""
    reads_ahead = not is_linear(field) or max(leads_of(field), default=0.0) > 0
    return _UpToNow(path) if path.beyond == 0 != path.degree and reads_ahead else path


class _UpToNow(AbstractPath):
    """A path of which each step reads what there is at its end: at any later time the value at its end."""

    path: AbstractPath  # pyright: ignore[reportGeneralTypeIssues]  (our __init__ sets it)

    def __init__(self, path: AbstractPath):
        self.path, self.xs, self.dt, self.t0 = path, path.xs, path.dt, path.t0

    def within(self, step, fraction) -> Array:
        return self.path.within(step, fraction)

    def piece(self, whole) -> "_Step":  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Step(self.path, whole)


class _Step(AbstractInput):
    """The input as a field reads it in step `whole`."""

    path: AbstractPath
    whole: Int[Array, ""]

    def moment(self, t, fraction) -> "_Moment":
        return _Moment(self, t, fraction)

    def __call__(self, t, after=0.0) -> Array:
        whole, fraction = self.path.split(t)
        return self.reading(whole - self.whole + fraction + after / self.path.dt)

    def reading(self, steps) -> Array:
        """The input so many steps after the step's start."""
        return self.path.at(self.whole, jnp.minimum(steps, 1.0))


class _Moment(AbstractInput):
    """The input near an instant of a step known exactly, whose float is `t`: others are read by their distance from it."""

    step: _Step
    t: Array
    fraction: Array

    def __call__(self, t, after=0.0) -> Array:
        return self.step.reading(self.fraction + (t - self.t + after) / self.step.path.dt)
