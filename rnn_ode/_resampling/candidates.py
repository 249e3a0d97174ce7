"""The schemes that run a network at another rate, and the error to be expected of each, without running it.

A scheme replaces h(s) by Σ_j w_j h(t_j). Each h(t_j) is the state m_j applications of the network after a result, and the
network is applied a more times (once for delayed feedback). At the frequency ω the error of a result is
ε = Σ_j w_j e^{iω t_j} − e^{iωs}, and in the states of a mode λ it accumulates to

    λᵃ ε / (e^{iω(s + a)} − λᵃ Σ_j w_j λ^{m_j} e^{iω(t_j − m_j)})

of the right value. This is averaged over the power spectrum of the network's output, at the worst mode. The rounding error of
Σ_j w_j h(t_j) is added, which takes the place of ε at all frequencies.

The input between its samples is read by a windowed sinc, whose own expected error (see `reading`) is added too, as if the
network passed it on in proportion. The same error of the states is all that `resampled` adds.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._run.trajectory import Trajectory
from .alternatives import delayed_feedback, state_trajectory, windows
from .evolve import evolve
from .interpolation import lagrange, uniform_nodes
from .reading import spectrum_of
from .scheme import Scheme, Sizes, middle_of
from .stability import TOLERANCE, beyond, companion, feedback_companion

BANDS = (0.0, 0.075, 0.1)

ORDERS = range(1, 6)


class Known(NamedTuple):
    """What is known before a trial: the `gap` in steps of the network; its `multipliers` at rest; the `power` of its outputs
    at `frequencies`, in radians per step; and the variance of its states' `rounding` errors over that of the states.

    The rest belongs to reading and fitting: the power of the input and of the states at the same frequencies, and the
    `sizes` of input, state and output with the operations of one application."""

    gap: float
    multipliers: np.ndarray
    frequencies: np.ndarray
    power: np.ndarray
    rounding: float
    input_power: np.ndarray | None = None
    state_power: np.ndarray | None = None
    sizes: Sizes = Sizes()


def known_of(
    gap: float, multipliers: np.ndarray, states: np.ndarray, outputs: np.ndarray, xs: np.ndarray, sizes: Sizes
) -> Known:
    """Return what is known of a network from its states, outputs and inputs (n, M); `ValueError` for constant outputs.

    States and outputs are divided by the largest of them, which may have any size, and their mean is subtracted."""
    unit, size = np.finfo(states.dtype).eps, np.max(np.abs(outputs))
    if np.max(np.ptp(outputs[middle_of(len(outputs))], axis=0)) <= 32 * unit * size:
        raise ValueError(
            f"xs must move the network's output, so that errors can be compared with it; after the beginning it stays "
            f"{outputs[-1]} to rounding."
        )
    states = states / np.max(np.abs(states))
    deviations = np.std(states, axis=0)
    rounding = (unit / 2) ** 2 * np.mean(states**2) / np.mean(deviations**2)
    frequencies, power = spectrum_of(outputs)
    moving = states[1:] / np.where(deviations > 0, deviations, 1)
    return Known(
        gap, multipliers, frequencies, power, float(rounding), spectrum_of(xs)[1], spectrum_of(moving)[1], sizes
    )


class _Rule(NamedTuple):
    """A scheme in the symbols of the formula above: the nodes t (P,); `since`, m (P,); `at`, s; `later`, a; and the band."""

    nodes: np.ndarray
    since: np.ndarray
    at: float
    later: int
    band: float


def candidates(known: Known, budget: int) -> Iterator[tuple[Scheme, Any]]:
    """Yield every scheme that interpolates states, within a budget of applications per result, and a key that is equal for
    equal schemes. The input is read exactly."""
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


def distinct(candidates: Iterable[tuple[Scheme, Any]]) -> list[Scheme]:
    """Return the first of the schemes that are the same: for some ratios all schemes read the same state."""
    first: dict[Any, Scheme] = {}
    for scheme, key in candidates:
        first.setdefault(key, scheme)
    return list(first.values())


def _scheme(
    known: Known,
    label: str,
    run: partial[Trajectory],
    applications: int,
    rule: _Rule,
    roots: Callable[..., np.ndarray],
) -> tuple[Scheme, Any]:
    """Return the scheme, and a key that is equal for equal schemes: its nodes and their weights, where these are not 0."""
    nodes, _, at, _, band = rule
    weights = lagrange(nodes, at, band, np)
    radii = np.abs(np.linalg.eigvals(roots(weights, known.multipliers, xp=np))).max(axis=1)
    stable = bool(beyond(radii, known.multipliers, known.gap, np) <= TOLERANCE)
    counts = np.abs(weights) > 1e-12
    key = (label.split("(")[0], *np.round(nodes[counts] - at, 9), *np.round(weights[counts], 9))
    fit = _expected(known, rule, weights)
    cost = applications * known.sizes.application + 2 * len(nodes) * known.sizes.state
    scheme = Scheme(label, run, applications, len(nodes), float(radii.max()), stable, fit, latency=0.0, cost=cost)
    return scheme, key


def _expected(known: Known, rule: _Rule, weights: np.ndarray) -> float:
    """Return the signal-to-error ratio that is expected at the worst mode, in dB."""
    nodes, since, at, later, _ = rule
    rate = known.multipliers[:, None] ** later

    def response(frequencies):
        fed_back = (weights * known.multipliers[:, None] ** since) @ np.exp(1j * (nodes - since)[:, None] * frequencies)
        return rate / (np.exp(1j * frequencies * (at + later)) - rate * fed_back)

    with np.errstate(divide="ignore", invalid="ignore"):  # of a mode that does not decay
        wrong = weights @ np.exp(1j * nodes[:, None] * known.frequencies) - np.exp(1j * known.frequencies * at)
        interpolation = np.abs(response(known.frequencies) * wrong) ** 2 @ known.power / np.sum(known.power)
        everywhere = np.pi / known.gap * np.arange(1, 257) / 256
        rounding = known.rounding * np.sum(weights**2) * np.mean(np.abs(response(everywhere)) ** 2, axis=1)
        return float(-10 * np.log10(np.max(interpolation + rounding)))
