"""The job of `rnn-ode resample`: a file through a network at another rate, block by block, and how well that went.

The file is read twice: once for the mean of its samples, at whose fixed point the scheme's stability is asked (and so that
a sample that is not finite is found before anything is written), and once for the run.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._base.checks import counted
from .._files.atomic import written_beside
from .._paths.interpolated import BandLimited
from .._run.clock import ROWS
from .._run.iterate import iterate
from ..audio import Recording, wav_writer
from ..datasets import load_csv
from ..interop import Network
from .evolve import evolve
from .interpolation import lagrange, uniform_nodes
from .recommend import LONGEST, WORTH, recommend
from .stability import RootCondition, root_condition
from .stream import NotFinite, Rate, Stream, as_rate

EXCERPT = 5, 16_384  # seconds or samples, whichever are more: what the round trip and the recommendation look at

DOUBTFUL = 20.0  # dB of the round trip below which a note says so

LARGE = 4.0  # how many times those of the default scheme the weights are, in sum, where they are named as the cause


class Scheme(NamedTuple):
    """The interpolation of `evolve`."""

    ahead: int = 3
    behind: int = 3
    band: float = 0.0


@dataclasses.dataclass(frozen=True)
class Table:
    """A csv series with the interface of an `audio.Recording`; `rate` in samples per time unit."""

    path: Path
    rate: Fraction
    columns: Sequence[str] | None = None

    @cached_property
    def values(self) -> np.ndarray:
        return load_csv(self.path, self.columns).values

    @property
    def channels(self) -> int:
        return self.values.shape[1]

    @property
    def frames(self) -> int:
        return len(self.values)

    def blocks(self, size: int = 65_536) -> Iterator[np.ndarray]:
        yield from (self.values[i : i + size] for i in range(0, self.frames, size))


Source = Recording | Table


@dataclasses.dataclass(frozen=True)
class Report:
    """What was done: `input`, `output`, rates in Hz (or per time unit of a csv series), `frames` written, the `scheme` with
    the `radius` of its roots, whether it is `stable` and where it is `recommended` by a trial; samples that were `clipped`;
    seconds of input per second of `seconds`, without compilation; the `round_trip_snr_db`, `None` where it is not defined;
    the call of a scheme that did `better` in the trial, and that does not stream, `None` where there is none; a `note` where
    the round trip is bad, with what to do."""

    input: str
    output: str
    rate_in: float
    rate_out: float
    trained: float
    frames: int
    scheme: dict[str, Any]
    clipped: int
    seconds: float
    real_time_factor: float
    round_trip_snr_db: float | None
    better: str | None
    note: str | None

    def text(self) -> str:
        """The same in words."""
        scheme, snr = self.scheme, self.round_trip_snr_db
        stable = "stable" if scheme["stable"] else "UNSTABLE"
        ratio = "not defined (too short, or no error)" if snr is None else f"{snr:.1f} dB"
        lines = [
            f"{self.input} at {self.rate_in:g} → {self.output} at {self.rate_out:g}, {self.frames} frames; network trained "
            f"at {self.trained:g}",
            f"scheme: ahead={scheme['ahead']}, behind={scheme['behind']}, band={scheme['band']:g}; roots within "
            f"{scheme['radius']:.5f} of 0 at rest, {stable}",
            f"real-time factor: {self.real_time_factor:.2f} ({self.seconds:.2f} s, compilation aside)",
            f"round trip: {ratio}, signal to error of the",
            "  output's beginning, read band-limited at the network's own steps, against the network itself there",
        ]
        if self.better:
            lines.append(f"better in the trial, and not a scheme of this command: {self.better}")
        if self.clipped:
            lines.append(f"clipped: {self.clipped} samples beyond full scale; --subtype float has none")
        return "\n".join(lines)


def resample(
    network: Network,
    source: Source,
    out: Path,
    to: Rate,
    trained: Rate,
    *,
    scheme: Scheme | None = None,
    hold: Sequence[float] = (),
    subtype: str | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Write to `out` what a network gives at the rate `to`.

    **Arguments:** `network`; `source` its input; `out` of the kind of the source; `to` and `trained` in the unit of the
    source's rate; `scheme`, or `None` for the best `evolve` of a trial; `hold` constants for the last channels of the input;
    `subtype` of a wav file, the source's unless given; whether to run an unstable scheme, `force`; `progress`, called with
    the frames done and all of them.

    **Raises:** `ValueError` for channels and rates that do not fit, samples that are not finite, an unstable scheme.
    """
    to, trained, rate_in = as_rate("--to", to), as_rate("--trained", trained), as_rate("rate", source.rate)
    check_channels(network, source, hold)
    mean, head = _survey(source, hold)
    own = _own_run(network, head, float(trained / rate_in))
    recommended, better = scheme is None, None
    if scheme is None:
        scheme, better = _recommended(network, own, float(to / trained))
    roots = _checked(network, mean, float(trained / to), scheme, force)

    def stream():
        return Stream(network.cell, network.output, rate_in, to, trained, **scheme._asdict())

    _compile(stream(), math.ceil((scheme.behind + 2) * rate_in / to), len(mean))
    total = math.ceil(source.frames * to / rate_in)
    started, clipped, kept = time.perf_counter(), 0, []
    wanted = math.ceil(len(head) * to / rate_in)
    try:
        with written_beside(out) as beside, _writer(beside, source, to, network, subtype, total) as write:
            for rows, done in _run(stream(), source, hold):
                clipped += write(rows)
                _keep(kept, rows, wanted)
                progress(done, source.frames)
    except NotFinite as error:
        raise ValueError(_not_finite(error.result, scheme, roots["stable"])) from None
    seconds, gap = time.perf_counter() - started, float(trained / to)
    snr = _round_trip(own.outputs, np.concatenate(kept), gap)
    return Report(
        input=str(source.path),
        output=str(out),
        rate_in=float(rate_in),
        rate_out=float(to),
        trained=float(trained),
        frames=total,
        scheme={**scheme._asdict(), **roots, "recommended": recommended},
        clipped=clipped,
        seconds=seconds,
        real_time_factor=float(source.frames / rate_in) / seconds,
        round_trip_snr_db=snr,
        better=better,
        note=None if snr is None or snr >= DOUBTFUL else _doubt(snr, scheme, gap, recommended),
    )


