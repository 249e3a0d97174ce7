"""The known ways of running a trained network at another rate, to compare with `evolve` and to use where they are better.

*Delayed feedback.* A network trained with the step dt is h(t) = cell(x(t), h(t − dt)); at other times h(t − dt) lies
between results, and is interpolated from the order + 1 of them around it: one application of the network a result. Where
dt is a whole number of gaps the delay is exact. Source: Carson, Wright & Bilbao, "Resampling filter design for multirate
neural audio effect processing", ICASSP 2025 (arXiv 2409.15884), where it is a Lagrange filter in the feedback loop.

*State trajectory.* One Euler step of dh/dt = (cell(x, h) − h)/dt: the same scheme as `evolve` with ahead = 1 and behind =
0, but that the input is read at the new time. Source: Carson, Chowdhury, Wright & Bilbao, "Sample rate independent
recurrent neural networks for audio effects processing", DAFx 2024 (arXiv 2406.06293).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PyTree, Real

from ._cells import hoisted
from ._clock import ROWS, Clock, prepared
from ._errors import as_band, check_count
from ._orbit import combined, lagrange
from ._roots import TOLERANCE, beyond, companion, feedback_companion, radii_of, resting_multipliers
from ._runs import after, conclude, finished, keep, like
from ._types import Cell, Path, Trajectory, frozen


def delayed_feedback(
    cell: Cell,
    path: Path,
    ts: Real[ArrayLike, " n"],
    h0: PyTree[ArrayLike] | None = None,
    *,
    order: int = 5,
    band: float = 0.0,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network at any times with its feedback delayed by its own step, through an interpolation of some order.

    **Arguments:** as for `evolve`, but `order` of the interpolation, through order + 1 results; before ts[0] they are h0.
    The times must be known when traced by `jit`. **Returns:** a `Trajectory`, as `evolve` does. **Raises:** as `evolve`,
    and `TypeError` for traced times.

    ```python
    >>> import jax.numpy as jnp, numpy as np, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.9]], [[0.1]], [0.0], jnp.tanh)
    >>> path = ro.Cubic(jnp.sin(0.1 * jnp.arange(1.0, 51.0))[:, None])
    >>> twice = ro.delayed_feedback(cell, path, np.arange(0, 40, 0.5)).states
    >>> bool(abs(twice[::2] - ro.iterate(cell, path.xs).states[:40]).max() < 1e-6)
    True

    ```
    """
    check_count("order", order, 0)
    band = as_band("band", band)
    clock, h0, dt = prepared(cell, path, ts, h0, dt, save)
    if not clock.known:
        raise TypeError(
            "ts must be known when delayed_feedback is traced, as a NumPy array from outside; got a tracer."
        )
    reading = Clock.of(path, np.asarray(ts, np.float64) - dt, dt)
    lags, nodes = windows(np.asarray(clock.gaps, np.float64), int(order))
    slots = int(lags.max(initial=0)) + order + 1
    rows, ended = _feed_back(cell, path, reading, h0, (lags, nodes), slots, band, save)
    radius, stable = jnp.nan, jnp.array(True)
    if clock.uniform:
        radius, stable = _feedback_roots(frozen((cell, path, clock, h0)), nodes[-1], int(lags[-1]), band)
    count = len(clock.gaps)
    return finished(
        clock.ts, rows, ended, stable, throw, {"num_steps": count, "num_applications": count, "radius": radius}
    )


