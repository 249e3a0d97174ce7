"""Run a network on a recording or a csv series at another rate than its own, block by block: the job of `rnn-ode resample`.

The file is read twice. The first reading gives the mean of the samples, and finds samples that are not finite before anything
is written. The stability of the scheme is checked at the fixed point under that mean. The second reading is the run.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .._base.checks import counted
from .._files.atomic import written_beside
from ..interop import Network
from .files_pre_roll import after_silence
from .files_report import Report, doubt, not_finite
from .files_round_trip import own_run, own_through_half_band, round_trip
from .files_scheme import Scheme, checked_roots, recommended_scheme
from .files_source import Source, keep_up_to, survey, with_constants, writer
from .stream import NotFinite, Rate, Stream, as_rate

EXCERPT = 5, 16_384  # seconds or samples, whichever are more: what the round trip and the recommendation look at


def resample_file(
    network: Network,
    source: Source,
    out: Path,
    to: Rate,
    trained: Rate,
    *,
    scheme: Scheme | None = None,
    latency: float | None = None,
    hold: Sequence[float] = (),
    subtype: str | None = None,
    force: bool = False,
    pre_roll: float = 0.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Write the output of a network at the rate `to`, and report how well that went.

    **Arguments:**

    - `network`: with its readout.
    - `source`: its input.
    - `out`: the file of its output, of the kind of the source.
    - `to`, `trained`: the new rate and the network's own, in the unit of the source's rate.
    - `scheme`: of `evolve` or of `resampled`. Default `None`: the best one of a trial.
    - `latency`: the most steps of the network that a result of a stream may wait, in a trial. Default: no limit.
    - `hold`: constants for the last channels of the input.
    - `subtype`: of a wav file. Default: that of the source.
    - `force`: whether to run an unstable scheme.
    - `pre_roll`: for how long the network runs under silence, and the constants, before the first sample.
    - `progress`: a function that is called with the number of frames done and of all frames.

    **Raises:** `ValueError` for channels and rates that do not fit, samples that are not finite, an unstable scheme.
    """
    to, trained, rate_in = as_rate("--to", to), as_rate("--trained", trained), as_rate("rate", source.rate)
    _check_channels(network, source, hold)
    silence = with_constants(np.zeros((1, source.channels)), hold)[0]
    network = after_silence(network, silence, pre_roll * float(trained))
    mean, head = survey(source, hold, EXCERPT)
    own = own_run(network, head, float(trained / rate_in))
    recommended, better = scheme is None, None
    if scheme is None:
        scheme, better = recommended_scheme(network, own, float(to / trained), latency, float(trained / rate_in))
    gap = float(trained / to)
    roots = checked_roots(network, mean, gap, scheme, force)

    def stream() -> Stream:
        return Stream(network.cell, network.output, rate_in, to, trained, **scheme._asdict(), h0=network.initial)

    if scheme.half_band:
        own = own_through_half_band(network, own, float(trained / rate_in))
    samples = math.ceil((scheme.behind + 2) * rate_in / to)
    _compile(stream(), samples, len(mean))
    total = math.ceil(source.frames * to / rate_in)
    channels = network.output_size or network.cell.hidden_size  # pyright: ignore[reportAttributeAccessIssue]
    waits = stream().latency
    started, clipped, kept = time.perf_counter(), 0, []
    wanted = math.ceil(len(head) * to / rate_in)
    try:
        with written_beside(out) as beside, writer(beside, source, to, channels, subtype, total) as write:
            for rows, done in _results(stream(), source, hold):
                clipped += write(rows)
                keep_up_to(wanted, kept, rows)
                progress(done, source.frames)
    except NotFinite as error:
        raise ValueError(not_finite(error.result, scheme, roots["stable"])) from None
    seconds = time.perf_counter() - started
    snr = round_trip(own.outputs, np.concatenate(kept), gap)
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
        note=doubt(snr, scheme, gap, recommended),
        latency=waits,
    )


def _check_channels(network: Network, source: Source, hold: Sequence[float]) -> None:
    """`ValueError` if the file's channels and the constants are not as many as the network's inputs."""
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


def _compile(stream: Stream, samples: int, width: int) -> None:
    """Run a stream on zeros, so that the next one of its kind does not compile."""
    stream.push(np.zeros((samples, width)))
    stream.flush()


def _results(stream: Stream, source: Source, hold: Sequence[float]) -> Iterator[tuple[np.ndarray, int]]:
    """The results of the stream as they come, and the number of frames that have gone in."""
    done = 0
    for block in source.blocks():
        done += len(block)
        yield stream.push(with_constants(block, hold)), done
    yield stream.flush(), done
