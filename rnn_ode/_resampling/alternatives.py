"""Published ways of running a trained network at another rate, to compare with `evolve` and to use where they are better.

*Delayed feedback.* A network trained with the step dt is h(t) = cell(x(t), h(t − dt)). At other times h(t − dt) lies between
results, and is interpolated from the order + 1 results around it. This costs one application of the network a result. If dt
is a whole number of gaps, the delay is exact. Source: Carson, Wright & Bilbao, "Interpolation filter design for sample
rate independent audio effect RNNs", ICASSP 2025 (arXiv 2409.15884), where the interpolation is a Lagrange filter in the
feedback loop.

There the times are uniform, and the roots of the loop tell whether it is stable. At irregular times there are no such roots,
and the interpolation at one time may amplify a thousandfold: if the time one step ago is later than all results (a gap of
more than a step), or if many results lie beside a wide gap. At irregular times nothing is therefore extrapolated, and the
moduli of the weights sum to 2 at most (`bounded`). With this, at Poisson times of mean gaps from 0.1 to 10 steps, no mode
with a multiplier of up to 1 in modulus grew more than fifteenfold in 1500 results.

*State trajectory.* One Euler step of dh/dt = (cell(x, h) − h)/dt. It is `evolve` with ahead = 1 and behind = 0, except that
the input is read at the new time. Source: Carson, Wright, Chowdhury, Välimäki & Bilbao, "Sample rate independent recurrent
neural networks for audio effects processing", DAFx 2024 (arXiv 2406.06293).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import PyTree, Real

from .._base.checks import as_band, check_count
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import after, like
from .._base.types import Cell, Path, State
from .._cells.protocol import hoisted
from .._paths.base import is_held
from .._run.clock import ROWS, Clock
from .._run.kept import keep, with_result
from .._run.trajectory import Trajectory, as_trajectory
from .interpolation import combined, lagrange
from .stability import companion, feedback_companion, roots_at_rest
from .times import prepared

_AMPLIFIED = 2.0  # Σ|w| of a window at irregular times, at most


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
    """Run a network at any times: its feedback, the state one step ago, is interpolated from earlier results.

    **Arguments:**

    - `cell`, `path`, `h0`, `band`, `dt`, `save`, `throw`: as for `evolve`.
    - `ts`: (n,) increasing times, in the unit of `dt`, which must not be traced. `h0` is the state at ts[0].
    - `order`: of the interpolation, through order + 1 results; results before ts[0] are h0. At irregular times the order is
      lower where the moduli of the weights would sum to more than 2. If the last result is older than one step, it stands
      for the state one step ago, where `evolve` would take whole steps. Default 5.

    **Returns:** a `Trajectory`, as `evolve` does; its `radius` is NaN at irregular times.

    **Raises:** as `evolve`, and `TypeError` for traced times.

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
            "ts must be known when delayed_feedback is traced; got a tracer. Make ts a NumPy array outside of what is traced."
        )
    # a held input is that of the network's step that ends at a time, and so of the interval in which this step begins
    reading = Clock.of(path, ts, dt, lead=dt) if is_held(path) else clock
    gaps, (radius, stable) = np.asarray(clock.gaps, np.float64), (jnp.nan, np.array(True))
    if clock.uniform:
        lags, nodes = windows(gaps, int(order))
        lags, weights = np.full_like(lags, lags[-1]), lagrange(nodes[-1], 0.0, band, np)
        matrices = Partial(_feedback_companions, weights, int(lags[-1]))
        radius, stable = roots_at_rest((cell, path, clock, h0), clock.mean_gap, matrices)
        weights = np.broadcast_to(weights, nodes.shape)
    else:
        lags, weights = bounded(gaps, int(order), band)
    rows, ended = _feed_back(cell, path, reading, h0, lags, weights, int(lags.max(initial=0)), save)
    count = len(gaps)
    return as_trajectory(
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

    If the input is held, x(t′) is the sample of the interval in which t lies.

    **Arguments:**

    - `cell`, `path`, `ts`, `h0`, `dt`, `save`, `throw`: as for `evolve`.

    **Returns:** a `Trajectory`, as `evolve` does; its `radius` is NaN at irregular times.

    **Raises:** as `evolve`.

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
    radius, stable = jnp.nan, np.array(True)
    if count:
        radius, stable = roots_at_rest((cell, path, clock, h0), clock.mean_gap, _euler_companions)
    return as_trajectory(
        clock.ts, rows, ended, stable, throw, {"num_steps": count, "num_applications": count, "radius": radius}
    )


_LONGEST = 10**6  # results in one step of the network


def windows(gaps: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each result the *window* of order + 1 results from which its feedback is interpolated.

    First the number of results (n,) after the window, then the window's times (n, order + 1), in steps from the time one step
    before the result. Before the first time the results are h0, at equal gaps."""
    if len(gaps) == 0:
        return np.zeros(0, int), np.zeros((0, order + 1))
    equal = np.mean(gaps)
    if not equal * _LONGEST > 1:
        raise ValueError(
            f"ts must be at least {1 / _LONGEST:g} dt apart in the mean, with a dt of their unit; got {equal:g}."
        )
    before = int(np.ceil(1 / equal)) + order + 1
    times = np.concatenate([-equal * np.arange(before, 0, -1), [0], np.cumsum(gaps)])
    new = before + 1 + np.arange(len(gaps))
    place = np.interp(times[new] - 1, times, np.arange(len(times)))
    first = np.clip(np.ceil(place - order / 2 - 0.5 - 1e-6), 0, new - 1 - order).astype(int)
    return new - 1 - order - first, times[first[:, None] + np.arange(order + 1)] - (times[new] - 1)[:, None]


def bounded(gaps: np.ndarray, order: int, band: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each result the number of results (n,) after its window, and the window's weights (n, order + 1).

    They are those of the highest order, up to `order`, that does not extrapolate and whose moduli sum to 2 at most."""
    lags, weights = np.zeros(len(gaps), int), np.zeros((len(gaps), order + 1))
    left = np.ones(len(gaps), bool)
    for lower in range(order, -1, -1):
        later, nodes = windows(gaps, lower)
        fitting = np.concatenate([lagrange(part, 0.0, band, np) for part in _in_parts(nodes)])
        within = (nodes[:, -1] > -1e-6) & (np.abs(fitting).sum(axis=1) <= _AMPLIFIED)
        taken = left & (within if lower else True)
        lags[taken], weights[taken, order - lower :] = later[taken], fitting[taken]
        left &= ~taken
    return lags, weights


def _in_parts(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, len(rows) // ROWS + 1)


@compiled
def _feed_back(
    cell: Cell,
    path: Any,
    reading: Clock,
    h0: State,
    lags: Any,
    weights: Any,
    most: int,
    save: Callable[[Any], Any] | None,
) -> tuple[State, RESULTS]:
    """Return what is kept of the states (n, …), and how the run ended; no window lies more than `most` results back."""
    drive, step = hoisted(cell)
    order = weights.shape[1] - 1
    slots = most + order + 1
    rows = jnp.asarray(lags), jnp.asarray(weights, reading.gaps.dtype)
    drives = jax.lax.map(lambda i: drive(reading.read(path, i, 0.0)), jnp.arange(1, len(lags) + 1), batch_size=ROWS)

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
    _, rows = jax.lax.scan(body, start, (drives, *rows))
    return with_result(after(keep(h0, save), rows))


@compiled
def _euler(cell: Cell, path: Any, clock: Clock, h0: State, save: Callable[[Any], Any] | None) -> tuple[State, RESULTS]:
    """Return what is kept of the states (n, …), and how the run ended."""
    drive, step = hoisted(cell)
    gaps = jnp.asarray(clock.gaps)
    rows = jnp.arange(gaps.shape[0]), gaps
    drives = jax.lax.map(lambda row: drive(clock.read(path, row[0], row[1] * clock.dt)), rows, batch_size=ROWS)

    def body(h, row):
        u, gap = row
        new = combined(jnp.stack([1 - gap, gap]), [h, like(h, step(u, h))])
        return new, keep(new, save)

    _, rows = jax.lax.scan(body, h0, (drives, gaps))
    return with_result(after(keep(h0, save), rows), clock.increasing)


def _feedback_companions(weights: Any, lag: int, gap: Any, multipliers: Any, xp: Any) -> Any:
    return feedback_companion(weights, multipliers, lag, xp)


def _euler_companions(gap: Any, multipliers: Any, xp: Any) -> Any:
    return companion(xp.stack([1 - gap, gap]), multipliers, 0, xp=xp)
