"""`rnn-ode resample`: a trained network at another rate."""

from pathlib import Path
from typing import Annotated

import typer

from ._app import app, job, mention_unused, say
from ._csv import (
    Columns,
    Dates,
    Decimal,
    Fill,
    FillSeason,
    Header,
    Index,
    Missing,
    NoHeader,
    Sep,
)
from ._options import (
    ACTIVATION,
    WEIGHT_FILES,
    Activation,
    Between,
    Channel,
    Json,
    Prefix,
    Readout,
)
from ._progress import percentage
from ._result import check_files, fitted, print_result


@app.command("resample")
def resample_command(
    context: typer.Context,
    weights: Annotated[Path, typer.Option(help=WEIGHT_FILES)],
    input: Annotated[Path, typer.Option(help="File of its input: a recording (.wav, .flac, .aiff and more), or .csv.")],
    out: Annotated[Path, typer.Option(help="File of its output: a recording in any of these formats, or .csv.")],
    to: Annotated[
        float, typer.Option(help="The new rate of the network: in Hz, or for a csv file in samples per time unit.")
    ],
    trained: Annotated[
        float | None,
        typer.Option(help="The rate that it was trained at. Without it: what its file says, or the rate of the input."),
    ] = None,
    rate: Annotated[float, typer.Option(help="The rate of a csv file, in samples per time unit.")] = 1.0,
    column: Columns = None,
    index: Index = None,
    dates: Dates = None,
    sep: Sep = None,
    decimal: Decimal = None,
    na: Missing = None,
    header: Header = False,
    no_header: NoHeader = False,
    fill: Fill = None,
    season: FillSeason = None,
    hold: Annotated[
        list[float] | None, typer.Option(help="One more input, which is constant (a knob). Can be repeated.")
    ] = None,
    ahead: Annotated[
        int,
        typer.Option(
            min=1, help="Number of times that the network is applied for each result. Large ones enlarge small errors."
        ),
    ] = 3,
    behind: Annotated[int, typer.Option(min=0, help="Number of earlier states that each result also uses.")] = 3,
    band: Annotated[
        float, typer.Option(help="Highest frequency that is fitted, in cycles per step. 0: polynomials are fitted.")
    ] = 0.0,
    half_width: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=512,
            help="Run the network at its own rate instead, and read its input and its output by windows of so many samples "
            "to either side, such as 16. It is more accurate than --ahead and --behind, and waits longer in a stream.",
        ),
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Take the widest --half-width, up to 64, with which a result of a stream waits at most so many steps of the "
            "network. The file has no delay. With --recommend it limits the trial.",
        ),
    ] = None,
    half_band: Annotated[
        bool,
        typer.Option(
            "--half-band",
            help="Read the input and the output by half-band filters, which wait less and have a phase of their own. "
            "--half-width, 4 by default, then counts half samples.",
        ),
    ] = False,
    best: Annotated[
        bool,
        typer.Option(
            "--recommend",
            help="Choose --ahead, --behind and --band, --half-width, or a feedback with fitted weights, by a trial on part "
            "of the first seconds.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run the scheme even if it is unstable.")] = False,
    channel: Annotated[
        Channel | None,
        typer.Option(
            case_sensitive=False,
            metavar="NAME",
            help="Channel of a recording for a network with one input: left, right, mix (the mean) or each. Default: each.",
        ),
    ] = None,
    pre_roll: Annotated[
        float,
        typer.Option(
            help="Run the network under silence first, for so many seconds (units of time of a csv file). An amplifier that "
            "starts from zeros begins with a thump."
        ),
    ] = 0.0,
    subtype: Annotated[
        str | None,
        typer.Option(
            help="Format of the output's samples: pcm16, pcm24, pcm32, float, double, or libsndfile's name of another one, "
            "such as PCM_U8. Without it: as the input, if the output's format has it."
        ),
    ] = None,
    residual: Annotated[
        bool | None,
        typer.Option(help="Whether the input is added to the output. Without it: as the file of the network says."),
    ] = None,
    activation: Annotated[
        Activation | None,
        typer.Option(
            metavar="NAME",
            help=f"{ACTIVATION} For a plain network. Without it: tanh for PyTorch's names of arrays, relu for W_h, W_x, b.",
        ),
    ] = None,
    prefix: Prefix = None,
    readout: Readout = None,
    between: Between = None,
    as_json: Json = False,
) -> None:
    """Run a trained network at another rate than the one that it was trained at.

    The input is a recording or a series, of any length.
    """
    from .._resampling.files import resample_file
    from .._resampling.files_channels import on_channels
    from .._resampling.files_scheme import Scheme
    from ._resample_input import assumptions, check_rates, network_in_double, readings, scheme_of, source_of

    def kept() -> str:
        return f"Stopped; no output was written to {out}: run the same command again."

    own_rate = half_band or half_width is not None or latency is not None
    names = {"rate_in": "--rate", "rate_out": "--to"}
    with job(context, kept, names):
        if best:
            mention_unused(context, "with --recommend", "ahead", "behind", "band", "half_width", "half_band", "force")
        elif own_rate:
            given = "with --half-width, --latency and --half-band"
            mention_unused(context, given, "ahead", "behind", "band", "force")
        check_files(reads={"--input": input, "--weights": weights}, writes={"--out": out})
        source = source_of(context, input, out, to, rate, column, subtype)
        read = readings(context, source, out, rate)
        network = network_in_double(weights, activation, prefix, readout, between, residual)
        network, source = on_channels(network, source, len(hold or ()), channel)
        own = (network.rate or source.rate) if trained is None else trained
        check_rates(source.rate, to, own)
        scheme = None if best else Scheme(ahead, behind, band)
        if scheme is not None and own_rate:
            scheme = scheme_of(half_width, latency, half_band, own, source.rate)
        assumed = [*read, *assumptions(weights, network, activation)]
        with percentage("resampling") as update:

            def show(done: int, total: int) -> None:
                while assumed:  # at the first block: by then everything has been checked
                    say("note", "yellow", assumed.pop(0))
                update(done, total)

            options = {"scheme": scheme, "hold": hold or (), "subtype": subtype, "force": force, "pre_roll": pre_roll}
            options["latency"] = latency
            report = resample_file(network, source, out, to, own, **options, progress=show)
        if report.note is not None:
            say("warning", "yellow", report.note)
        print_result(as_json, report.to_dict(), fitted(report.tables()))
