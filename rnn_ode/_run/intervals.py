"""The intervals in which a field is smooth: a path's steps, or parts of them."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._base.checks import as_numbers
from .._base.protocol import is_anchored
from .._base.types import Field, State
from .._paths.base import AbstractPath
from .clock import Clock


def segments_of(path: Any, clock: Clock | None) -> tuple[tuple[Array, ...], Array, Array | None, Array | None]:
    """Return the intervals, the output times, which intervals end at these times, and which intervals may be run.

    An interval is (whole step, from, to, length); the last three are fractions of the step. Without a clock the intervals are
    the steps of the path, otherwise they end at every sample and at every output time. For a path without samples `from` and
    `to` are times, and the length is the difference that the times have on the host. `None` in the place of the last two
    means all. For traced times, only intervals before the first time that does not increase may be run.
    """
    unit = jnp.result_type(float)
    if clock is None:
        total = path.xs.shape[0]
        zeros, ones = jnp.zeros(total, unit), jnp.ones(total, unit)
        return (jnp.arange(total), zeros, ones, ones), path.times, None, None
    count, increasing = clock.ts.shape[0], clock.increasing
    if not isinstance(path, AbstractPath):
        ts = clock.ts if increasing is None else jnp.where(increasing, clock.ts, 0)
        runs = None if increasing is None else increasing[1:]
        return (jnp.zeros(count - 1, int), ts[:-1], ts[1:], jnp.asarray(clock.gaps)), clock.ts, None, runs
    total = path.xs.shape[0]
    whole, fraction = jnp.asarray(clock.whole), jnp.asarray(clock.fraction)
    first = (whole[0], fraction[0])
    samples = jnp.arange(total + 1)
    outside = (samples < whole[0] + (fraction[0] > 0)) | (samples > whole[-1])
    # a sample outside the output times becomes an interval of no length at the start
    all_whole = jnp.concatenate([jnp.where(outside, first[0], samples), whole])
    all_fraction = jnp.concatenate([jnp.where(outside, first[1], 0), fraction])
    kind = jnp.concatenate([jnp.zeros(total + 1, int), jnp.arange(1, count + 1)])
    all_whole, all_fraction, kind = jax.lax.sort((all_whole, all_fraction, kind), num_keys=2)
    from_whole, from_fraction = all_whole[:-1], all_fraction[:-1]
    to_fraction = all_fraction[1:] + (all_whole[1:] - from_whole)  # a step's end is fraction 1 of it
    picks = jnp.zeros(count + 1, int).at[kind].set(jnp.arange(kind.shape[0]))[1:]
    runs = None
    if increasing is not None:
        runs = jnp.arange(kind.shape[0] - 1) < picks[jnp.maximum(jnp.sum(increasing) - 1, 0)]
    return (from_whole, from_fraction, to_fraction, to_fraction - from_fraction), clock.ts, picks, runs


class Interval(eqx.Module):
    """The field in the local time of one interval, 0 to 1: a part of a step, or of time for a path without samples."""

    field: Field
    piece: Any
    segment: tuple[Array, ...]
    start: float | None = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    @classmethod
    def of(cls, field, path, segment) -> "Interval":
        if isinstance(path, AbstractPath):
            return cls(field, path.piece(segment[0]), segment, path.start, path.dt)
        return cls(field, path, segment, None, 1.0)

    def at(self, s):
        """Return the time at s, and the input as a function of time around it."""
        whole, begin, *_ = self.segment
        return self._moment(whole, begin + s * self.length)

    @property
    def length(self):
        """In steps, or in time for a path without samples. It is given where the ends are too large to be subtracted."""
        _, begin, end, *length = self.segment
        return length[0] if length else end - begin

    def _moment(self, whole, u):
        if self.start is None:
            return u, self.piece
        t = self.start + (whole + u) * self.dt
        return t, self.piece.moment(t, u)

    def rate(self, s, h):
        """Return dh/ds."""
        t, path = self.at(s)
        scale = self.dt * self.length
        rate = jax.tree.map(partial(as_numbers, "field(t, h, path)"), self.field(t, h, path))
        return jax.tree.map(lambda leaf: scale.astype(jnp.finfo(leaf.dtype).dtype) * leaf, rate)

    def anchored(self, h, anchor) -> tuple["Interval", State]:
        """Return the interval, its field anchored where the step starts if it asks for that, and the state there."""
        if not is_anchored(self.field):
            return self, anchor
        whole, begin, *_ = self.segment
        at_start = begin == 0 if self.start is not None else True
        anchor = jax.tree.map(lambda old, new: jnp.where(at_start, new, old), anchor, h)
        t, path = self._moment(whole, jnp.zeros_like(begin) if self.start is not None else begin)
        return eqx.tree_at(lambda i: i.field, self, self.field.anchor(t, anchor, path)), anchor  # pyright: ignore
