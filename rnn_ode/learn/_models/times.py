"""Times of observations: their differences, and whether they increase.

Differences of large numbers lose digits. A float32 of a time in Unix seconds is off by up to a minute, and JAX makes float32
of every array unless `jax_enable_x64` is set. So times that are known while Python runs are subtracted on the host, before
JAX sees them: numbers in float64, integers and dates exactly.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..._base.checks import as_array, is_concrete


def host_times(name: str, value: Any) -> np.ndarray:
    """Known times as int64, float64 or datetime64 on the host, without a look at their order."""
    if not is_concrete(value):
        raise TypeError(f"{name} must be known while Python runs, outside jit and vmap; got {value}.")
    array = as_array(name, value)
    if array.dtype.kind == "M":
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if not jnp.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{name} must hold real numbers or datetime64; got dtype {array.dtype}.")
    return array.astype(np.float64)


def differences(times: np.ndarray) -> np.ndarray:
    """The time since the one before, along the last axis; 0 for the first."""
    return np.diff(times, axis=-1, prepend=times[..., :1])


def check_increasing(name: str, times: np.ndarray, counted: np.ndarray, came: Any = None) -> None:
    """`ValueError` if the times (…, T) that are `counted` are not finite or do not increase.

    `came` is the dtype in which the user gave them: differences that it does not resolve are refused too.
    """
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


def time_after(until: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The time from the last observations to the times asked for; `ValueError` if one is before its last observation."""
    after = until - end
    bad = ~(after >= np.zeros((), after.dtype))
    if bad.any():
        where = _first(bad)
        raise ValueError(
            f"at must not be before the last observation's time in ts, {_digits(end[where])}; got {_digits(until[where])}."
        )
    return after


def traced_gaps(ts: Array) -> Array:
    """The time since the one before, of traced times; NaN where it is not positive or their type does not resolve it."""
    if not jnp.issubdtype(ts.dtype, jnp.floating):
        gaps = jnp.diff(ts.astype(int)).astype(jnp.result_type(float))
        least = jnp.zeros_like(gaps)
    else:
        gaps = jnp.diff(ts)
        least = _least_gap(jnp, ts[1:], ts[:-1], ts.dtype)
    return jnp.concatenate([jnp.zeros(1, gaps.dtype), jnp.where(gaps > least, gaps, jnp.nan)])


def _least_gap(xp: Any, times: Any, before: Any, dtype: Any) -> Any:
    """The shortest interval that times of this type give to a quarter of itself: 4 of their rounding errors."""
    return 4 * float(jnp.finfo(dtype).eps) * xp.maximum(abs(times), abs(before))


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])


def _digits(time: Any) -> str:
    """A time with all of its digits."""
    return str(time) if isinstance(time, np.datetime64) else repr(time.item())
