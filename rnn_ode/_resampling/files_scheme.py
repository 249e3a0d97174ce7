"""The scheme that resamples a file: given by the user and checked, or the best one of a trial."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._cells.protocol import as_initial_state
from .._paths.interpolated import BandLimited
from ..interop import Network
from .candidates_waiting import WIDTHS
from .evolve import evolve
from .files_round_trip import OwnRun
from .fitted import Weights, companions, fitted_feedback
from .interpolation import lagrange, uniform_nodes
from .reading import fitted_window, spectrum_of
from .recommend import LONGEST, WORTH, recommend
from .resampled import Window, resampled
from .stability import TOLERANCE, RootCondition, beyond, multipliers_at_rest, root_condition


class Scheme(NamedTuple):
    """The interpolation of `evolve`, with `half_width` that of `resampled`, or with `predict` the weights of
    `fitted_feedback`; and the window that reads the input.

    With `half_band` the two windows are those of half-band filters. Where a β is `None` it is fitted to the width."""

    ahead: int = 3
    behind: int = 3
    band: float = 0.0
    half_width: int | None = None
    input_half_width: int = BandLimited.half_width
    beta: float | None = None
    input_beta: float | None = None
    predict: Weights | None = None
    correct: Weights = ()
    half_band: bool = False


def widest(latency: float, interval: float, half_band: bool = False) -> Scheme:
    """Return `resampled` with the widest equal windows, up to 64, whose results wait for at most `latency` steps of the
    network, where the input's samples are an `interval` of steps apart."""
    least = Window(1, 1.0, half_band).reach
    most = latency / (1 + interval) + 1e-9
    if not most >= least:  # which NaN is not either
        narrowest = "half-band filters" if half_band else "windows of one step and one sample"
        raise ValueError(
            f"--latency must be at least {least * (1 + interval):.3g} steps of the network here, for {narrowest}; got "
            f"{latency:g}. In Python, rnn_ode.recommend(…, latency={latency:g}) finds schemes that wait less."
        )
    width = int(min(WIDTHS[-1], 1 + (most - least) * (2 if half_band else 1)))
    return Scheme(half_width=width, input_half_width=width, half_band=half_band)


def checked_roots(network: Network, mean: np.ndarray, gap: float, scheme: Scheme, force: bool) -> dict[str, Any]:
    """The `radius` of the scheme's roots at rest under the mean input, and whether it is `stable`.

    `ValueError` if it is not stable, unless `force` is given.
    """
    if scheme.half_width is not None:  # the network itself runs, at its own rate
        return {"radius": None, "stable": True}
    if scheme.predict is not None:  # a trial has found it stable under the mean of its own inputs
        start = as_initial_state(network.initial, network.cell)
        multipliers = multipliers_at_rest(network.cell, jnp.asarray(mean), start)
        radii = np.abs(np.linalg.eigvals(companions(scheme.predict, scheme.correct, multipliers, np))).max(axis=1)
        stable = beyond(radii, multipliers, gap, np) <= TOLERANCE
        return {"radius": float(radii.max()), "stable": bool(stable)}
    most = {"ahead": max(6, scheme.ahead), "behind": max(5, scheme.behind)}
    roots: RootCondition = root_condition(network.cell, mean, gap, **most, band=scheme.band)
    radius, stable = roots.radii[scheme.ahead - 1, scheme.behind], scheme[:2] in roots.stable
    if not (stable or force):
        pairs = ", ".join(str(pair) for pair in roots.stable if max(pair) <= 6) or "none up to (6, 5)"
        raise ValueError(
            f"--ahead {scheme.ahead} --behind {scheme.behind}: unstable at {gap:.4g} steps of the network a result, with a "
            f"root of modulus {radius:.4f} at rest under the mean input. Stable (ahead, behind): {pairs}. --force runs it "
            "all the same."
        )
    return {"radius": float(radius), "stable": bool(stable)}


