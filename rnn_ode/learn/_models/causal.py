"""Inputs that are causal: in each step a field reads nothing later than the sample of that step."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int

from ..._base.protocol import is_linear, leads_of
from ..._base.types import Field
from ..._paths.base import AbstractInput, AbstractPath


def causal(path: AbstractPath, field: Field) -> AbstractPath:
    """The path, cut so that a field reads in each step no later than the sample of that step.

    The path itself is returned if the field does not read later: if the input is constant during a step, or if the field is
    linear and does not read ahead. (The flow of a linear field is known in closed form.)
    """
    reads_ahead = not is_linear(field) or max(leads_of(field), default=0.0) > 0
    return _UpToNow(path) if path.beyond == 0 != path.degree and reads_ahead else path


class _UpToNow(AbstractPath):
    """A path that keeps, in each step, the value at the end of the step for all later times."""

    path: AbstractPath  # pyright: ignore[reportGeneralTypeIssues]  (our __init__ sets it)

    def __init__(self, path: AbstractPath):
        self.path, self.xs, self.dt, self.t0 = path, path.xs, path.dt, path.t0

    def within(self, step: Int[Array, ""], fraction: Any) -> Array:
        return self.path.within(step, fraction)

    def piece(self, whole: Int[Array, ""]) -> "_Step":  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Step(self.path, whole)


class _Step(AbstractInput):
    """The input as a field reads it during step `whole`."""

    path: AbstractPath
    whole: Int[Array, ""]

    def moment(self, t: Any, fraction: Any) -> "_Moment":
        return _Moment(self, t, fraction)

    def __call__(self, t: Any, after: Any = 0.0) -> Array:
        whole, fraction = self.path.split(t)
        return self.reading(whole - self.whole + fraction + after / self.path.dt)

    def reading(self, steps: Array) -> Array:
        """The input so many steps after the start of this step."""
        return self.path.at(self.whole, jnp.minimum(steps, 1.0))


class _Moment(AbstractInput):
    """The input near a time that is known exactly as `fraction` of a step.

    Its float is `t`. Other times are read by their distance from it, since the float of a time may be off by more than the
    distance.
    """

    step: _Step
    t: Array
    fraction: Array

    def __call__(self, t: Any, after: Any = 0.0) -> Array:
        return self.step.reading(self.fraction + (t - self.t + after) / self.step.path.dt)
