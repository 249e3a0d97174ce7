"""The times of a run: their places among the input's samples, and the gaps between them in steps of the network.

Both are differences of large numbers. A float32 of the time does not hold them: at 44.1 kHz it is wrong by a hundredth of a
sample after three seconds. Times that are known while Python runs are therefore split in float64 on the host. A uniform grid
is recognised if its gaps are equal to the rounding of its own type.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._base.checks import as_times, is_concrete
from .._paths.base import AbstractPath, read
from .._paths.times import split

ROWS = 1024  # times whose input is read at once


class Clock(eqx.Module):
    """The times of a run.

    **Fields:**

    - `ts`: (n,) the times.
    - `whole`, `fraction`: (n,) the places of the times, or of `lead` before them, in sampling intervals of the path since its
      start; zeros if the path has no samples.
    - `gaps`: (n − 1,) between the times, in steps of `dt`.
    - `known`: whether the times are not traced.
    - `uniform`: whether all gaps are known to be equal.
    - `increasing`: (n,) for traced times, whether all times up to each one are finite and increase. Those that do not are
      replaced: each is one step of the network after the time before.
    """

    ts: Float[Array, " n"]
    whole: Int[Array | np.ndarray, " n"]
    fraction: Float[Array | np.ndarray, " n"]
    gaps: Float[Array | np.ndarray, " n-1"]
    dt: float = eqx.field(static=True)
    known: bool = eqx.field(static=True)
    uniform: bool = eqx.field(static=True)
    increasing: Bool[Array, " n"] | None = None

    @classmethod
    def of(cls, path, ts, dt: float, lead: float = 0.0) -> "Clock":
        checked = as_times("ts", ts)
        concrete = is_concrete(ts)
        xp: Any = np if concrete else jnp
        t = np.asarray(ts, np.float64) if concrete else checked
        eps = float(jnp.finfo(_kind(t if concrete and not hasattr(ts, "dtype") else ts)).eps)
        increasing = None
        if not concrete:
            increasing = _increasing(checked)
            t = _continued(checked, increasing, dt)
        gaps = (t[1:] - t[:-1]) / dt
        rounding = 2 * eps * (xp.maximum(abs(t[1:]), abs(t[:-1])) / dt + gaps)
        uniform = False
        if concrete and len(t) > 1:
            mean = (t[-1] - t[0]) / (len(t) - 1)
            uniform = bool(np.all(np.abs(gaps - mean / dt) <= rounding))
            if uniform:
                t, gaps = t[0] + mean * np.arange(len(t)), np.full(len(t) - 1, mean / dt)
        nearest = xp.round(gaps)
        snaps = (abs(gaps - nearest) <= rounding) & (nearest > 0)
        off = xp.where(snaps, gaps - nearest, 0)
        # a difference, not `nearest` itself, which has no derivative
        gaps = gaps - (off if concrete else jax.lax.stop_gradient(off))
        if isinstance(path, AbstractPath):
            whole, fraction = split(t, path.start + lead, path.dt, eps, xp)
        else:
            whole, fraction = np.zeros(t.shape, int), 0 * t
        kind = jnp.result_type(float)
        fraction, gaps = fraction.astype(kind), gaps.astype(kind)
        return cls(checked, whole, fraction, gaps, dt, concrete, uniform, increasing)

    @property
    def mean_gap(self) -> Any:
        """The mean of the gaps; exactly their length if all are equal. On the host where the times are known."""
        return self.gaps[0] if self.uniform else self.gaps.mean()

    def read(self, path, i, after) -> Array:
        """Return the input `after` time units past the i-th time."""
        if isinstance(path, AbstractPath):
            return path.at(jnp.asarray(self.whole)[i], jnp.asarray(self.fraction)[i], after)
        return read(path, self.ts[i], after)

    def read_ahead(self, path, i, after, count: int) -> Array:
        """Return the inputs (count, …) `after` time units past the i-th time, and every step of the network from there on."""
        if isinstance(path, AbstractPath):
            place = jnp.asarray(self.whole)[i], jnp.asarray(self.fraction)[i]
            return path.ahead(*place, after, self.dt, count)
        return jax.vmap(lambda j: self.read(path, i, after + j * self.dt))(jnp.arange(count))

    def mean_input(self, path) -> Array:
        """Return the mean of the input's samples, or of the input at the times if it has no samples."""
        if isinstance(path, AbstractPath):
            return jnp.mean(path.xs, axis=0)
        return jnp.mean(jax.lax.map(lambda t: read(path, t), self.ts, batch_size=ROWS), axis=0)


def _increasing(t: Float[Array, " n"]) -> Bool[Array, " n"]:
    """Whether the times up to each one are finite and increase strictly."""
    each = jnp.isfinite(t) & jnp.concatenate([jnp.ones(1, bool), t[1:] > t[:-1]])
    return jnp.cumsum(~each) == 0


def _continued(t: Float[Array, " n"], increasing: Bool[Array, " n"], dt: float) -> Float[Array, " n"]:
    """Return the times while they increase, and after that one step after another, so that every gap can be run."""
    count = jnp.sum(increasing)
    last = jnp.where(count > 0, t[jnp.maximum(count - 1, 0)], 0)
    return jnp.where(increasing, t, last + dt * (jnp.arange(t.shape[0]) - count + 1).astype(t.dtype))


def _kind(ts: Any) -> Any:
    return ts.dtype if jnp.issubdtype(ts.dtype, jnp.floating) else jnp.result_type(float)
