"""`fitted_feedback`: a network at another rate without latency, by a feedback whose weights are fitted to the network.

A network is h(t) = cell(x(t), h(t − dt)). At other times h(t − dt) lies between results (or, at a lower rate, after the last
one) and is predicted from them: Σ_j p_j h(t − j·gap), j = 1, 2, … The network is applied to it. One more application corrects
the result: with it h(t − dt) lies among known states, and is Σ_j c_j h(t − j·gap), j = 0, 1, …, with the first result as
h(t). Only the input at t is read, so that a result waits for nothing.

The published filters are Lagrange's or minimax, of order 1 to 5 (see `alternatives`). Here the weights minimise

    max_λ ∫ P(ω) |λ/(1 − λe^{−iω})|² |Σ_j w_j e^{−iωj·gap} − e^{−iω}|² dω + μ Σ_j w_j²

over the spectrum P of the network's states, weighted as an error there grows in its worst mode λ. A larger μ makes the
feedback smaller at high frequencies and the scheme more stable. The sum of the weights is 1, so that a state at rest stays
there. Among several μ and lengths the best one that satisfies the root condition is taken (`fitted_weights`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import PyTree, Real

from .._base.checks import as_number, brief
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import after, like
from .._base.types import Cell, Path, State
from .._cells.protocol import hoisted
from .._paths.base import is_held
from .._run.clock import ROWS, Clock
from .._run.kept import keep, with_result
from .._run.trajectory import Trajectory, as_trajectory
from .interpolation import combined
from .stability import roots_at_rest
from .times import prepared

Weights = tuple[float, ...]


def fitted_feedback(
    cell: Cell,
    path: Path,
    ts: Real[ArrayLike, " n"],
    h0: PyTree[ArrayLike] | None = None,
    *,
    predict: Sequence[float] | Real[ArrayLike, " K"],
    correct: Sequence[float] | Real[ArrayLike, " P"] = (),
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network at another rate without latency: its feedback is a sum of earlier results with given weights.

    `recommend` fits the weights to a network and a ratio of rates. Its schemes hold them:
    `recommend(cell, xs, ratio, latency=0).best.run(cell, path, ts)`.

    **Arguments:**

    - `cell`, `path`, `h0`, `dt`, `save`, `throw`: as for `evolve`. The path must not be held.
    - `ts`: (n,) increasing times at equal distances, in the unit of `dt`, which must not be traced. `h0` is the state at
      ts[0], and before it.
    - `predict`: (K,) weights of the results one, two, … gaps ago in the state one step of the network ago.
    - `correct`: (P,) weights, in the same state, of a first result at the time itself and of the results one, two, … gaps
      ago. The network is then applied twice. Default: none, and the network is applied once.

    **Returns:** a `Trajectory`, as `evolve` does; its `radius` is NaN for one time.

    **Raises:** as `evolve`; `ValueError` for times that are not at equal distances, for a held path, for weights that are
    not finite or do not sum to 1.

    ```python
    >>> import jax.numpy as jnp, numpy as np, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.9]], [[0.1]], [0.0], jnp.tanh)
    >>> path = ro.BandLimited(jnp.sin(0.1 * jnp.arange(1.0, 51.0))[:, None])
    >>> twice = ro.fitted_feedback(cell, path, np.arange(0, 40, 0.5), predict=[0.0, 1.0]).states
    >>> bool(abs(twice[::2] - ro.iterate(cell, path.xs).states[:40]).max() < 1e-6)
    True

    ```
    """
    predict, correct = as_weights("predict", predict), as_weights("correct", correct, 0)
    clock, h0, dt = prepared(cell, path, ts, h0, dt, save)
    if is_held(path):
        raise ValueError(
            f"path must be a smooth input for fitted_feedback; got {type(path).__name__}. Use delayed_feedback."
        )
    count = clock.gaps.shape[0]
    if not clock.known or (count and not clock.uniform):
        raise ValueError(
            "ts must be known, and at equal distances, for fitted_feedback, whose weights belong to one distance. Use evolve "
            "for other times."
        )
    rows, ended = _feed_back(cell, path, clock, h0, jnp.asarray(predict), jnp.asarray(correct), save)
    radius, stable = jnp.nan, np.array(True)
    if count:
        radius, stable = roots_at_rest((cell, path, clock, h0), clock.mean_gap, Partial(_roots, predict, correct))
    applications = count * (2 if correct else 1)
    stats = {"num_steps": count, "num_applications": applications, "radius": radius}
    return as_trajectory(clock.ts, rows, ended, stable, throw, stats)


def as_weights(name: str, weights: Any, least: int = 1) -> Weights:
    """Return weights as numbers; `ValueError` if there are fewer than `least`, or if they do not sum to 1."""
    if not hasattr(weights, "__iter__") or isinstance(weights, str | bytes | dict):
        raise TypeError(f"{name} must be a list of weights; got {brief(weights)}.")
    found = tuple(as_number(f"{name}[{i}]", weight) for i, weight in enumerate(weights))
    if len(found) < least:
        raise ValueError(f"{name} must hold at least {least} weight; got none.")
    if found and not abs(sum(found) - 1) < 1e-4:
        raise ValueError(f"{name} must hold finite weights whose sum is 1; their sum is {sum(found)}.")
    return found


