"""The network and the input of `rnn-ode resample`. The subcommand imports this file when it runs, since it imports JAX."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import typer

from .._paths.half_band import HalfBand
from .._resampling.files_scheme import Scheme, widest
from .._resampling.files_source import Source, Table
from .._resampling.stream import Rate, as_rate
from ..audio import read_recording
from ..audio._formats import MOST_HZ, check_subtype, format_of, subtype_for
from ..interop import Network
from ._app import mention_unused, with_advice
from ._cell import assumed_activation, network_from_file
from ._csv import mention_unused_of_csv, reading_with_season
from ._options import Activation


def source_of(
    context: typer.Context,
    input: Path,
    out: Path,
    to: float,
    rate: float,
    column: list[str] | None,
    subtype: str | None,
) -> Source:
    """The input, after a check that input and output are of one kind and that the options fit that kind."""
    is_csv = [path.suffix.lower() == ".csv" for path in (input, out)]
    if is_csv[0] != is_csv[1]:
        raise ValueError(
            "--input and --out must both end in .wav or both in .csv, or both be recordings of other formats, such as .flac; "
            f"got {input} and {out}."
        )
    hz = as_rate("--to", to)
    if is_csv[0]:
        mention_unused(context, "with a csv series", "subtype", "channel")
        return Table(input, as_rate("--rate", rate), column, reading_with_season(context))
    mention_unused_of_csv(context, "with a recording", "rate", "season")
    if hz.denominator != 1 or hz > MOST_HZ:
        raise ValueError(f"--to must be a whole number of Hz for a recording, at most {MOST_HZ:,}; got {to}.")
    check_subtype(format_of(out), subtype or subtype_for(out, "float"))
    return read_recording(input)


def readings(context: typer.Context, source: Source, out: Path, rate: float) -> list[str]:
    """How a csv file was understood, and what becomes of its times."""
    if not isinstance(source, Table):
        return []
    series = source.series
    times = (
        f"the times of {source.path} are not kept: those of {out} begin at 0, and --rate ({rate:g}) gives their unit."
    )
    return [f"{with_advice(context, series.understood())}."] + [times] * (series.index is not None)


def check_rates(rate_in: Fraction | int, to: float, trained: Rate) -> None:
    """`ValueError` if the rates are so far apart that nobody means them."""
    rates = {"the input's rate": rate_in, "--to": as_rate("--to", to), "--trained": as_rate("--trained", trained)}
    low, high = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    if rates[high] > _MOST_APART * rates[low]:
        raise ValueError(
            f"the rates must be within a factor of {_MOST_APART:,} of each other; {low} is {float(rates[low]):g}, and {high} "
            f"is {float(rates[high]):g}. All are in the same unit."
        )


_MOST_APART = 10_000


def network_in_double(*given: Any) -> Network:
    """The network of the file, as `network_from_file` reads it, in float64, which the command computes in."""
    network = network_from_file(*given)
    return jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, network)


def assumptions(weights: Path, network: Network, activation: Activation | None) -> list[str]:
    """What is assumed of the network because its file does not say it."""
    states = [f"{weights} has no readout: the output is the network's state, all of its units."]
    return assumed_activation(weights, network.cell, activation) + states * (network.readout is None)


def scheme_of(half_width: int | None, latency: float | None, half_band: bool, trained: Any, rate: Any) -> Scheme:
    """The scheme of `resampled` for one of the two options; `ValueError` for both, or for a latency without room."""
    if half_width is not None and latency is not None:
        raise ValueError(f"give --half-width or --latency; got {half_width} and {latency:g}.")
    if latency is not None:
        return widest(latency, float(as_rate("--trained", trained) / as_rate("rate", rate)), half_band)
    width = HalfBand.half_width if half_width is None else half_width
    return Scheme(half_width=width, input_half_width=width, half_band=half_band)
