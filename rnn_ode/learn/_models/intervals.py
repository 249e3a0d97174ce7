"""Times of observations as what a network needs: the intervals between them."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._base.checks import as_floats, as_number, is_concrete
from .base import Length, as_samples
from .times import check_increasing, differences, host_times, time_after, traced_gaps


def observed_gaps(ts, length: Length) -> Float[Array, " T"]:
    """The time since the observation before, of the times' own type or of float64's."""
    if isinstance(ts, Intervals):
        return jnp.asarray(ts.gaps)
    if not is_concrete(ts):
        return traced_gaps(jnp.asarray(ts))
    times = _numbers("ts", ts)
    gaps = differences(times)
    if is_concrete(length):
        check_increasing(
            "ts", times, np.arange(len(times)) < (len(times) if length is None else int(length)), _type(ts)
        )
    else:  # what counts is not known, and padding may be anything
        gaps[1:] = np.where(gaps[1:] > 0, gaps[1:], np.nan)
    return jnp.asarray(gaps.astype(float))


def time_to(ts, at, length: Length) -> Float[Array, ""] | None:
    """From the last observation that counts to the time asked for, `None` for no time at all."""
    if isinstance(ts, Intervals):
        if at is not None:
            raise ValueError("at must not be given beside intervals, which hold it: learn.intervals(ts, at).")
        return None if ts.after is None else jnp.asarray(ts.after)
    if at is None:
        return None
    if jnp.ndim(at):
        raise ValueError(f"at must have shape (), one time; got {jnp.shape(at)}.")
    last = -1 if length is None else length - 1
    if is_concrete(ts, at):
        times, until = _numbers("ts", ts), _numbers("at", at)
        if is_concrete(length):
            return jnp.asarray(float(time_after(until, times[last])))
        after = jnp.asarray((until - times).astype(float))[last]
    else:
        after = as_floats("at", at, ()) - as_samples(ts)[last]
    return jnp.where(after >= 0, after, jnp.nan)


def _numbers(name: str, value) -> np.ndarray:
    """Known times, which are no dates."""
    times = host_times(name, value)
    if times.dtype.kind == "M":
        raise TypeError(
            f"{name} must hold numbers; got {times.dtype}. In place of dates give, for seconds, "
            "learn.intervals(ts, at, unit=np.timedelta64(1, 's'))."
        )
    return times


def _type(ts):
    return getattr(ts, "dtype", None)


class Intervals(eqx.Module):
    """Times of observations, as `intervals` makes them: what an `ODERNN` takes in place of `ts`.

    **Fields:** `gaps` (…, T), from each observation to the next, 0 at the first and in padding; `after` (…,), from the last
    observation that counts to the time asked for, or `None` for that observation's own.
    """

    gaps: Float[Array | np.ndarray, "*n T"]
    after: Float[Array | np.ndarray, "*n"] | None = None


def intervals(ts: Any, at: Any = None, lengths: Any = None, unit: Any = 1.0) -> Intervals:
    """The intervals between times, taken on the host in float64: for batches, which `jax.vmap`, `jax.jit` and `Minibatches`
    would make float32 first.

    **Arguments:** `ts` (…, T) increasing times along the last axis, numbers or `datetime64`; `at` (…,) the time asked for,
    not before the last observation that counts; `lengths` (…,) how many of each row count, all by default; `unit` what the
    intervals are counted in, in the unit of `ts` (60 for seconds to minutes), and a `timedelta64` for dates.

    **Returns:** an `Intervals` of NumPy's float64, to be handed to the model in place of `ts` and `at`. **Raises:**
    `ValueError` for times that do not increase or are not finite, with the row, and what does not fit; `TypeError` for traced
    times and for dates without a unit.

    ```python
    >>> import jax, jax.numpy as jnp, numpy as np, equinox as eqx, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> ts = 1.6e9 + np.array([[0.0, 0.1, 0.4], [0.0, 0.2, 0.3]])  # Unix seconds, of two series
    >>> times = learn.intervals(ts, at=ts[:, -1] + 0.5)
    >>> times.gaps.round(3).tolist(), times.after.tolist()
    ([[0.0, 0.1, 0.3], [0.0, 0.2, 0.1]], [0.5, 0.5])
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> runner = learn.ODERNN(ro.GRUODE.random(keys[0], 1, 4), eqx.nn.GRUCell(1, 4, key=keys[1]))
    >>> model = learn.IrregularToOne(runner, eqx.nn.Linear(4, 1, key=keys[2]))
    >>> jax.vmap(model)(times, jnp.ones((2, 3, 1))).shape
    (2, 1)

    ```
    """
    times = host_times("ts", ts)
    if times.ndim == 0 or times.shape[-1] == 0:
        raise ValueError(f"ts must hold at least one time in its last axis, (…, T); got {times.shape}.")
    dates = times.dtype.kind == "M"
    if dates != isinstance(unit, np.timedelta64):
        wanted = "a timedelta64, such as np.timedelta64(1, 's')" if dates else "a number"
        raise TypeError(f"unit must be {wanted}, for ts of {times.dtype}; got {unit!r}.")
    if (not dates and not 0 < as_number("unit", unit) < np.inf) or (dates and not unit > unit - unit):
        raise ValueError(f"unit must be finite and above 0; got {unit!r}.")
    counts = _counts(times.shape, lengths)
    counted = np.arange(times.shape[-1]) < counts[..., None]
    check_increasing("ts", times, counted, getattr(ts, "dtype", None))
    gaps = np.where(counted, differences(times) / unit, 0.0)
    if at is None:
        return Intervals(gaps)
    until = host_times("at", at)
    if until.shape != times.shape[:-1] or (until.dtype.kind == "M") != dates:
        raise ValueError(
            f"at must be a time for each row of ts, {times.shape[:-1]} of {times.dtype}; got {until.shape} of {until.dtype}."
        )
    return Intervals(gaps, time_after(until, np.take_along_axis(times, counts[..., None] - 1, -1)[..., 0]) / unit)


def _counts(shape: tuple[int, ...], lengths: Any) -> np.ndarray:
    if lengths is None:
        return np.full(shape[:-1], shape[-1])
    counts = np.asarray(lengths)
    if counts.shape != shape[:-1] or counts.dtype.kind not in "iu":
        raise ValueError(f"lengths must be a whole number for each row of ts, {shape[:-1]}; got {lengths!r}.")
    if ((counts < 1) | (counts > shape[-1])).any():
        raise ValueError(
            f"lengths must be from 1 to the number of samples, {shape[-1]}; got {counts.min()} to {counts.max()}."
        )
    return counts.astype(np.int64)
