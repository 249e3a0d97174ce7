"""`evolve`: run a network at any times, without an equation, by interpolation along its own orbit (see `interpolation`).

A smooth input is in `smooth`, a held one in `held`.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree, Real

from .._base.checks import as_band, check_count
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.types import Cell, Path, State
from .._paths.base import is_held
from .._run.clock import Clock
from .._run.kept import with_result
from .._run.trajectory import Trajectory, as_trajectory
from .held import run_held
from .interpolation import Interpolation, uniform_weights, whole_steps
from .smooth import run_smooth
from .stability import companion, roots_at_rest
from .times import Bounds, bounds_of, prepared


def evolve(
    cell: Cell,
    path: Path,
    ts: Real[ArrayLike, " n"],
    h0: PyTree[ArrayLike] | None = None,
    *,
    ahead: int = 3,
    behind: int = 3,
    band: float = 0.0,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network at any times: between its steps, at another rate, or at irregular times.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `path`: the input, one of rnn_ode's paths or any function of time. It has a sampling interval of its own. Sample k of
      a path belongs to the time (k + 1)·dt of the path: the network has read it then.
    - `ts`: (n,) increasing times, in the unit of `dt`: steps of the network, unless `dt` says otherwise.
    - `h0`: the state at ts[0]. Default: zeros, for our cells and Equinox's. `iterate` has its zero state at time 0, so a run
      from zeros starts at ts[0] = 0 to agree with it.
    - `ahead`: how many applications of the network a result is interpolated from. Default 3.
    - `behind`: how many earlier states a result is interpolated from. Default 3.
    - `band`: the frequency, in cycles per step of the network and below 0.25, up to which the interpolation is fitted to
      oscillations, such as 0.075. Default 0: polynomials.
    - `dt`: length of the network's step, in time. Default 1.
    - `save`: what to keep of each state, a function of it. Default: all of it.
    - `throw`: whether a run that fails raises.

    **Returns:** a `Trajectory` at `ts`, h0 first. At whole steps of the network it is the network. `result` is `successful`,
    `left_float_range`, `not_a_number`, `gap_too_long` or `times_not_increasing` (both of traced times only), or
    `unstable_scheme`: then the run is complete and does not raise. `stats` holds `num_steps`; `num_applications`, without
    whole steps; and `radius`, the largest modulus of the scheme's roots (see `root_condition`) at the fixed point under the
    mean input, for the mean gap: 1 or less is stable, NaN means that no fixed point was found.

    **Raises:** `ValueError` or `TypeError` for times that do not increase, counts that are not whole, a state that does not
    fit, dt ≤ 0, a band outside 0 … 0.25.

    Give many times as NumPy float64: they are split on the host, also without `jax_enable_x64`. In float32 short gaps amplify
    rounding: `ahead=4, behind=4` at an eighth of a step loses 2e-4 on an LSTM of 16 units. Fewer states behind, or float64,
    lose less.

    ```python
    >>> import jax, jax.numpy as jnp, numpy as np, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.GRUCell(1, 8, key=jax.random.key(0))
    >>> xs = jnp.sin(0.1 * jnp.arange(1.0, 101.0))[:, None]
    >>> run = ro.evolve(cell, ro.Cubic(xs), np.arange(0, 90, 0.5))  # at twice the rate
    >>> error = run.states[::2] - ro.iterate(cell, xs).states[:90]
    >>> bool(abs(error).max() < 1e-3)
    True

    ```
    """
    check_count("ahead", ahead)
    check_count("behind", behind, 0)
    rule = Interpolation(int(ahead), int(behind), as_band("band", band))
    clock, h0, dt = prepared(cell, path, ts, h0, dt, save)
    count = clock.ts.shape[0] - 1
    rows, ended = _run_between_steps(cell, path, clock, h0, rule, bounds_of(path, clock, rule), save)
    radius, stable = _roots(cell, path, clock, h0, rule) if count else (jnp.nan, np.array(True))
    stats = {"num_steps": count, "num_applications": count * ahead, "radius": radius}
    return as_trajectory(clock.ts, rows, ended, stable, throw, stats)


@compiled
def _run_between_steps(
    cell: Cell,
    path: Any,
    clock: Clock,
    h0: State,
    rule: Interpolation,
    bounds: Bounds,
    save: Callable[[Any], Any] | None,
) -> tuple[State, RESULTS]:
    """Return what is kept of the states (n, …) at the times, and how the run ended."""
    run = run_held if is_held(path) else run_smooth
    rows, within = run(cell, path, clock, h0, rule, bounds, save)
    states, result = with_result(rows, clock.increasing)
    known = within | (result == RESULTS.times_not_increasing)
    return states, RESULTS.where(known, result, RESULTS.gap_too_long)


def _roots(
    cell: Cell, path: Any, clock: Clock, h0: State, rule: Interpolation
) -> tuple[Float[Array, ""], Bool[Array | np.ndarray, ""]]:
    """Return the largest modulus of the scheme's roots at rest, for the mean gap, and whether it is stable.

    Under a held input results are interpolated from the states at the samples and not from each other, so that the gap is
    that of the samples."""
    if is_held(path):
        rule, gap = Interpolation(rule.ahead + rule.behind, 0, rule.band), path.dt / clock.dt
    else:
        gap = clock.mean_gap
    return roots_at_rest((cell, path, clock, h0), gap, Partial(_companions, rule))


def _companions(rule: Interpolation, gap: Any, multipliers: Any, xp: Any) -> Any:
    weights = uniform_weights(gap, rule, xp)
    return companion(weights, multipliers, rule.behind, whole_steps(gap, rule.ahead, xp), xp)