def check_channels(network: Network, source: Source, hold: Sequence[float]) -> None:
    """`ValueError` where the file's channels and the constants are not the network's inputs."""
    wanted = network.cell.input_size  # pyright: ignore[reportAttributeAccessIssue]
    if source.channels + len(hold) != wanted:
        constants = f", and --hold adds {counted(len(hold), 'constant')}" if len(hold) else ""
        cure = "Give --hold once for each input that is missing."
        if source.channels + len(hold) > wanted:
            cure = "Give --hold less often." if len(hold) else "Give a file with fewer channels, or fewer --column."
        raise ValueError(
            f"{source.path} has {counted(source.channels, 'channel')}{constants}; the network takes "
            f"{counted(wanted, 'input')}. {cure}"
        )
    if not np.isfinite(hold).all():
        raise ValueError(f"--hold must be finite numbers; got {list(hold)}.")


def _held(block: np.ndarray, hold: Sequence[float]) -> np.ndarray:
    """Samples (n, D) of the network's input."""
    return np.hstack([block, np.broadcast_to(np.asarray(hold, float), (len(block), len(hold)))])


def _survey(source: Source, hold) -> tuple[np.ndarray, np.ndarray]:
    """The mean input (D,), and its beginning (n, D)."""
    size = max(math.ceil(EXCERPT[0] * source.rate), EXCERPT[1])
    total, head = np.zeros(source.channels), []
    for block in source.blocks():
        total += block.sum(axis=0)
        _keep(head, block, size)
    return _held((total / source.frames)[None], hold)[0], _held(np.concatenate(head), hold)


def _keep(parts: list[np.ndarray], rows: np.ndarray, most: int) -> None:
    """Append what is missing to so many rows: a copy, since a view would keep all of them."""
    left = most - sum(map(len, parts))
    if left > 0:
        parts.append(rows[:left].copy())


class _Own(NamedTuple):
    """The network at its own rate: inputs (K, D) and outputs (K, M), the first at the stamp of the first sample."""

    xs: np.ndarray
    outputs: np.ndarray


def _own_run(network: Network, head: np.ndarray, steps: float) -> _Own:
    """Of the beginning of the input, whose samples are so many `steps` of the network apart. `ValueError` where the network
    leaves the float range there."""
    count = int((len(head) - 1) * steps + 1e-9) + 1
    xs = head if steps == 1 else _read(head, steps, count)
    states = jax.tree.map(lambda rows: rows[1:], iterate(network.cell, xs, throw=False).states)
    outputs = np.asarray(jax.vmap(network.output)(jnp.asarray(xs), states))
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"the network leaves the float range on this input, at its own rate, at step {int(np.argmin(finite))}: it cannot "
            "be run at another rate. Look at its weights, --activation, and the scale of the input."
        )
    return _Own(xs, outputs)


def _read(rows: np.ndarray, steps: float, count: int) -> np.ndarray:
    """Rows so many `steps` apart, read band-limited at the first `count` whole steps from the first row on."""
    path = BandLimited(rows, dt=steps, t0=1.0, half_width=64)
    return np.asarray(_along(path, 1.0 + np.arange(count)))


@eqx.filter_jit
def _along(path, ts):
    return jax.lax.map(path, ts, batch_size=ROWS)


