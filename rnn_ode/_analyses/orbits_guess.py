"""Guesses of closed orbits: where a run comes back to itself."""

from math import ceil
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from .._base.checks import as_step, is_concrete
from .._systems.base import AbstractSystem, check_system
from .orbits_clock import check_period, is_driven, samples_of
from .orbits_fill import run

_SAMPLES = 4096  # states of the run of a flow

_STARTS = 64  # states whose recurrence is looked for

_MOST = 256  # states of a guess for a flow

_IN_PERIOD = 16  # states at least, in a period of the input

_SHRINKS = 0.9  # of the range of the quarter before: a run in steady motion does not shrink so much

_AWAY = 0.2  # of the orbit's extent: what comes back was at least so far away

_NEAR = 1e-2  # of the extent: a return

_SHORT = 15  # returns, of which the nearest counts where there is no common one


class OrbitGuess(NamedTuple):
    """A guess for `periodic_orbit`, a pair (points, period): what `orbit_guess` returns.

    **Fields:**

    - `points` (n, N): states along the orbit, of a flow at equal distances in time.
    - `period`: of a map its number of steps, of a flow a time.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> points, period = ro.orbit_guess(ro.Map(lambda x, h: -jnp.tanh(2 * h)), jnp.array([0.5]), 100.0)
    >>> points.shape, period
    ((2, 1), 2)

    ```
    """

    points: Float[np.ndarray, "n N"]
    period: Any