def state_trajectory(
    cell: Cell,
    path: Path,
    ts: Real[ArrayLike, " n"],
    h0: PyTree[ArrayLike] | None = None,
    *,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network at any times by Euler's rule, h(t′) = h(t) + (t′ − t)/dt · (cell(x(t′), h(t)) − h(t)).

    **Arguments**, **returns**, **raises:** as for `evolve`. A held input is the one of the interval that t is in.

    ```python
    >>> import jax.numpy as jnp, numpy as np, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> ro.state_trajectory(cell, ro.Hold(jnp.ones((4, 1))), np.array([0.0, 0.5, 1.0])).states[:, 0].tolist()
    [0.0, 0.5, 0.875]

    ```
    """
    clock, h0, dt = prepared(cell, path, ts, h0, dt, save)
    rows, ended = _euler(cell, path, clock, h0, save)
    count = clock.gaps.shape[0]
    radius, stable = _euler_roots(frozen((cell, path, clock, h0))) if count else (jnp.nan, jnp.array(True))
    return finished(
        clock.ts, rows, ended, stable, throw, {"num_steps": count, "num_applications": count, "radius": radius}
    )


def windows(gaps: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """For every result, how many results there are after the window that its feedback is interpolated from, and the times of
    that window's order + 1, in steps from one step before the result. Before the first time results are h0, at equal gaps."""
    if len(gaps) == 0:
        return np.zeros(0, int), np.zeros((0, order + 1))
    before = int(np.ceil(1 / gaps[0])) + order + 1
    times = np.concatenate([-gaps[0] * np.arange(before, 0, -1), [0], np.cumsum(gaps)])
    new = before + 1 + np.arange(len(gaps))
    place = np.interp(times[new] - 1, times, np.arange(len(times)))
    first = np.clip(np.ceil(place - order / 2 - 0.5 - 1e-6), 0, new - 1 - order).astype(int)
    return new - 1 - order - first, times[first[:, None] + np.arange(order + 1)] - (times[new] - 1)[:, None]


@eqx.filter_jit
def _feed_back(cell, path, reading: Clock, h0, windows, slots: int, band: float, save):
    drive, step = hoisted(cell)
    lags, nodes = (jnp.asarray(leaf, int if leaf.ndim == 1 else reading.gaps.dtype) for leaf in windows)
    order = nodes.shape[1] - 1
    weights = jax.vmap(lambda row: lagrange(row, jnp.zeros((), row.dtype), band))(nodes)
    drives = jax.lax.map(
        lambda i: drive(reading.read(path, i, reading.dt)), jnp.arange(1, len(lags) + 1), batch_size=ROWS
    )

    def body(results, row):
        u, lag, weights = row
        begin = slots - 1 - order - lag
        window = [
            jax.tree.map(lambda leaf, k=k: jax.lax.dynamic_index_in_dim(leaf, begin + k, keepdims=False), results)
            for k in range(order + 1)
        ]
        h = combined(weights, window)
        new = like(h, step(u, h))
        results = jax.tree.map(lambda leaf, last: jnp.concatenate([leaf[1:], last[None]]), results, new)
        return results, keep(new, save)

    start = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (slots, *leaf.shape)), h0)
    _, rows = jax.lax.scan(body, start, (drives, lags, weights))
    return conclude(after(keep(h0, save), rows))


@eqx.filter_jit
def _euler(cell, path, clock: Clock, h0, save):
    drive, step = hoisted(cell)
    gaps = jnp.asarray(clock.gaps)
    index = jnp.arange(gaps.shape[0])
    drives = jax.lax.map(lambda i: drive(clock.read(path, i, gaps[i] * clock.dt)), index, batch_size=ROWS)

    def body(h, row):
        u, gap = row
        new = combined(jnp.stack([1 - gap, gap]), [h, like(h, step(u, h))])
        return new, keep(new, save)

    _, rows = jax.lax.scan(body, h0, (drives, gaps))
    return conclude(after(keep(h0, save), rows))


@eqx.filter_jit
def _feedback_roots(run, nodes, lag: int, band: float):
    cell, path, clock, h0 = run
    nodes = jnp.asarray(nodes, clock.gaps.dtype)
    weights = lagrange(nodes, jnp.zeros((), nodes.dtype), band)
    multipliers = resting_multipliers(cell, clock.mean_input(path), h0)
    return _judged(radii_of(feedback_companion(weights, multipliers, lag)), multipliers, clock)


@eqx.filter_jit
def _euler_roots(run):
    cell, path, clock, h0 = run
    gap = jnp.mean(jnp.asarray(clock.gaps))
    multipliers = resting_multipliers(cell, clock.mean_input(path), h0)
    return _judged(radii_of(companion(jnp.stack([1 - gap, gap]), multipliers, 0)), multipliers, clock)


def _judged(radii, multipliers, clock: Clock):
    return jnp.max(radii), ~(beyond(radii, multipliers, jnp.mean(jnp.asarray(clock.gaps))) > TOLERANCE)