def _recommended(network: Network, own: _Own, ratio: float) -> tuple[Scheme, str | None]:
    """The best in a trial of the schemes that a stream can run, and what else did better by more than `WORTH`."""
    plain, x = Network(network.cell, network.readout), jnp.asarray(own.xs[0])
    found = recommend(network.cell, _liveliest(own), ratio, output=lambda h: plain.output(x, h))
    ours = next((one for one in found.schemes if one.run.func is evolve and one.snr > -math.inf), None)
    if ours is None:
        raise ValueError(f"--recommend: no scheme of evolve is stable at a ratio of {ratio:g}:\n{found.table()}")
    top = found.schemes[0]
    better = f"{top.label}, by {top.snr - ours.snr:.1f} dB" if top.snr > ours.snr + WORTH else None
    return Scheme(**ours.run.keywords), better


def _liveliest(own: _Own) -> np.ndarray:
    """The inputs while the outputs change the most, as many as a trial looks at: a recording may begin with silence."""
    length = min(LONGEST, len(own.xs))
    so_far = np.append(0.0, np.cumsum(np.square(np.diff(own.outputs, axis=0)).sum(axis=1)))
    begin = int(np.argmax(so_far[length - 1 :] - so_far[: len(so_far) - length + 1]))
    return own.xs[begin : begin + length]


def _checked(network: Network, mean: np.ndarray, gap: float, scheme: Scheme, force: bool) -> dict[str, Any]:
    """The radius of the scheme's roots at rest under the mean input, and whether it is stable; `ValueError` if not."""
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


def _not_finite(result: int, scheme: Scheme, stable: bool) -> str:
    """What to say in a terminal of a result that is not finite."""
    given = f"--ahead {scheme.ahead} --behind {scheme.behind}"
    cause = f"--force ran the unstable scheme {given}: without --force the command lists the stable ones."
    if stable:
        cause = f"The network grows without bound, or {given} fails on this input: give smaller numbers."
    return f"sample {result} of the output is not finite: the network's state left the float range. {cause}"


def _doubt(snr: float, scheme: Scheme, gap: float, recommended: bool) -> str:
    """What to say of a bad round trip, and what to do."""
    what = f"the output is not what the network gives at its own rate (round trip: {snr:.1f} dB, signal to error)"
    weights = _weights(scheme, gap)
    if weights > LARGE * _weights(Scheme(), gap):
        return (
            f"{what}. --ahead {scheme.ahead} --behind {scheme.behind} enlarge every small error up to {weights:.2g} times a "
            "result: give a smaller --ahead and --behind, such as 3 and 3."
        )
    if gap > 1:
        return f"{what}. The output can have frequencies up to half of --to: what the network has above is lost."
    return what + ("." if recommended else ". Try --recommend, which compares schemes.")


def _weights(scheme: Scheme, gap: float) -> float:
    """The sum of the moduli of the weights: an error of 1 in every state of the orbit is that in the result, at worst."""
    nodes, whole = uniform_nodes(gap, scheme.ahead, scheme.behind)
    return float(np.abs(lagrange(nodes, gap - whole, scheme.band, np)).sum())


def _compile(stream: Stream, samples: int, width: int) -> None:
    """So that the next stream of that kind need not."""
    stream.push(np.zeros((samples, width)))
    stream.flush()


def _run(stream: Stream, source: Source, hold) -> Iterator[tuple[np.ndarray, int]]:
    """Results as they come, and the frames that have gone in."""
    done = 0
    for block in source.blocks():
        done += len(block)
        yield stream.push(_held(block, hold)), done
    yield stream.flush(), done


@contextlib.contextmanager
def _writer(path: Path, source: Source, to: Fraction, network: Network, subtype: str | None, frames: int):
    """A function that appends outputs (n, M), in a file of the source's kind, and returns how many it clipped."""
    outputs = network.output_size or network.cell.hidden_size  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(source, Recording):
        with wav_writer(path, int(to), outputs, subtype or source.subtype, frames) as write:
            yield write
        return
    with path.open("w", encoding="utf-8") as file:
        names = ["output"] if outputs == 1 else [f"output{m}" for m in range(outputs)]
        file.write(",".join(["time", *names]) + "\n")
        done = 0

        def append(rows: np.ndarray) -> int:
            nonlocal done
            for row in rows.tolist():
                file.write(",".join(map(repr, [float(done / to), *row])) + "\n")
                done += 1
            return 0

        yield append


def _round_trip(own: np.ndarray, ours: np.ndarray, gap: float) -> float | None:
    """Signal to error, dB, of our outputs read at the network's own steps, without what the start and the ends spoil."""
    count = len(own)
    inner = slice(min(2000, count // 4), count - count // 16)
    noise, power = _level((_read(ours, gap, count) - own)[inner]), _level((own - own.mean(axis=0))[inner])
    return power - noise if np.isfinite(noise) and np.isfinite(power) else None


def _level(values: np.ndarray) -> float:
    """dB, −inf for zeros; whatever squares would not overflow or be lost."""
    largest = float(np.abs(values).max(initial=0))
    if not 0 < largest < math.inf:
        return 20 * math.log10(largest) if largest else -math.inf
    return 20 * math.log10(largest) + 10 * math.log10(np.sum((values / largest) ** 2))
