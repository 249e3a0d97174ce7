"""`recommend`: rank the ways of running one network at another rate.

Every scheme is first judged without running it (see `candidates`). The few with the smallest expected error are then run on
the given samples, brought to the new rate. Their results are compared with the network's own output, resampled by a windowed
sinc of 256 taps (see `trial`).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PyTree, Real

from .._base.callables import check_cell
from .._base.checks import as_number, check_callable, check_count
from .._base.shown import Shown
from .._base.states import flat_rows, promote
from .._base.text import MISSING, Column, Table, plain
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state, output_of
from .._run.iterate import check_inputs, iterate
from .candidates import candidates, distinct, known_of
from .candidates_waiting import Windows, fitted, half_bands, reading, reading_by, resamplings
from .evolve import evolve
from .interpolation import whole_steps
from .scheme import Scheme, Sizes
from .stability import multipliers_at_rest
from .trial import Trial, tried

TRIED = 3  # schemes of `evolve`, besides the best one of every cost; of the cheaper kinds all are tried
NARROWER = 4, 8  # half-widths of other windows by which the best scheme of `evolve` reads the input in a trial

LONGEST = 16_384  # samples of a trial

WORTH = 0.4  # a scheme with twice the applications must be better by this many dB


class Recommendation(Shown, eqx.Module):
    """What `recommend` found. A scheme is called as `evolve` is: `best.run(cell, path, ts)`.

    **Fields:**

    - `schemes`: all schemes, the best first.
    - `best`: the one that is recommended.
    - `ratio`: the new rate over the old one.
    - `latency`: the limit that was given, in steps of the network.
    - `front`: the schemes that were tried and that no other one beats in latency, cost and error at once, by latency. A
      scheme that is not `in_phase` beats none that is.

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
    latency: float = float("inf")

    @property
    def front(self) -> tuple[Scheme, ...]:
        known = [scheme for scheme in self.schemes if np.isfinite(scheme.snr) or scheme.snr > 0]
        front = [one for one in known if not any(_beats(other, one) for other in known)]
        return tuple(sorted(front, key=lambda scheme: (scheme.latency, scheme.cost, -scheme.snr)))

    def plot(self):
        """The schemes that were tried, by their error. A matplotlib figure (needs the `app` extra)."""
        from ..plot import recommendation

        return recommendation(self)

    def _tables(self) -> tuple[Table, ...]:
        title = f"Ways of running the network at {self.ratio:g} times its rate: {self.best.label} is recommended."
        first, *rest = _tables_of(self.schemes, self.best, self.front)
        return dataclasses.replace(first, title=title), *rest

    def _data(self) -> dict[str, Any]:
        names = "label", "applications", "states", "radius", "stable", "fit", "snr"
        names += "latency", "cost", "in_band", "aliasing"
        front = self.front
        schemes = [
            {name: getattr(scheme, name) for name in names}
            | {
                "reads": None
                if scheme.reads is None
                else {"half_width": scheme.reads.half_width, "beta": scheme.reads.beta},
                "in_phase": scheme.in_phase,
                "front": scheme in front,
            }
            for scheme in self.schemes
        ]
        found = {"ratio": self.ratio, "latency": self.latency, "best": self.best.label, "schemes": schemes}
        return plain(found, infinities=True)


