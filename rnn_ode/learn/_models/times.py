"""Times of observations as what a network needs of them: the intervals in between.

Intervals are differences of large numbers. A float32 of a time in Unix seconds is off by up to a minute, and JAX makes
float32 of every array unless `jax_enable_x64` is set; so times that are known while Python runs are differenced on the host,
in float64 (integers and dates exactly), before JAX sees them.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._base.checks import as_number, is_concrete


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


def host_times(name: str, value: Any) -> np.ndarray:
    """Known times as int64, float64 or datetime64 on the host, not looked at."""
    if not is_concrete(value):
        raise TypeError(f"{name} must be known while Python runs, outside jit and vmap; got {value}.")
    array = np.asarray(value)
    if array.dtype.kind == "M":
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if not jnp.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{name} must hold real numbers or datetime64; got dtype {array.dtype}.")
    return array.astype(np.float64)


def differences(times: np.ndarray) -> np.ndarray:
    """From each time to the next along the last axis, 0 at the first."""
    return np.diff(times, axis=-1, prepend=times[..., :1])


def check_increasing(name: str, times: np.ndarray, counted: np.ndarray, came: Any = None) -> None:
    """`ValueError` where times (…, T) that are `counted` are not finite or do not increase; `came` is their first dtype."""
    missing = counted & ~(np.isfinite(times) if times.dtype.kind != "M" else ~np.isnat(times))
    if missing.any():
        where = _first(missing)
        raise ValueError(f"{name} must be finite; {name}{list(where)} = {_digits(times[where])}.")
    steps = differences(times)
    before = np.concatenate([times[..., :1], times[..., :-1]], axis=-1)
    later = np.arange(times.shape[-1]) > 0
    if came is not None and jnp.issubdtype(came, jnp.floating) and jnp.finfo(came).bits < 64:
        unresolved = counted & later & (np.abs(steps) <= _least_gap(np, times, before, came))
        if unresolved.any():
            where = _first(unresolved)
            raise ValueError(
                f"{name} came as {came}, which does not resolve the interval from {_digits(before[where])} to "
                f"{_digits(times[where])}. Give NumPy float64 times, or times from a nearer origin."
            )
    stuck = counted & later & ~(steps > np.zeros((), steps.dtype))
    if stuck.any():
        where = _first(stuck)
        kind = "a duplicate" if times[where] == before[where] else "out of order"
        index = list(where)
        raise ValueError(
            f"{name} must increase strictly; {name}{[*index[:-1], index[-1] - 1]} = {_digits(before[where])} and "
            f"{name}{index} = {_digits(times[where])} are {kind}."
        )


def _least_gap(xp: Any, times, before, dtype) -> Any:
    """The shortest interval that times of this type tell to a quarter: 4 of their roundings."""
    return 4 * float(jnp.finfo(dtype).eps) * xp.maximum(abs(times), abs(before))


def time_after(until: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From the last observations to the times asked for, or `ValueError` where there is less than none."""
    after = until - end
    bad = ~(after >= np.zeros((), after.dtype))
    if bad.any():
        where = _first(bad)
        raise ValueError(
            f"at must not be before the last observation's time, {_digits(end[where])}; got {_digits(until[where])}."
        )
    return after


def traced_gaps(ts: Array) -> Array:
    """The same under a transformation, NaN where the times' own type does not resolve a gap."""
    if not jnp.issubdtype(ts.dtype, jnp.floating):
        gaps = jnp.diff(ts.astype(int)).astype(jnp.result_type(float))
        least = jnp.zeros_like(gaps)
    else:
        gaps = jnp.diff(ts)
        least = _least_gap(jnp, ts[1:], ts[:-1], ts.dtype)
    return jnp.concatenate([jnp.zeros(1, gaps.dtype), jnp.where(gaps > least, gaps, jnp.nan)])


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


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])


def _digits(time: Any) -> str:
    """A time with all of its digits."""
    return str(time) if isinstance(time, np.datetime64) else repr(time.item())