@compiled
def _feed_back(
    cell: Cell, path: Any, clock: Clock, h0: State, predict: Any, correct: Any, save: Callable[[Any], Any] | None
) -> tuple[State, RESULTS]:
    """Return what is kept of the states (n, …), and how the run ended."""
    drive, step = hoisted(cell)
    drives = jax.lax.map(lambda i: drive(clock.read(path, i, 0.0)), jnp.arange(1, clock.ts.shape[0]), batch_size=ROWS)

    def body(results: list[State], u: Any) -> tuple[list[State], Any]:  # the newest result first
        new = fed_back(step, results, u, predict, correct)
        return [new, *results[:-1]], keep(new, save)

    _, rows = jax.lax.scan(body, [h0] * slots_of(predict, correct), drives)
    return with_result(after(keep(h0, save), rows))


def slots_of(predict: Any, correct: Any) -> int:
    """Return how many earlier results the next one needs."""
    return max(len(predict), len(correct) - 1)


def fed_back(step: Callable[[Any, State], State], results: list[State], u: Any, predict: Any, correct: Any) -> State:
    """Return the next result from the earlier ones, the newest first."""
    new = like(results[0], step(u, combined(predict, results[: len(predict)])))
    if len(correct):
        new = like(new, step(u, combined(correct, [new, *results[: len(correct) - 1]])))
    return new


def companions(predict: Any, correct: Any, multipliers: Any, xp: Any = jnp) -> Any:
    """Return the companion matrices (N, K, K), newest result first, one for each of the `multipliers` (N,)."""
    size = slots_of(predict, correct)
    z = multipliers[:, None]

    def padded(weights: Any) -> Any:
        return xp.concatenate([xp.asarray(weights), xp.zeros(size - len(weights))])[None]

    row = z * padded(predict)
    if len(correct):
        row = z * (correct[0] * row + padded(correct[1:]))
    shift = xp.broadcast_to(xp.eye(size, dtype=row.dtype)[:-1], (len(multipliers), size - 1, size))
    return xp.concatenate([row[:, None], shift], axis=1)


def _roots(predict: Weights, correct: Weights, gap: Any, multipliers: Any, xp: Any) -> Any:
    return companions(predict, correct, multipliers, xp)


LENGTHS = 6, 8, 12  # of the weights that are tried
FLOORS = 10.0 ** np.arange(-13, -4)  # μ, those that are tried


def fitted_weights(nodes: np.ndarray, gap: float, frequencies: np.ndarray, power: np.ndarray, floor: float) -> Weights:
    """Return the weights of the results `nodes`·gap ago in the state one step ago.

    `power`, at `frequencies` in radians per step, is already weighted by the worst mode. The equations are those of least
    squares with a multiplier for the sum."""
    waves = np.exp(-1j * gap * np.outer(frequencies, nodes))
    share = power / np.sum(power)
    normal = (waves.conj().T @ (share[:, None] * waves)).real + floor * np.eye(len(nodes))
    right = (waves.conj().T @ (share * np.exp(-1j * frequencies))).real
    ones = np.ones((len(nodes), 1))
    system = np.block([[normal, ones], [ones.T, np.zeros((1, 1))]])
    return tuple(np.linalg.solve(system, np.append(right, 1))[:-1].tolist())


def fits(
    gap: float, multipliers: np.ndarray, frequencies: np.ndarray, power: np.ndarray
) -> Iterator[tuple[Weights, Weights]]:
    """Yield the pairs of weights (predict, correct) among which the best is looked for, without and with a correction."""
    growth = np.max(np.abs(multipliers[:, None] / (1 - multipliers[:, None] * np.exp(-1j * frequencies))) ** 2, axis=0)
    weighted = power * growth
    for length in LENGTHS:
        for floor in FLOORS:
            predict = fitted_weights(np.arange(1, length + 1), gap, frequencies, weighted, floor)
            yield predict, ()
            for correcting in FLOORS[::2]:
                yield predict, fitted_weights(np.arange(length), gap, frequencies, weighted, correcting)


def expected_errors(
    predict: Weights, correct: Weights, gap: float, multipliers: np.ndarray, frequencies: np.ndarray
) -> np.ndarray:
    """Return the squared relative error (N, F) of each mode's response at each frequency, in radians per step."""
    row = companions(predict, correct, multipliers, np)[:, 0]
    fed_back = row @ np.exp(-1j * gap * np.outer(np.arange(1, row.shape[1] + 1), frequencies))
    driven = 1 + (multipliers * correct[0] if correct else 0)
    ours = np.broadcast_to(driven, multipliers.shape)[:, None] / (1 - fed_back)
    return np.abs(ours * (1 - multipliers[:, None] * np.exp(-1j * frequencies)) - 1) ** 2
