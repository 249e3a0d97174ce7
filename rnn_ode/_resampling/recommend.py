"""Which way of running a network at another rate: every scheme ranked for one network, one ratio and one budget.

First by what is known without running it: the root condition at rest, and the error to be expected there. A scheme puts
Σ_j w_j h(t_j) in the place of h(s), where each h(t_j) is a result, m_j applications of the network later, and applies the
network a more times (once for delayed feedback). At the frequency ω it errs by ε = Σ_j w_j e^{iω t_j} − e^{iωs} a result,
and in the states of a mode λ that accumulates to

    λᵃ ε / (e^{iω(s + a)} − λᵃ Σ_j w_j λ^{m_j} e^{iω(t_j − m_j)})

of what is right. That is taken over the power spectrum of the network's output, at the worst mode, with the rounding of
Σ_j w_j h(t_j) in the place of ε at all frequencies. The few of which least is expected are then tried: on the given samples,
against the network's own run, read between its steps by a windowed sinc of 128 taps.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PyTree, Real

from .._base.checks import as_number, check_callable, check_count
from .._base.states import flat_rows, promote
from .._base.types import Cell
from .._cells.protocol import as_initial_state, output_of
from .._paths.interpolated import BandLimited
from .._run.clock import ROWS
from .._run.iterate import check_inputs, iterate
from .._run.trajectory import Trajectory
from .alternatives import delayed_feedback, state_trajectory, windows
from .evolve import evolve
from .interpolation import lagrange, uniform_nodes, whole_steps
from .stability import TOLERANCE, beyond, companion, feedback_companion, resting_multipliers

BANDS = (0.0, 0.075, 0.1)

ORDERS = range(1, 6)

KINDS = (evolve, delayed_feedback, state_trajectory)

TRIED = 6  # of each kind

LONGEST = 16_384  # samples of a trial

WORTH = 0.4  # dB that twice the applications have to bring


class Scheme(eqx.Module):
    """A way of running a network at any times: `run(cell, path, ts, h0=None, *, dt, save, throw)`, as `evolve` is called.

    **Fields:** `label`; `applications` of the network per result; `states` that it is interpolated from; `radius` of its
    roots at rest, and whether it is `stable`; `fit`, dB, the signal to error that is expected of it at rest; `snr`, dB, in
    the trial: NaN where it was not tried, −inf where it left the float range, inf where there was no error at all.
    """

    label: str = eqx.field(static=True)
    run: partial[Trajectory]
    applications: int = eqx.field(static=True)
    states: int = eqx.field(static=True)
    radius: float
    stable: bool
    fit: float
    snr: float = float("nan")


class Recommendation(eqx.Module):
    """What `recommend` found: `schemes`, best first, and the one that is recommended, `best`, for `ratio`, new rate over old.

    A scheme is called as `evolve` is: `best.run(cell, path, ts)`.
    """

    schemes: tuple[Scheme, ...]
    best: Scheme
    ratio: float

    def table(self) -> str:
        """The ranking as text, with what its columns mean underneath."""
        return _table(self.schemes, self.best)


def _table(schemes: Sequence[Scheme], best: Scheme | None) -> str:
    head = ("", "scheme", "applications", "trial dB", "fit dB", "radius", "")
    lines: list[tuple[str, ...]] = [head]
    for scheme in schemes:
        mark = "→" if scheme is best else ""
        snr = "–" if np.isnan(scheme.snr) else f"{scheme.snr:.1f}"
        stable = "" if scheme.stable else "UNSTABLE"
        numbers = (str(scheme.applications), snr, f"{scheme.fit:.1f}", f"{scheme.radius:.5f}")
        lines.append((mark, scheme.label, *numbers, stable))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(word.ljust(n) for word, n in zip(line, widths, strict=True)).rstrip() for line in lines]
    legend = (
        "applications: of the network, per result. trial: signal to error, against the network's own run.",
        "fit: signal to error expected at rest, at the worst mode. radius: of the scheme's roots at rest.",
    )
    return "\n".join([*text, "", *legend])


def recommend(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    ratio: float | int,
    h0: PyTree[ArrayLike] | None = None,
    *,
    budget: int = 4,
    output: Callable[[Any], Any] | None = None,
) -> Recommendation:
    """The best way of running a network at `ratio` times the rate that it was trained at.

    **Arguments:** `cell` any cell; `xs` (T, D) a typical input at the network's own rate, of which the first 16,384 samples
    are used; `ratio` of the new rate to the old, 48/44.1 say; `h0` the state at the start; `budget` applications of the
    network per result, at most: whole steps count, so that `evolve` needs ⌊1/ratio + ½⌋ or more below a ratio of 2/3;
    `output` what of a state is compared, a function of it (by default the cell's output, h of an LSTM's (h, c)).

    **Returns:** a `Recommendation`, with `evolve` for several (ahead, behind, band), `delayed_feedback` of several orders
    and bands and `state_trajectory` in it, as far as the budget allows. Recommended is the best of the stable
    schemes in the trial, where twice the applications have to bring 0.4 dB. Driven from the host, in some twenty seconds.

    **Raises:** `ValueError` where no scheme within the budget is stable, with the table of all of them; for an output that
    is constant but for its beginning, which has no signal to set an error against; `ValueError` or `TypeError` for a ratio
    that is not positive, fewer than 64 samples or 4 results, and what `iterate` refuses.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.8]], [[0.2]], [0.0], jnp.tanh)
    >>> xs = jnp.sin(0.1 * jnp.arange(400.0))[:, None]
    >>> ro.recommend(cell, xs, 2, budget=1).best.label
    'delayed_feedback(order=1)'

    ```
    """
    check_callable("cell", cell, "cell(x, h)")
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
    known = _known(1 / ratio, _resting(cell, xs, h0), flat_rows(states), outputs)
    schemes = sorted(_distinct(_candidates(known, budget)), key=lambda s: (not s.stable, -s.fit, s.applications))
    stable = [[s for s in schemes if s.stable and s.run.func is kind] for kind in KINDS]
    promising = [scheme for kind in stable for scheme in kind[:TRIED]]
    tried = [_tried(scheme, cell, xs, h0, ratio, pick, outputs) for scheme in promising]
    tried.sort(key=lambda scheme: -scheme.snr)
    rest = [scheme for scheme in schemes if scheme.label not in {one.label for one in tried}]
    ranking = (*tried, *rest)
    if not tried or tried[0].snr == -np.inf:
        raise ValueError(
            f"no scheme is stable at a ratio of {ratio:g} within a budget of {budget} applications a result (evolve needs at "
            f"least {int(whole_steps(np.float64(1 / ratio), 1, np)) + 1}):\n{_table(ranking, None)}"
        )
    best = max(tried, key=lambda scheme: scheme.snr - WORTH * np.log2(scheme.applications))
    return Recommendation(ranking, best, ratio)


class _Known(NamedTuple):
    """What is known before a trial: the gap in steps of the network, its multipliers at rest, the power of its outputs at
    frequencies in radians per step, and that of its states' rounding errors, as a part of that of their changes."""

    gap: float
    multipliers: np.ndarray
    frequencies: np.ndarray
    power: np.ndarray
    rounding: float


def _resting(cell, xs, h0) -> np.ndarray:
    return np.asarray(eqx.filter_jit(resting_multipliers)(cell, jnp.mean(xs, axis=0), h0)).astype(complex)


def _known(gap: float, multipliers: np.ndarray, states: np.ndarray, outputs: np.ndarray) -> _Known:
    """With states and outputs in units of the largest, which may be of any size, and without the outputs' mean."""
    unit, size = np.finfo(states.dtype).eps, np.max(np.abs(outputs))
    if np.max(np.ptp(outputs[_inner(len(outputs))], axis=0)) <= 32 * unit * size:
        raise ValueError(
            f"xs must move the network's output, for errors to be set against; after its beginning it is {outputs[-1]}, but "
            "for rounding."
        )
    states = states / np.max(np.abs(states))
    rounding = (unit / 2) ** 2 * np.mean(states**2) / np.mean(np.var(states, axis=0))
    window = np.hanning(len(outputs))[:, None]
    power = np.sum(np.abs(np.fft.rfft(window * (outputs - outputs.mean(axis=0)) / size, axis=0)) ** 2, axis=1)
    return _Known(gap, multipliers, 2 * np.pi * np.fft.rfftfreq(len(outputs))[1:], power[1:], float(rounding))


class _Rule(NamedTuple):
    """A scheme as in the formula above: the nodes t, the applications m (P,) since a result, the place s, the applications a
    that follow; and its band."""

    nodes: np.ndarray
    since: np.ndarray
    at: float
    later: int
    band: float


def _candidates(known: _Known, budget: int) -> Iterator[tuple[Scheme, Any]]:
    gap = known.gap
    euler = _Rule(np.array([0.0, 1.0]), np.array([0, 1]), gap, 0, 0.0)
    yield _scheme(known, "state_trajectory()", partial(state_trajectory), 1, euler, partial(companion, behind=0))
    for band in BANDS:
        text = f", band={band}" if band else ""
        for order in ORDERS:
            lags, nodes = windows(np.full(int(1 / gap) + order + 4, gap), order)
            label, run = f"delayed_feedback(order={order}{text})", partial(delayed_feedback, order=order, band=band)
            rule = _Rule(nodes[-1], np.zeros(order + 1, int), 0.0, 1, band)
            yield _scheme(known, label, run, 1, rule, partial(feedback_companion, lag=int(lags[-1])))
        for ahead in range(1, budget + 1):
            for behind in range(ahead + 2):
                nodes, whole = uniform_nodes(gap, ahead, behind)
                if whole + ahead > budget:
                    continue
                label = f"evolve(ahead={ahead}, behind={behind}{text})"
                run = partial(evolve, ahead=ahead, behind=behind, band=band)
                since = np.append(whole - np.arange(behind, 0, -1) % (whole + 1), whole + np.arange(ahead + 1))
                rule = _Rule(nodes, since, gap - whole, 0, band)
                yield _scheme(
                    known, label, run, int(whole + ahead), rule, partial(companion, behind=behind, whole=whole)
                )


def _distinct(candidates: Iterable[tuple[Scheme, Any]]) -> list[Scheme]:
    """One scheme of those that are the same, as all are that read a state at a node: the first."""
    first: dict[Any, Scheme] = {}
    for scheme, key in candidates:
        first.setdefault(key, scheme)
    return list(first.values())


def _scheme(known: _Known, label, run, applications, rule: _Rule, roots) -> tuple[Scheme, Any]:
    """The scheme, and what tells it from the others of its kind: the nodes that count, and for how much."""
    nodes, _, at, _, band = rule
    weights = lagrange(nodes, at, band, np)
    radii = np.abs(np.linalg.eigvals(roots(weights, known.multipliers, xp=np))).max(axis=1)
    stable = bool(beyond(radii, known.multipliers, known.gap, np) <= TOLERANCE)
    counts = np.abs(weights) > 1e-12
    key = (label.split("(")[0], *np.round(nodes[counts] - at, 9), *np.round(weights[counts], 9))
    fit = _expected(known, rule, weights)
    return Scheme(label, run, applications, len(nodes), float(radii.max()), stable, fit), key


def _expected(known: _Known, rule: _Rule, weights: np.ndarray) -> float:
    """Signal to error, dB, at the worst mode."""
    nodes, since, at, later, _ = rule
    rate = known.multipliers[:, None] ** later

    def response(frequencies):
        fed_back = (weights * known.multipliers[:, None] ** since) @ np.exp(1j * (nodes - since)[:, None] * frequencies)
        return rate / (np.exp(1j * frequencies * (at + later)) - rate * fed_back)

    with np.errstate(divide="ignore", invalid="ignore"):  # a mode that never decays
        wrong = weights @ np.exp(1j * nodes[:, None] * known.frequencies) - np.exp(1j * known.frequencies * at)
        interpolation = np.abs(response(known.frequencies) * wrong) ** 2 @ known.power / np.sum(known.power)
        everywhere = np.pi / known.gap * np.arange(1, 257) / 256
        rounding = known.rounding * np.sum(weights**2) * np.mean(np.abs(response(everywhere)) ** 2, axis=1)
        return float(-10 * np.log10(np.max(interpolation + rounding)))


def _tried(scheme: Scheme, cell, xs, h0, ratio: float, pick, outputs: np.ndarray) -> Scheme:
    """The scheme with its signal-to-error ratio in the trial, without what the start and the ends spoil."""
    count = round(len(xs) * ratio)
    places = np.concatenate([[1 - 1 / ratio], 1 + np.arange(count) / ratio])
    ours = _rows(scheme.run(cell, BandLimited(xs), places, h0, save=pick, throw=False))
    target = np.asarray(_read(BandLimited(outputs, half_width=64), places[1:])).astype(float)
    size, inner = np.max(np.abs(target)), _inner(count)
    with np.errstate(over="ignore", divide="ignore"):  # of a scheme that is off by 1e160; of one without an error
        noise = np.sum(((ours - target) / size)[inner] ** 2)
        power = np.sum(((target - target.mean(axis=0)) / size)[inner] ** 2)
        snr = 10 * np.log10(power / noise) if np.isfinite(noise) else -np.inf
    return dataclasses.replace(scheme, snr=float(snr))


def _inner(count: int) -> slice:
    return slice(min(2000, count // 4), count - count // 16)


@eqx.filter_jit
def _read(path, ts):
    return jax.lax.map(path, ts, batch_size=ROWS)


def _rows(run: Trajectory) -> np.ndarray:
    """What a run kept, but for its first state, in rows of numbers."""
    return flat_rows(run.states)[1:].astype(float)