def recommend(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    ratio: float | int,
    h0: PyTree[ArrayLike] | None = None,
    *,
    budget: int = 4,
    latency: float | int | None = None,
    output: Callable[[Any], Any] | None = None,
) -> Recommendation:
    """Find the best way of running a network at `ratio` times the rate at which it was trained.

    Every scheme is ranked by the error that is expected of it. The best few are then run on the given samples and compared
    with the network's own run. This takes up to a minute, on the host.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `xs`: (T, D) a typical input at the network's own rate, of which the first 16,384 samples are used.
    - `ratio`: the new rate over the old one, such as 48/44.1.
    - `h0`: the state at the start. Default: zeros, for our cells and Equinox's.
    - `budget`: the most applications of the network per result. Whole steps count: below a ratio of 2/3 `evolve` needs
      ⌊1/ratio + ½⌋ or more, and `resampled` needs 1/ratio. Default 4.
    - `latency`: how long a result may wait for its input at most, in steps of the network: 16 are 0.36 ms at 44.1 kHz; 0 for
      schemes that read nothing after the result. Default: as long as it likes.
    - `output`: what of a state is compared, a function of it. Default: the cell's output, h of an LSTM's (h, c).

    **Returns:** a `Recommendation`: `evolve` for several (ahead, behind, band), `resampled` for several windows,
    `resampled` with half-band filters, `delayed_feedback` for several orders and bands, `fitted_feedback` with weights fitted
    to the network, and `state_trajectory`, as far as the budget and the latency allow. The best is the stable scheme with the
    smallest error in the trial; a scheme with twice the applications must be better by 0.4 dB. It is called with the input as
    the trial read it: `best.run(cell, best.path(xs, dt), ts)`.

    Half-band filters have a phase of their own. Their results are compared with the network through the same phase, and they
    are never the best, since who adds the input to them, or compares them, would hear or see that phase.

    At a higher rate aliasing is the energy above half of the network's rate. At a lower rate the input has no frequencies
    above half of the new rate, and what the network makes there should be lost: aliasing is what of it is folded back.

    **Raises:** `ValueError` if no scheme within the budget is stable, with the table of all schemes, and for an output that
    becomes constant, with which no error can be compared; `ValueError` or `TypeError` for a ratio that is not positive, fewer
    than 64 samples or 4 results, a latency that is negative or not a number, and for what `iterate` refuses.

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
    limit = _as_limit(latency)
    xs = check_inputs(cell, xs)[:LONGEST]
    if len(xs) < 64:
        raise ValueError(f"xs must have at least 64 samples for a trial; got {len(xs)}.")
    if round(len(xs) * ratio) < 4:
        raise ValueError(f"xs must have at least 4 results in a trial; {len(xs)} samples have {len(xs) * ratio:.1f}.")
    h0 = as_initial_state(h0, cell)
    h0 = promote(h0, cell, xs, least=jnp.float32)
    if output is not None:
        check_callable("output", output, "output(h)")
    pick = jax.tree_util.Partial(output_of, cell) if output is None else output
    states = iterate(cell, xs, h0).states
    outputs = flat_rows(jax.vmap(pick)(states))[1:].astype(float)
    rows, inputs = flat_rows(states), flat_rows(xs).astype(float)
    sizes = Sizes(inputs.shape[1], rows.shape[1], outputs.shape[1], _operations(cell, xs[0], h0))
    known = known_of(1 / ratio, multipliers_at_rest(cell, jnp.mean(xs, axis=0), h0), rows, outputs, inputs, sizes)
    schemes, promising = _promising(known, budget, limit)
    trial = Trial.of(cell, inputs.reshape(xs.shape), h0, 1 / ratio, pick, outputs)
    late = trial.through_half_band(inputs.reshape(xs.shape)) if not all(one.in_phase for one in promising) else trial
    done = [tried(scheme, trial if scheme.in_phase else late) for scheme in promising]
    done.sort(key=lambda scheme: -scheme.snr)
    names = {(one.label, one.reads) for one in done}
    ranking = (*done, *(scheme for scheme in schemes if (scheme.label, scheme.reads) not in names))
    if not done or done[0].snr == -np.inf:
        waiting = "" if limit == np.inf else f" and a latency of {limit:g}"
        raise ValueError(
            f"no scheme is stable at a ratio of {ratio:g} within a budget of {budget} applications a result{waiting} (evolve "
            f"needs at least {int(whole_steps(np.float64(1 / ratio), 1, np)) + 1}):\n{_text(ranking)}"
        )
    in_phase = [scheme for scheme in done if scheme.in_phase]
    best = max(in_phase, key=lambda scheme: scheme.snr - WORTH * np.log2(scheme.applications))
    return Recommendation(ranking, best, ratio, limit)


def _as_limit(latency: Any) -> float:
    if latency is None:
        return np.inf
    limit = as_number("latency", latency)
    if not limit >= 0:
        raise ValueError(f"latency must be 0 or more, in steps of the network; got {limit}.")
    return limit


def _operations(cell: Cell, x: Any, h: State) -> float:
    """Return the floating-point operations of one application, as the compiler counts them; 0 where it does not."""
    counted = jax.jit(lambda x, h: cell(x, h)).lower(x, h).cost_analysis()
    return float((counted or {}).get("flops", 0.0))


def _promising(known: Any, budget: int, limit: float) -> tuple[list[Scheme], list[Scheme]]:
    """Return all schemes within the budget and the limit, and those of them that are to be tried."""
    windows = Windows(known)
    schemes = [*reading(distinct(candidates(known, budget)), windows, limit)]
    schemes.sort(key=lambda s: (not s.stable, -s.fit, s.applications))
    others = [*resamplings(windows, limit, budget), *half_bands(windows, limit, budget), *fitted(known, budget)]
    stable = [scheme for scheme in schemes if scheme.stable]
    ours = [scheme for scheme in stable if scheme.run.func is evolve]
    cheapest = {scheme.applications: scheme for scheme in reversed(ours)}  # the best one of each cost
    promising = [*ours[:TRIED], *(scheme for scheme in cheapest.values() if scheme not in ours[:TRIED])]
    for scheme in ours[:1]:
        narrower = (reading_by(scheme, windows, width) for width in NARROWER if width * known.gap < scheme.latency)
        others += [one for one in narrower if one is not None and one.latency < scheme.latency]
    promising += [scheme for scheme in stable if scheme.run.func is not evolve]
    return [*schemes, *others], [*others, *promising]


def _beats(one: Scheme, other: Scheme) -> bool:
    """Whether a scheme is as good as another one in latency, cost, error and phase, and better in one of them."""
    ours, theirs = ((scheme.latency, scheme.cost, -scheme.snr, not scheme.in_phase) for scheme in (one, other))
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


_TRIED = (
    Column(""),
    Column("scheme"),
    Column("reads", ">", "half-width of the window that reads the input, in samples at the new rate"),
    Column("waits", ">", "latency of a result, in steps of the network"),
    Column("×", ">", "times that the network is applied, per result"),
    Column("kops", ">", "thousands of floating-point operations per result"),
    Column("dB", ">", "signal to error in the trial, against the network's own output"),
    Column("alias", ">", "signal to what lies above that band or was folded into it, dB"),
)
_EXPECTED = (
    Column("not tried"),
    Column("applied", ">", "times that the network is applied, per result"),
    Column("fit dB", ">", "signal to error expected at rest, at the worst mode"),
    Column("radius", ">", "of the scheme's roots at rest"),
    Column(""),
)
_MARKS = "→: recommended. *: no scheme beats it in latency, cost and error at once."
_PHASE = (
    "half_band=True: results have a phase of their own, and their dB are against the network through the same phase."
)


def _tables_of(schemes: Sequence[Scheme], best: Scheme | None, front: Sequence[Scheme] = ()) -> tuple[Table, ...]:
    """Two tables: the schemes that were tried, and what is expected of the others; the first only if any was tried."""
    done = [scheme for scheme in schemes if not np.isnan(scheme.snr)]
    rest = [scheme for scheme in schemes if np.isnan(scheme.snr)]
    marks = ["→" if scheme is best else "*" if scheme in front else "" for scheme in done]
    notes = (_MARKS,) if all(one.in_phase for one in done) else (_MARKS, _PHASE)
    tried = Table(_TRIED, tuple(map(_tried_row, done, marks)), notes=notes)
    others = Table(_EXPECTED, tuple(map(_expected_row, rest)))
    return (tried,) * bool(done) + (others,) * bool(rest)


def _tried_row(scheme: Scheme, mark: str) -> tuple[str, ...]:
    reads = "" if scheme.reads is None else str(scheme.reads.half_width)
    cost = f"{scheme.applications:.3g}", f"{scheme.cost / 1000:.1f}"
    ratios = (MISSING if np.isnan(value) else f"{value:.1f}" for value in (scheme.snr, scheme.aliasing))
    return mark, scheme.label, reads, f"{scheme.latency:.3g}", *cost, *ratios


def _expected_row(scheme: Scheme) -> tuple[str, ...]:
    radius = MISSING if np.isnan(scheme.radius) else f"{scheme.radius:.5f}"
    stable = "" if scheme.stable else "UNSTABLE"
    return scheme.label, f"{scheme.applications:.3g}", f"{scheme.fit:.1f}", radius, stable


def _text(schemes: Sequence[Scheme]) -> str:
    return "\n\n".join(table.text() for table in _tables_of(schemes, None))