def orbit_guess(
    system: AbstractSystem, h0: PyTree[ArrayLike], duration: float, *, period: float | None = None
) -> OrbitGuess:
    """A guess of a closed orbit: the part of a run that comes back nearest to where it was.

    **Arguments:**

    - `system`: a `Map`, a `Flow`, or a system of your own.
    - `h0`: the state at the start, flat (N,) or as the cell or field has it.
    - `duration`: how long to run, in time. The first half is left out, so that the state may reach its attractor, and the
      second half should be several periods long. Under an input that changes with time it is rounded up to whole periods of
      the input.
    - `period`: of an input or a field that is a function of time, its period, in time. Samples are one period of their input,
      and need none.

    **Returns:** an `OrbitGuess`, a pair (points, period) with which `periodic_orbit` can be called: the period of a map is in
    steps, and that of a flow in time. Under an input that changes with time it is a whole multiple of the input's, and the
    points begin where the input does. On a chaotic attractor the guess is near an unstable orbit.

    **Raises:** `ValueError` if the run leaves the float range, settles at a fixed point, still shrinks, or does not come back
    to within a tenth of the attractor's extent; for an input that is a function of time without its `period`, and for a
    `period` that is not the input's; `TypeError` for a traced system or state, since a period must be known.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ring = ro.Flow(lambda t, h, path: h * (1 - h @ h) + jnp.stack([-h[1], h[0]]))
    >>> guess = ro.orbit_guess(ring, jnp.array([0.1, 0.0]), 60.0)
    >>> round(guess.period, 2), bool(ro.periodic_orbit(ring, *guess).converged)
    (6.28, True)

    ```
    """
    check_system("system", system)
    h = system.as_point("h0", h0)
    duration = as_step("duration", duration)
    if not is_concrete(system, h):
        raise TypeError(
            "orbit_guess reads a run on the host, so system and h0 must not be traced. Call it outside jit."
        )
    again, duration, count = _sampling(system, h, duration, period)
    rows, ended = run(system, h, duration, count)
    if not bool(ended):
        raise ValueError(
            f"h0 must be a state whose run stays finite for duration = {duration:g}; this one leaves the float range, or is "
            "too stiff to follow. Give a shorter duration or another h0."
        )
    rows = np.asarray(rows, float)
    size, rows = float(np.max(np.linalg.norm(rows, axis=1))), rows[count // 2 :]
    extent = float(np.max(np.linalg.norm(rows - rows.mean(axis=0), axis=1)))
    if extent <= 1e-5 * size:
        raise ValueError(
            f"the run from h0 settles at a fixed point near {np.round(rows[-1][:4], 4).tolist()}; fixed_points describes it. "
            "Start elsewhere, or change a parameter."
        )
    distance, start, lag = _nearest_return(rows, extent, again)
    if not distance <= 0.1 * extent:
        raise ValueError(
            f"the run from h0 never comes back near an earlier state within duration = {duration:g}. Run for longer, or give "
            "states along the orbit."
        )
    if lag <= len(rows) // 2:
        _check_lasts(rows)
    if again:
        first = start + (-(start + count // 2)) % again  # where the input begins anew
        start = first if first + lag < len(rows) else start
    if system.time.own_step:
        return OrbitGuess(rows[start : start + lag], int(lag))
    parts = max(int(lag) // max(1, int(lag) // _MOST), 4)
    at = start + np.arange(parts) * (lag / parts)
    whole = np.floor(at).astype(int)
    part = (at - whole)[:, None]
    points = (1 - part) * rows[whole] + part * rows[np.minimum(whole + 1, len(rows) - 1)]
    return OrbitGuess(points, float(lag * duration / count))


def _sampling(system: AbstractSystem, h: Any, duration: float, period: float | None) -> tuple[int, float, int]:
    """Returns after how many states the input begins anew (1 for a map without, 0 for a flow without one), the duration in
    whole periods of the input, and the number of states of the run."""
    length, samples = system.stepper().length, samples_of(system)
    own_step, driven = system.time.own_step, is_driven(system, h)
    if period is not None and (samples is not None or not driven):
        raise ValueError(
            "period is that of an input which is a function of time, and this system's is not: leave it out. Samples are one "
            "period of their input, and without an input that changes the run shows the period."
        )
    if own_step:
        return samples or 1, duration, max(int(duration / length), 8)
    if not driven:
        return 0, duration, _SAMPLES
    if samples is None and period is None:
        raise ValueError(
            "the input is a function of time, so its period must be given: orbit_guess(system, h0, duration, period=…), or "
            "periodic_orbit(system, h, period)."
        )
    one = as_step("period", period) if samples is None else samples * length
    check_period(system, h, one)
    turns = max(1, ceil(duration / one - 1e-9))
    again = max(_IN_PERIOD, _SAMPLES // turns)
    return again, turns * one, turns * again


def _check_lasts(rows: np.ndarray) -> None:
    """Raises `ValueError` where every coordinate of a run of several periods moves over less and less."""
    half = len(rows) // 2  # samples may miss the peak of a coordinate, but hardly that of each
    before, last = np.ptp(rows[:half], axis=0), np.ptp(rows[half:], axis=0)
    if np.all(last <= _SHRINKS * before):
        raise ValueError(
            f"the run from h0 still shrinks: its last quarter covers {np.max(last) / np.max(before):.2g} of the range of the "
            "quarter before. It decays towards a fixed point or a smaller orbit. Run for longer."
        )


def _nearest_return(rows: np.ndarray, extent: float, again: int) -> tuple[float, int, Any]:
    """Returns the distance, the start and the lag of a return of the run: the first lag at which every start comes back, or
    else, as of a chaotic run, the nearest return among short ones. The lag is a multiple of `again`; if that is 0, of a flow
    without an input that changes, it is where the distance is least, which is between two states."""
    # the states of a flow are some way apart, and the nearest one to a return is up to half of that away
    near = max(_NEAR * extent, 0 if again else float(np.max(np.linalg.norm(np.diff(rows, axis=0), axis=1))))
    returns = []
    for start in np.linspace(0, len(rows) // 2, _STARTS).astype(int):
        distance = np.linalg.norm(rows[start:] - rows[start], axis=1)
        lags = _lags(distance, _AWAY * extent, again)
        steady = lags[distance[lags] <= near]
        returns.append((steady[0] if len(steady) else np.inf, int(start), distance, lags))
    firsts = np.array([first for first, *_ in returns])
    if np.all(np.isfinite(firsts)) and np.ptp(firsts) <= max(2, 0.01 * firsts.min()) * (not again):
        lag, start, distance, _ = returns[-1]
        return float(distance[int(lag)]), start, _between(rows, start, int(lag), again)
    short = [
        (float(distance[lag]), start, int(lag))
        for _, start, distance, lags in returns
        for lag in lags[: _SHORT // (1 if again else 5)]
    ]
    distance, start, lag = min(short, default=(np.inf, 0, 1))
    return distance, start, _between(rows, start, lag, again)


def _between(rows: np.ndarray, start: int, lag: int, again: int) -> Any:
    """Returns the lag near a whole one at which a flow comes nearest to its start, by a parabola."""
    if again or not 0 < lag < len(rows) - start - 1:
        return lag
    a, b, c = (float(np.sum((rows[start + lag + k] - rows[start]) ** 2)) for k in (-1, 0, 1))
    return lag + (0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c > 0 else 0.0)


def _lags(distance: np.ndarray, away: float, again: int) -> np.ndarray:
    """Returns the lags at which a run may have come back: multiples of `again` (two states at least), or else minima of the
    distance, after it has been away."""
    if again:
        return np.arange(max(again, 2), len(distance), again)
    left = int(np.argmax(distance > away))
    inner = np.arange(max(left, 1), len(distance) - 1)
    minima = inner[(distance[inner] <= distance[inner - 1]) & (distance[inner] < distance[inner + 1])]
    return minima if left else minima[:0]
