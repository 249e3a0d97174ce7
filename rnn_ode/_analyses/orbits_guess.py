"""Guesses of closed orbits: where a run comes back to itself."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from .._base.checks import as_step, is_concrete
from .._systems.base import AbstractSystem, check_system
from .orbits_clock import samples_of
from .orbits_fill import run

_SAMPLES = 4096  # states of the run of a flow

_STARTS = 64  # states whose recurrence is looked for

_MOST = 256  # states of a guess for a flow

_AWAY = 0.2  # of the orbit's extent: what comes back was at least so far away

_NEAR = 1e-2  # of the extent: a return

_SHORT = 15  # returns, of which the nearest counts where there is no common one


class OrbitGuess(NamedTuple):
    """A guess for `periodic_orbit`, a pair (points, period): what `orbit_guess` returns.

    **Fields:**

    - `points` (n, N): states along the orbit, of a flow at equal distances in time.
    - `period`: of a map its number of steps, of a flow a time.
    """

    points: Float[np.ndarray, "n N"]
    period: Any


def orbit_guess(system: AbstractSystem, h0: PyTree[ArrayLike], duration: float) -> OrbitGuess:
    """A guess of a closed orbit: the part of a run that comes back nearest to where it was.

    **Arguments:**

    - `system`: a `Map`, a `Flow`, or a system of your own.
    - `h0`: the state at the start, flat (N,) or as the cell or field has it.
    - `duration`: how long to run, in time. The first half is left out, so that the state may reach its attractor, and the
      second half should be several periods long.

    **Returns:** an `OrbitGuess`, a pair (points, period) with which `periodic_orbit` can be called: the period of a map is in
    steps, and that of a flow in time. On a chaotic attractor the guess is near an unstable orbit.

    **Raises:** `ValueError` if the run leaves the float range, settles at a fixed point, or does not come back to within a
    tenth of the attractor's extent; `TypeError` for a traced system or state, since a period must be known.

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
    length = system.stepper().length
    own_step = system.time.own_step
    count = max(int(duration / length), 8) if own_step else _SAMPLES
    rows, ended = run(system, h, duration, count)
    if not bool(ended):
        raise ValueError(
            f"h0 must be a state whose run stays finite for duration = {duration:g}; this one leaves the float range, or is "
            "too stiff to follow. Give a shorter duration or another h0."
        )
    rows = np.asarray(rows, float)[count // 2 :]
    extent = float(np.max(np.linalg.norm(rows - rows.mean(axis=0), axis=1)))
    size = float(np.max(np.linalg.norm(rows, axis=1)))
    if extent <= 1e-5 * size:
        raise ValueError(
            f"the run from h0 settles at a fixed point near {np.round(rows[-1][:4], 4).tolist()}; fixed_points describes it. "
            "Start elsewhere, or change a parameter."
        )
    samples = samples_of(system)
    stride = 1 if samples is None else (samples if own_step else max(1, round(samples * length * count / duration)))
    distance, start, lag = _nearest_return(rows, extent, stride, own_step)
    if not distance <= 0.1 * extent:
        raise ValueError(
            f"the run from h0 does not come back within duration = {duration:g}: its nearest return is "
            f"{distance / extent:.2g} of the attractor's extent away. Run for longer, or give states along the orbit."
        )
    if own_step:
        first = start + (-(start + count // 2)) % stride  # where the input begins anew
        first = first if first + lag < len(rows) else start
        return OrbitGuess(rows[first : first + lag], int(lag))
    period, every = lag * duration / count, max(1, int(lag) // _MOST)
    at = start + np.arange(0, max(int(lag) // every, 4)) * (lag / max(int(lag) // every, 4))
    whole = np.floor(at).astype(int)
    part = (at - whole)[:, None]
    points = (1 - part) * rows[whole] + part * rows[np.minimum(whole + 1, len(rows) - 1)]
    return OrbitGuess(points, float(period))


def _nearest_return(rows: np.ndarray, extent: float, stride: int, own_step: bool) -> tuple[float, int, Any]:
    """Returns the distance, the start and the lag of a return of the run: the first lag at which every start comes back, or
    else, as of a chaotic run, the nearest return among short ones. The lag of a flow is where the distance is least, which is
    between two states."""
    # the states of a flow are some way apart, and the nearest one to a return is up to half of that away
    near = max(_NEAR * extent, 0 if own_step else float(np.max(np.linalg.norm(np.diff(rows, axis=0), axis=1))))
    returns = []
    for start in np.linspace(0, len(rows) // 2, _STARTS).astype(int):
        distance = np.linalg.norm(rows[start:] - rows[start], axis=1)
        lags = _lags(distance, _AWAY * extent, stride, own_step)
        steady = lags[distance[lags] <= near]
        returns.append((steady[0] if len(steady) else np.inf, int(start), distance, lags))
    firsts = np.array([first for first, *_ in returns])
    if np.all(np.isfinite(firsts)) and np.ptp(firsts) <= max(2, 0.01 * firsts.min()) * (not own_step):
        lag, start, distance, _ = returns[-1]
        return float(distance[int(lag)]), start, _between(rows, start, int(lag), own_step)
    short = [
        (float(distance[lag]), start, int(lag))
        for _, start, distance, lags in returns
        for lag in lags[: _SHORT // (1 if own_step else 5)]
    ]
    distance, start, lag = min(short, default=(np.inf, 0, 1))
    return distance, start, _between(rows, start, lag, own_step)


def _between(rows: np.ndarray, start: int, lag: int, own_step: bool) -> Any:
    """Returns the lag near a whole one at which a flow comes nearest to its start, by a parabola."""
    if own_step or not 0 < lag < len(rows) - start - 1:
        return lag
    a, b, c = (float(np.sum((rows[start + lag + k] - rows[start]) ** 2)) for k in (-1, 0, 1))
    return lag + (0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c > 0 else 0.0)


def _lags(distance: np.ndarray, away: float, stride: int, own_step: bool) -> np.ndarray:
    """Returns the lags at which a run may have come back: multiples of the input's period for a map (two steps at least); for
    a flow minima of the distance, after it has been away."""
    if own_step:
        return np.arange(max(stride, 2), len(distance), stride)
    left = int(np.argmax(distance > away))
    inner = np.arange(max(left, 1), len(distance) - 1)
    minima = inner[(distance[inner] <= distance[inner - 1]) & (distance[inner] < distance[inner + 1])]
    return minima if left else minima[:0]
