"""Which way of running a network at another rate: every scheme ranked for one network, one ratio and one budget.

First by what is known without running it: the root condition at rest, and how well the scheme's interpolation fits what the
network's states contain, Σ |e^{iωs} − Σ_j w_j e^{iω t_j}|² P(ω) over their power spectrum P. The few that are best by
that are then tried: on the given samples, against the network's own run, read between its steps by a windowed sinc of 128
taps.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import PyTree, Real

from ._cells import as_state, initial_state, output_of
from ._clock import ROWS
from ._errors import as_number, check_callable, check_count
from ._evolve import evolve
from ._feedback import delayed_feedback, state_trajectory, windows
from ._iterate import check_inputs, iterate
from ._orbit import lagrange, uniform_nodes
from ._paths import BandLimited
from ._roots import TOLERANCE, beyond, companion, feedback_companion, resting_multipliers
from ._types import Cell, Trajectory, flat_rows

BANDS = (0.0, 0.075, 0.1)
ORDERS = range(1, 6)
TRIED = 4  # of each kind
LONGEST = 16_384  # samples of a trial
ALIKE = 0.5  # dB, the cheapest of those within which is recommended


class Scheme(eqx.Module):
    """A way of running a network at any times: `run(cell, path, ts, h0=None, *, dt, save, throw)`, as `evolve` is called.

    **Fields:** `label`; `applications` of the network per result; `states` that it is interpolated from; `radius` of its
    roots at rest, and whether it is `stable`; `fit`, dB, of its interpolation to the spectrum of the states; `snr`, dB,
    in the trial, `None` where it was not tried.
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
        head = ("", "scheme", "applications", "trial dB", "fit dB", "radius", "")
        lines: list[tuple[str, ...]] = [head]
        for scheme in self.schemes:
            mark = "→" if scheme is self.best else ""
            snr = "–" if np.isnan(scheme.snr) else f"{scheme.snr:.1f}"
            stable = "" if scheme.stable else "UNSTABLE"
            numbers = (str(scheme.applications), snr, f"{scheme.fit:.1f}", f"{scheme.radius:.5f}")
            lines.append((mark, scheme.label, *numbers, stable))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = ["  ".join(word.ljust(n) for word, n in zip(line, widths, strict=True)).rstrip() for line in lines]
        legend = (
            "applications: of the network, per result. trial: signal to error, against the network's own run.",
            "fit: of the interpolation to the spectrum of the network's states. radius: of the scheme's roots at rest.",
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
    network per result, at most; `output` what of a state is compared, a function of it (by default the cell's output, h
    of an LSTM's (h, c)).

    **Returns:** a `Recommendation`, with `evolve` for several (ahead, behind, band), `delayed_feedback` of several orders
    and bands and `state_trajectory` in it. Recommended is the cheapest of the stable schemes within 0.5 dB of the best in
    the trial. Driven from the host, in some ten seconds. **Raises:** `ValueError` or `TypeError` for a ratio that is not
    positive, fewer than 64 samples, and what `iterate` refuses.

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
    h0 = initial_state(cell) if h0 is None else as_state("h0", h0, cell)
    pick = partial(output_of, cell) if output is None else output
    outputs = _rows(iterate(cell, xs, h0, save=pick))
    known = _Known(1 / ratio, _resting(cell, xs, h0), *_spectrum(outputs))
    schemes = sorted(_distinct(_candidates(known, budget)), key=lambda s: (not s.stable, -s.fit, s.applications))
    tried = [_tried(scheme, cell, xs, h0, ratio, pick, outputs) for scheme in _promising(schemes)]
    tried.sort(key=lambda scheme: -scheme.snr)
    near = [scheme for scheme in tried if scheme.snr >= tried[0].snr - ALIKE] or schemes[:1]
    rest = [scheme for scheme in schemes if scheme.label not in {one.label for one in tried}]
    return Recommendation((*tried, *rest), min(near, key=lambda scheme: scheme.applications), ratio)


def _promising(schemes: list[Scheme]) -> list[Scheme]:
    """The first few of every kind that are stable: of `evolve` those that fit best; of `delayed_feedback` those through the
    most states, since its errors pass through the network, which quietens the frequencies that fit worst."""
    stable = [scheme for scheme in schemes if scheme.stable]
    fed_back = sorted((s for s in stable if s.run.func is delayed_feedback), key=lambda s: -s.states)
    return [s for s in stable if s.run.func is evolve][:TRIED] + fed_back[:TRIED]


class _Known(NamedTuple):
    """What is known before a trial: the gap in steps of the network, its multipliers at rest, and the power of its outputs at
    frequencies in radians per step."""

    gap: float
    multipliers: np.ndarray
    frequencies: np.ndarray
    power: np.ndarray


def _resting(cell, xs, h0) -> np.ndarray:
    return np.asarray(eqx.filter_jit(resting_multipliers)(cell, jnp.mean(xs, axis=0), h0)).astype(complex)


def _spectrum(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    window = np.hanning(len(outputs))[:, None]
    power = np.sum(np.abs(np.fft.rfft(window * (outputs - outputs.mean(axis=0)), axis=0)) ** 2, axis=1)
    return 2 * np.pi * np.fft.rfftfreq(len(outputs)), power


def _candidates(known: _Known, budget: int) -> Iterator[tuple[Scheme, Any]]:
    gap, roots = known.gap, partial(companion, behind=0)
    yield _scheme(known, "state_trajectory()", partial(state_trajectory), 1, np.array([0.0, 1.0]), gap, 0.0, roots)
    for band in BANDS:
        text = f", band={band}" if band else ""
        for order in ORDERS:
            lags, nodes = windows(np.full(int(1 / gap) + order + 4, gap), order)
            label, run = f"delayed_feedback(order={order}{text})", partial(delayed_feedback, order=order, band=band)
            roots = partial(feedback_companion, lag=int(lags[-1]))
            yield _scheme(known, label, run, 1, nodes[-1], 0.0, band, roots)
        for ahead in range(1, budget + 1):
            for behind in range(max(ahead - 1, 1), ahead + 2):
                nodes, whole = uniform_nodes(gap, ahead, behind)
                label = f"evolve(ahead={ahead}, behind={behind}{text})"
                run = partial(evolve, ahead=ahead, behind=behind, band=band)
                roots = partial(companion, behind=behind, whole=whole)
                yield _scheme(known, label, run, whole + ahead, nodes, gap - whole, band, roots)


def _distinct(candidates: Iterable[tuple[Scheme, Any]]) -> list[Scheme]:
    """One scheme of those that are the same, as all are that read a state at a node: the first."""
    first: dict[Any, Scheme] = {}
    for scheme, key in candidates:
        first.setdefault(key, scheme)
    return list(first.values())


def _scheme(known: _Known, label, run, applications, nodes, at, band, roots) -> tuple[Scheme, Any]:
    """The scheme, and what tells it from the others of its kind: the nodes that count, and for how much."""
    weights = lagrange(nodes, at, band, np)
    radii = np.abs(np.linalg.eigvals(roots(weights, known.multipliers, xp=np))).max(axis=1)
    stable = bool(beyond(radii, known.multipliers, known.gap, np) <= TOLERANCE)
    waves = np.exp(1j * known.frequencies[:, None] * nodes)
    error = np.abs(waves @ weights - np.exp(1j * known.frequencies * at)) ** 2
    fit = 10 * np.log10(np.sum(known.power) / max(np.sum(known.power * error), 1e-30))
    counts = np.abs(weights) > 1e-12
    key = (label.split("(")[0], *np.round(nodes[counts] - at, 9), *np.round(weights[counts], 9))
    return Scheme(label, run, applications, len(nodes), float(radii.max()), stable, float(fit)), key


def _tried(scheme: Scheme, cell, xs, h0, ratio: float, pick, outputs: np.ndarray) -> Scheme:
    """The scheme with its signal-to-error ratio in the trial, without what the start and the ends spoil."""
    count = round(len(xs) * ratio)
    places = np.concatenate([[1 - 1 / ratio], 1 + np.arange(count) / ratio])
    ours = _rows(scheme.run(cell, BandLimited(xs), places, h0, save=pick, throw=False))
    target = np.asarray(_read(BandLimited(outputs, half_width=64), places[1:]))
    inner = slice(min(2000, count // 4), count - count // 16)
    noise = np.sum((ours - target)[inner] ** 2)
    power = np.sum((target - target.mean(axis=0))[inner] ** 2)
    snr = 10 * np.log10(power / noise) if 0 < noise < np.inf else -np.inf if noise else np.inf
    return dataclasses.replace(scheme, snr=float(snr))


@eqx.filter_jit
def _read(path, ts):
    return jax.lax.map(path, ts, batch_size=ROWS)


def _rows(run: Trajectory) -> np.ndarray:
    """What a run kept, but for its first state, in rows of numbers."""
    return flat_rows(run.states)[1:].astype(float)
