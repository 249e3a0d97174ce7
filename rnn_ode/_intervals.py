"""The intervals in which a field is smooth: a path's steps, or parts of them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._paths import SampledPath
from ._types import Field, State


def segments_of(path, ts) -> tuple[tuple[Array, Array, Array], Array, Array | None]:
    """Intervals (whole step, from, to; the last two fractions of it), the output times, and the rows to keep.

    Without `ts` the intervals are the steps. With it they end at every sample and at every output time.
    """
    if not isinstance(path, SampledPath):
        return (jnp.zeros(ts.shape[0] - 1, int), ts[:-1], ts[1:]), ts, None
    total = path.xs.shape[0]
    unit = jnp.result_type(float)
    if ts is None:
        whole = jnp.arange(total)
        return (whole, jnp.zeros(total, unit), jnp.ones(total, unit)), path.times, None
    whole, fraction = jax.vmap(path.split)(ts)
    first = (whole[0], fraction[0])
    samples = jnp.arange(total + 1)
    outside = (samples < whole[0] + (fraction[0] > 0)) | (samples > whole[-1])
    # a sample outside the times asked for becomes an interval of no length at the start
    all_whole = jnp.concatenate([jnp.where(outside, first[0], samples), whole])
    all_fraction = jnp.concatenate([jnp.where(outside, first[1], 0), fraction])
    kind = jnp.concatenate([jnp.zeros(total + 1, int), jnp.arange(1, ts.shape[0] + 1)])
    all_whole, all_fraction, kind = jax.lax.sort((all_whole, all_fraction, kind), num_keys=2)
    from_whole, from_fraction = all_whole[:-1], all_fraction[:-1]
    to_fraction = all_fraction[1:] + (all_whole[1:] - from_whole)  # a step's end is fraction 1 of it
    picks = jnp.zeros(ts.shape[0] + 1, int).at[kind].set(jnp.arange(kind.shape[0]))[1:]
    return (from_whole, from_fraction, to_fraction), ts, picks


class Interval(eqx.Module):
    """The field in the local time of one interval, 0 to 1: a part of a step, or of time for a path without samples."""

    field: Field
    piece: Any
    segment: tuple[Array, Array, Array]
    start: float | None = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    @classmethod
    def of(cls, field, path, segment) -> "Interval":
        if isinstance(path, SampledPath):
            return cls(field, path.piece(segment[0]), segment, path.start, path.dt)
        return cls(field, path, segment, None, 1.0)

    def at(self, s):
        """The time, and the input as a function of it, at s."""
        whole, begin, end = self.segment
        u = begin + s * (end - begin)
        return self._moment(whole, u)

    def _moment(self, whole, u):
        if self.start is None:
            return u, self.piece
        t = self.start + (whole + u) * self.dt
        return t, self.piece.moment(t, u)

    def rate(self, s, h):
        """dh/ds."""
        t, path = self.at(s)
        scale = self.dt * (self.segment[2] - self.segment[1])
        return jax.tree.map(lambda leaf: scale.astype(jnp.finfo(leaf.dtype).dtype) * leaf, self.field(t, h, path))

    def anchored(self, h, anchor) -> tuple["Interval", State]:
        """The interval with its field anchored where its step starts, if the field asks for that."""
        if not getattr(self.field, "anchored", False):
            return self, anchor
        whole, begin, _ = self.segment
        at_start = begin == 0 if self.start is not None else True
        anchor = jax.tree.map(lambda old, new: jnp.where(at_start, new, old), anchor, h)
        t, path = self._moment(whole, jnp.zeros_like(begin) if self.start is not None else begin)
        return eqx.tree_at(lambda i: i.field, self, self.field.anchor(t, anchor, path)), anchor  # pyright: ignore