def recommended_scheme(
    network: Network, own: OwnRun, ratio: float, latency: float | None = None, interval: float | None = None
) -> tuple[Scheme, str | None]:
    """The best scheme of a trial that a stream can run, and that waits for at most `latency` steps.

    The samples of the stream are an `interval` of steps apart; default: as far as the results. The second value names a
    scheme that cannot stream and was better by more than `WORTH` dB, if there is one.
    """
    plain, x = Network(network.cell, network.readout), jnp.asarray(own.xs[0])
    trial = {"latency": latency, "output": eqx.Partial(plain.output, x)}
    found = recommend(network.cell, liveliest(own), ratio, network.initial, **trial)
    runs = [evolve, resampled]
    if _reads_in_time(ratio, latency, interval):
        runs.append(fitted_feedback)
    in_phase = [scheme for scheme in found.schemes if scheme.in_phase]
    ours = next((one for one in in_phase if one.run.func in runs and one.snr > -math.inf), None)
    if ours is None:
        raise ValueError(f"--recommend: {_why_none(ratio, latency, interval)}\n{found.table()}")
    top = in_phase[0]
    better = f"{top.label}, by {top.snr - ours.snr:.1f} dB" if top.snr > ours.snr + WORTH else None
    given = {name: value for name, value in ours.run.keywords.items() if name in Scheme._fields}
    if ours.reads is not None:
        reads = _as_long(ours.reads, own.xs, 1 / ratio, interval)
        given |= {"input_half_width": reads.half_width, "input_beta": reads.beta}
    return Scheme(**given), better


def _reads_in_time(ratio: float, latency: float | None, interval: float | None) -> bool:
    """Whether the input can be read at the results' times: at its samples alone, or by the usual window."""
    between = 1 / (ratio * interval) if interval else 1.0  # samples from one result to the next
    at_samples = abs(between - round(between)) < 1e-9 and round(between) > 0
    return at_samples or latency is None or BandLimited.half_width * (interval or 0) <= latency


def _why_none(ratio: float, latency: float | None, interval: float | None) -> str:
    """Why this command runs none of the schemes of a trial, and what to do."""
    if latency is None or _reads_in_time(ratio, latency, interval):
        return f"no scheme that this command runs is stable at a ratio of {ratio:g}:"
    return (
        f"none of the schemes that wait for at most {latency:g} steps of the network can run here, since the input must be "
        "read between its samples. Give a larger --latency, or an input at the rate --to. The schemes of the trial:"
    )


def _as_long(reads: Window, xs: np.ndarray, gap: float, interval: float | None) -> Window:
    """Return the window for samples an `interval` of steps apart that is as long as `reads`, which is for samples a `gap`
    apart; with the β that suits the inputs `xs` at the network's steps."""
    if interval is None or abs(interval / gap - 1) < 1e-9:
        return reads
    frequencies, power = spectrum_of(xs)
    held = frequencies * interval < np.pi
    width = max(1, int(reads.half_width * gap / interval + 1e-9))
    return fitted_window(width, frequencies[held] * interval, power[held])[0]


def liveliest(own: OwnRun) -> np.ndarray:
    """The stretch of the inputs, as long as a trial, in which the outputs change most: a recording may begin with silence."""
    length = min(LONGEST, len(own.xs))
    so_far = np.append(0.0, np.cumsum(np.square(np.diff(own.outputs, axis=0)).sum(axis=1)))
    begin = int(np.argmax(so_far[length - 1 :] - so_far[: len(so_far) - length + 1]))
    return own.xs[begin : begin + length]


def error_gain(scheme: Scheme, gap: float) -> float:
    """By how much a result can enlarge errors in the states that it is made of: the sum of the moduli of its weights."""
    nodes, whole = uniform_nodes(gap, scheme.ahead, scheme.behind)
    return float(np.abs(lagrange(nodes, gap - whole, scheme.band, np)).sum())
