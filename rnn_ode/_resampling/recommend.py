"""`recommend`: rank the ways of running one network at another rate.

Every scheme is first judged without running it (see `candidates`). The few with the smallest expected error are then run on
the given samples. Their results are compared with the network's own run, which is read between its steps by a windowed sinc
of 128 taps.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree, Real

from .._base.callables import check_cell
from .._base.checks import as_number, check_count
from .._base.shown import Shown
from .._base.states import flat_rows, promote
from .._base.text import MISSING, Column, Table, plain
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state, output_of
from .._paths.interpolated import BandLimited
from .._run.clock import ROWS
from .._run.iterate import check_inputs, iterate
from .._run.trajectory import Trajectory
from .alternatives import delayed_feedback, state_trajectory
from .candidates import Scheme, candidates, distinct, known_of, middle_of
from .evolve import evolve
from .interpolation import whole_steps
from .stability import multipliers_at_rest

KINDS = (evolve, delayed_feedback, state_trajectory)

TRIED = 6  # of each kind

LONGEST = 16_384  # samples of a trial

WORTH = 0.4  # a scheme with twice the applications must be better by this many dB


class Recommendation(Shown, eqx.Module):
    """What `recommend` found. A scheme is called as `evolve` is: `best.run(cell, path, ts)`.

    **Fields:**

    - `schemes`: all schemes, the best first.
    - `best`: the one that is recommended.
    - `ratio`: the new rate over the old one.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.8]], [[0.2]], [0.0], jnp.tanh)
    >>> xs = jnp.sin(0.1 * jnp.arange(400.0))[:, None]
    >>> found = ro.recommend(cell, xs, 2, budget=1)
    >>> finer = found.best.run(cell, ro.BandLimited(xs), jnp.arange(1.0, 9.0, 0.5))
    >>> found.best.applications, finer.states.shape
    (1, (16, 1))

    ```
    """

    schemes: tuple[Scheme, ...]
    best: Scheme
    ratio: float

    def plot(self):
        """The schemes that were tried, by their error. A matplotlib figure (needs the `app` extra)."""
        from ..plot import recommendation

        return recommendation(self)

    def _tables(self) -> tuple[Table, ...]:
        title = f"Ways of running the network at {self.ratio:g} times its rate: {self.best.label} is recommended."
        return (dataclasses.replace(_table(self.schemes, self.best), title=title),)

    def _data(self) -> dict[str, Any]:
        names = ("label", "applications", "states", "radius", "stable", "fit", "snr")
        schemes = [{name: getattr(scheme, name) for name in names} for scheme in self.schemes]
        return plain({"ratio": self.ratio, "best": self.best.label, "schemes": schemes}, infinities=True)


def recommend(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    ratio: float | int,
    h0: PyTree[ArrayLike] | None = None,
    *,
    budget: int = 4,
    output: Callable[[Any], Any] | None = None,
) -> Recommendation:
    """Find the best way of running a network at `ratio` times the rate at which it was trained.

    Every scheme is ranked by the error that is expected of it. The best few are then run on the given samples and compared
    with the network's own run. This takes some twenty seconds, on the host.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `xs`: (T, D) a typical input at the network's own rate, of which the first 16,384 samples are used.
    - `ratio`: the new rate over the old one, such as 48/44.1.
    - `h0`: the state at the start. Default: zeros, for our cells and Equinox's.
    - `budget`: the most applications of the network per result. Whole steps count: below a ratio of 2/3 `evolve` needs
      ⌊1/ratio + ½⌋ or more. Default 4.
    - `output`: what of a state is compared, a function of it. Default: the cell's output, h of an LSTM's (h, c).

    **Returns:** a `Recommendation`: `evolve` for several (ahead, behind, band), `delayed_feedback` for several orders and
    bands, and `state_trajectory`, as far as the budget allows. The best is the stable scheme with the smallest error in the
    trial; a scheme with twice the applications must be better by 0.4 dB.

    **Raises:** `ValueError` if no scheme within the budget is stable, with the table of all schemes, and for an output that
    becomes constant, with which no error can be compared; `ValueError` or `TypeError` for a ratio that is not positive, fewer
    than 64 samples or 4 results, and for what `iterate` refuses.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.8]], [[0.2]], [0.0], jnp.tanh)
    >>> xs = jnp.sin(0.1 * jnp.arange(400.0))[:, None]
    >>> ro.recommend(cell, xs, 2, budget=1).best.label
    'delayed_feedback(order=1)'

    ```
    """
    check_cell("cell", cell)
    ratio = as_number("ratio", ratio)
    if not 0 < ratio < np.inf:
        raise ValueError(f"ratio must be positive and finite, new rate over old; got {ratio}.")
    check_count("budget", budget)
    xs = check_inputs(cell, xs)[:LONGEST]
    if len(xs) < 64:
        raise ValueError(f"xs must have at least 64 samples for a trial; got {len(xs)}.")
    if round(len(xs) * ratio) < 4:
        raise ValueError(f"xs must have at least 4 results in a trial; {len(xs)} samples have {len(xs) * ratio:.1f}.")
    h0 = as_initial_state(h0, cell)
    h0 = promote(h0, cell, xs, least=jnp.float32)
    pick = partial(output_of, cell) if output is None else output
    states = iterate(cell, xs, h0).states
    outputs = flat_rows(jax.vmap(pick)(states))[1:].astype(float)
    known = known_of(1 / ratio, multipliers_at_rest(cell, jnp.mean(xs, axis=0), h0), flat_rows(states), outputs)
    schemes = sorted(distinct(candidates(known, budget)), key=lambda s: (not s.stable, -s.fit, s.applications))
    stable = [[s for s in schemes if s.stable and s.run.func is kind] for kind in KINDS]
    promising = [scheme for kind in stable for scheme in kind[:TRIED]]
    tried = [_tried(scheme, cell, xs, h0, ratio, pick, outputs) for scheme in promising]
    tried.sort(key=lambda scheme: -scheme.snr)
    rest = [scheme for scheme in schemes if scheme.label not in {one.label for one in tried}]
    ranking = (*tried, *rest)
    if not tried or tried[0].snr == -np.inf:
        raise ValueError(
            f"no scheme is stable at a ratio of {ratio:g} within a budget of {budget} applications a result (evolve needs at "
            f"least {int(whole_steps(np.float64(1 / ratio), 1, np)) + 1}):\n{_table(ranking, None).text()}"
        )
    best = max(tried, key=lambda scheme: scheme.snr - WORTH * np.log2(scheme.applications))
    return Recommendation(ranking, best, ratio)


def _tried(
    scheme: Scheme,
    cell: Cell,
    xs: Array,
    h0: State,
    ratio: float,
    pick: Callable[[State], Any],
    outputs: np.ndarray,
) -> Scheme:
    """Return the scheme with its signal-to-error ratio in the trial, in which the start and the end do not count."""
    count = round(len(xs) * ratio)
    places = np.concatenate([[1 - 1 / ratio], 1 + np.arange(count) / ratio])
    ours = _rows(scheme.run(cell, BandLimited(xs), places, h0, save=pick, throw=False))
    target = np.asarray(_read(BandLimited(outputs, half_width=64), places[1:])).astype(float)
    size, middle = np.max(np.abs(target)), middle_of(count)
    with np.errstate(over="ignore", divide="ignore"):  # errors of 1e160, or of exactly 0
        noise = np.sum(((ours - target) / size)[middle] ** 2)
        power = np.sum(((target - target.mean(axis=0)) / size)[middle] ** 2)
        snr = 10 * np.log10(power / noise) if np.isfinite(noise) else -np.inf
    return dataclasses.replace(scheme, snr=float(snr))


@eqx.filter_jit
def _read(path: BandLimited, ts: Array | np.ndarray) -> Array:
    return jax.lax.map(path, ts, batch_size=ROWS)


def _rows(run: Trajectory) -> np.ndarray:
    """Return what a run kept of all states but the first, as rows of numbers."""
    return flat_rows(run.states)[1:].astype(float)


_COLUMNS = (
    Column(""),
    Column("scheme"),
    Column("applied", ">", "times that the network is applied, per result"),
    Column("trial dB", ">", "signal to error, against the network's own run"),
    Column("fit dB", ">", "signal to error expected at rest, at the worst mode"),
    Column("radius", ">", "of the scheme's roots at rest"),
    Column(""),
)


def _table(schemes: Sequence[Scheme], best: Scheme | None) -> Table:
    return Table(_COLUMNS, tuple(_row(scheme, scheme is best) for scheme in schemes))


def _row(scheme: Scheme, is_best: bool) -> tuple[str, ...]:
    snr = MISSING if np.isnan(scheme.snr) else f"{scheme.snr:.1f}"
    numbers = (str(scheme.applications), snr, f"{scheme.fit:.1f}", f"{scheme.radius:.5f}")
    return "→" if is_best else "", scheme.label, *numbers, "" if scheme.stable else "UNSTABLE"
