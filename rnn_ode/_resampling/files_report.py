"""What `rnn-ode resample` tells of a run."""

import dataclasses
from typing import Any

from .._base.shown import Shown
from .._base.text import Column, Table
from .files_scheme import Scheme, error_gain

DOUBTFUL = 20.0  # a round trip below this many dB gets a note
LARGE = 4.0  # a scheme that enlarges errors this many times more than the default is named in the note


@dataclasses.dataclass(frozen=True)
class Report(Shown):
    """What was done, and how well.

    **Fields:**

    - `input`, `output`: the names of the files.
    - `rate_in`, `rate_out`, `trained`: rates of the input, the output and the network's own, in Hz or per time unit.
    - `frames`: how many were written.
    - `scheme`: `ahead`, `behind`, `band`, `half_width` (`None` for `evolve`), `input_half_width`, and whether they are those
      of half-band filters, `half_band`; `predict` and `correct`, the weights of a fitted feedback, or `None` and (); `beta`
      and `input_beta` of the two windows, `None` if fitted to their widths; the `radius` of its roots, `None` if the network
      runs at its own rate; whether it is `stable`, and `recommended` by a trial.
    - `clipped`: number of samples beyond full scale.
    - `seconds`: of the run, without compiling; `real_time_factor`: seconds of input for each of them.
    - `round_trip_snr_db`: as `round_trip` returns it; `None` if it is not defined. Behind half-band filters the network is
      compared through the same phase.
    - `better`: a scheme that did better in the trial and cannot stream, or `None`.
    - `note`: what is wrong with a bad round trip, and what to do, or `None`.
    - `latency`: how long a result would wait for its input in a stream, in steps of the network; the file has no delay.
    """

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
    latency: float | None = None

    def _tables(self) -> tuple[Table, ...]:
        scheme, snr = self.scheme, self.round_trip_snr_db
        ratio = "not defined (too short, or no error)" if snr is None else f"{snr:.1f} dB"
        rows = [
            ("input", f"{self.input} at {self.rate_in:g}"),
            ("output", f"{self.output} at {self.rate_out:g}, {self.frames} frames"),
            ("network", f"trained at {self.trained:g}"),
            *_scheme_rows(scheme),
            ("real-time factor", f"{self.real_time_factor:.2f} ({self.seconds:.2f} s, compilation aside)"),
            ("round trip", ratio),
        ]
        if self.latency is not None:
            waits = f"{self.latency:.3g} steps of the network, {self.latency / self.trained:.2g} time units"
            rows.append(("latency", f"{waits}, in a stream; the file has no delay"))
        if self.better:
            rows.append(("better in the trial", f"{self.better}; this command does not run it"))
        if self.clipped:
            rows.append(("clipped", f"{self.clipped} samples beyond full scale; --subtype float has none"))
        columns = Column(""), Column("")
        return (Table(columns, tuple(rows), "A network run at another rate.", (_ROUND_TRIP,)),)

    def _data(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _scheme_rows(scheme: dict[str, Any]) -> list[tuple[str, str]]:
    if scheme.get("half_width") is not None:
        width = f"half_width={scheme['half_width']}, input_half_width={scheme['input_half_width']}"
        filters = [("filters", "half-band, with a phase of their own; the round trip is through the same phase")]
        return [("scheme", f"at the network's own rate, {width}")] + filters * bool(scheme.get("half_band"))
    stable = "stable" if scheme["stable"] else "UNSTABLE"
    given = f"ahead={scheme['ahead']}, behind={scheme['behind']}, band={scheme['band']:g}"
    if scheme.get("predict") is not None:
        counts = (str(len(scheme[name])) for name in ("predict", "correct") if scheme[name])
        given = f"fitted feedback, {' + '.join(counts)} weights"
    return [
        ("scheme", given),
        ("roots", f"within {scheme['radius']:.5f} of 0 at rest, {stable}"),
    ]


_ROUND_TRIP = (
    "Round trip: signal to error of the output's beginning, read band-limited at the network's own steps, against the "
    "network itself there."
)


def doubt(snr: float | None, scheme: Scheme, gap: float, recommended: bool) -> str | None:
    """The note on a bad round trip, with what to do; `None` if the round trip is good or not defined."""
    if snr is None or snr >= DOUBTFUL:
        return None
    what = f"the output is not what the network gives at its own rate (round trip: {snr:.1f} dB, signal to error)"
    gain = 0.0 if scheme.half_width or scheme.predict else error_gain(scheme, gap)
    if gain > LARGE * error_gain(Scheme(), gap):
        return (
            f"{what}. --ahead {scheme.ahead} --behind {scheme.behind} enlarge every small error up to {gain:.2g} times a "
            "result: give a smaller --ahead and --behind, such as 3 and 3."
        )
    if gap > 1:
        return f"{what}. The output can have frequencies up to half of --to: what the network has above is lost."
    if scheme.half_width and min(scheme.half_width, scheme.input_half_width) < (4 if scheme.half_band else 8):
        return f"{what}. Windows of {scheme.half_width} are narrow: give a larger --half-width or --latency, such as 8 or 16."
    return what + ("." if recommended else ". Try --recommend, which compares schemes.")


def not_finite(result: int, scheme: Scheme, stable: bool) -> str:
    """The text of the error for a result that is not finite."""
    if scheme.half_width:
        return (
            f"sample {result} of the output is not finite: the network's state left the float range. The network grows "
            "without bound on this input."
        )
    failed = f"sample {result} of the output is not finite: the network's state left the float range."
    if scheme.predict:
        return (
            f"{failed} The network grows without bound, or the fitted feedback fails on this input: give --half-width."
        )
    given = f"--ahead {scheme.ahead} --behind {scheme.behind}"
    cause = f"--force ran the unstable scheme {given}: without --force the command lists the stable ones."
    if stable:
        cause = f"The network grows without bound, or {given} fails on this input: give smaller numbers."
    return f"{failed} {cause}"
