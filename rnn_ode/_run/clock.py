"""When a run gives its states: each time's place on the input's grid, and the gaps between them in steps of the network.

Both are differences of large numbers, which a float32 of the time does not hold: at 44.1 kHz it is off by a hundredth of a
sample after three seconds. Times that are known while Python runs are therefore split in float64 on the host, and a uniform
grid is recognised as one within the rounding of its own type.
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

ROWS = 1024  # read from the input at a time


class Clock(eqx.Module):
    """Times `ts` (n,); `whole` and `fraction` (n,), their places in sampling intervals of the path (zeros for a path
    without samples), or those of what is `lead` before them; `gaps` (n − 1,) between them in steps of `dt`. `known` unless
    they are traced, and `uniform` if all gaps are known to be equal.

    For traced times `increasing` (n,) tells whether all up to each one are finite and increase. Those that do not are
    replaced by a step of the network after the time before.
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
        """The input `after` time units past the i-th time."""
        if isinstance(path, AbstractPath):
            return path.at(jnp.asarray(self.whole)[i], jnp.asarray(self.fraction)[i], after)
        return read(path, self.ts[i], after)

    def read_ahead(self, path, i, after, count: int) -> Array:
        """The inputs (count, …) `after` time units past the i-th time and every step of the network from there on."""
        if isinstance(path, AbstractPath):
            place = jnp.asarray(self.whole)[i], jnp.asarray(self.fraction)[i]
            return path.ahead(*place, after, self.dt, count)
        return jax.vmap(lambda j: self.read(path, i, after + j * self.dt))(jnp.arange(count))

    def mean_input(self, path) -> Array:
        """The mean of the input's samples, or of the input at the times."""
        if isinstance(path, AbstractPath):
            return jnp.mean(path.xs, axis=0)
        return jnp.mean(jax.lax.map(lambda t: read(path, t), self.ts, batch_size=ROWS), axis=0)


def _increasing(t: Float[Array, " n"]) -> Bool[Array, " n"]:
    """Whether the times up to each one are finite and increase strictly."""
    each = jnp.isfinite(t) & jnp.concatenate([jnp.ones(1, bool), t[1:] > t[:-1]])
    return jnp.cumsum(~each) == 0


def _continued(t: Float[Array, " n"], increasing: Bool[Array, " n"], dt: float) -> Float[Array, " n"]:
    """The times while they increase, and a step after another from there on, so that every gap is one that can be run."""
    count = jnp.sum(increasing)
    last = jnp.where(count > 0, t[jnp.maximum(count - 1, 0)], 0)
    return jnp.where(increasing, t, last + dt * (jnp.arange(t.shape[0]) - count + 1).astype(t.dtype))


def _kind(ts):
    return ts.dtype if jnp.issubdtype(ts.dtype, jnp.floating) else jnp.result_type(float)
