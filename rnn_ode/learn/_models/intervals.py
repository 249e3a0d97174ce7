"""Intervals between observations: what a network that flows between them needs of their times."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._base.checks import as_array, as_floats, as_number, brief, check_finite, is_concrete
from ..._files.arrays import shape_of
from .base import Length, as_samples
from .times import check_increasing, differences, host_times, time_after, traced_gaps


class Intervals(eqx.Module):
    """Intervals between observations, as `intervals` makes them. An `ODERNN` takes them in place of `ts` and `at`.

    **Fields:**

    - `gaps`: the time (…, T) since the observation before, 0 at the first one and in padding.
    - `after`: the time (…,) from the last observation that counts to the time asked for, or `None` for that observation.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> learn.intervals(np.array([10.0, 11.5, 12.0])).gaps.tolist()
    [0.0, 1.5, 0.5]

    ```
    """

    gaps: Float[Array | np.ndarray, "*n T"]
    after: Float[Array | np.ndarray, "*n"] | None = None


def intervals(ts: Any, at: Any = None, lengths: Any = None, unit: Any = 1.0) -> Intervals:
    """Compute the intervals between times on the host, in float64.

    Use it for batches of large times, such as Unix seconds: `jax.vmap`, `jax.jit` and `Minibatches` would make float32 of
    the times before their differences are taken.

    **Arguments:**

    - `ts`: times (…, T), numbers or `datetime64`, that increase along the last axis.
    - `at`: the times (…,) asked for, not before the last observation that counts. Default: that observation.
    - `lengths`: how many observations of each row (…,) count. Default: all.
    - `unit`: the unit of the intervals in the unit of `ts`, such as 60 for seconds to minutes. For dates a `timedelta64`.
      Default 1.

    **Returns:** an `Intervals` in NumPy's float64, which a model takes in place of `ts` and `at`.

    **Raises:** `ValueError` for times that do not increase or are not finite, with the row, and for shapes that do not fit;
    `TypeError` for traced times and for dates without a unit.

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
    _check_unit(unit, times.dtype)
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
    ends = np.take_along_axis(times, counts[..., None] - 1, -1)[..., 0]
    return Intervals(gaps, time_after(until, ends) / unit)


def observed_gaps(ts: Any, length: Length) -> Float[Array, " T"]:
    """The time since the observation before, from `ts` of an `ODERNN`: known or traced times, or `Intervals`."""
    if isinstance(ts, Intervals):
        return jnp.asarray(ts.gaps)
    if not is_concrete(ts):
        return traced_gaps(jnp.asarray(ts))
    times = _numbers("ts", ts)
    gaps = differences(times)
    if is_concrete(length):
        count = len(times) if length is None else int(length)
        check_increasing("ts", times, np.arange(len(times)) < count, getattr(ts, "dtype", None))
    else:  # which of the times count is not known, and the others may be anything
        gaps[1:] = np.where(gaps[1:] > 0, gaps[1:], np.nan)
    return jnp.asarray(gaps.astype(float))


def time_until(ts: Any, at: Any, length: Length) -> Float[Array, ""] | None:
    """The time from the last observation that counts to `at`, or `None` if no time was asked for."""
    if isinstance(ts, Intervals):
        if at is not None:
            raise ValueError("at must not be given beside intervals, which hold it: learn.intervals(ts, at).")
        return None if ts.after is None else jnp.asarray(ts.after)
    if at is None:
        return None
    if shape_of(at) != ():
        raise ValueError(f"at must have shape (), one time; got {shape_of(at)}.")
    last = -1 if length is None else length - 1
    if is_concrete(ts, at):
        times, until = _numbers("ts", ts), _numbers("at", at)
        check_finite("at", until)
        if is_concrete(length):
            return jnp.asarray(float(time_after(until, times[last])))
        after = jnp.asarray((until - times).astype(float))[last]
    else:
        after = as_floats("at", at, ()) - as_samples(ts, name="ts")[last]
    return jnp.where(after >= 0, after, jnp.nan)


def _numbers(name: str, value: Any) -> np.ndarray:
    """Known times; `TypeError` for dates, of which the unit of the intervals is not known."""
    times = host_times(name, value)
    if times.dtype.kind == "M":
        raise TypeError(
            f"{name} must hold numbers; got {times.dtype}. In place of dates give, for seconds, "
            "learn.intervals(ts, at, unit=np.timedelta64(1, 's'))."
        )
    return times


def _check_unit(unit: Any, dtype: np.dtype) -> None:
    dates = dtype.kind == "M"
    if dates != isinstance(unit, np.timedelta64):
        wanted = "a timedelta64, such as np.timedelta64(1, 's')" if dates else "a number"
        raise TypeError(f"unit must be {wanted}, for ts of {dtype}; got {brief(unit)}.")
    if (not dates and not 0 < as_number("unit", unit) < np.inf) or (dates and not unit > unit - unit):
        raise ValueError(f"unit must be finite and above 0; got {brief(unit)}.")


def _counts(shape: tuple[int, ...], lengths: Any) -> np.ndarray:
    """How many observations of each row count."""
    if lengths is None:
        return np.full(shape[:-1], shape[-1])
    counts = as_array("lengths", lengths)
    if counts.shape != shape[:-1] or counts.dtype.kind not in "iu":
        raise ValueError(f"lengths must be a whole number for each row of ts, {shape[:-1]}; got {brief(lengths)}.")
    if ((counts < 1) | (counts > shape[-1])).any():
        raise ValueError(
            f"lengths must be from 1 to the number of samples, {shape[-1]}; got {counts.min()} to {counts.max()}."
        )
    return counts.astype(np.int64)
