"""`rnn-ode resample`: a trained network at another rate."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import equinox as eqx
import jax
import typer

from .._cells.vanilla import VanillaCell
from .._files.atomic import check_readable, check_writable
from .._resampling.files import Scheme, Source, Table, resample
from .._resampling.stream import as_rate
from ..audio import SUBTYPES, read_wav
from ..interop import Network, read_network
from ._app import Json, app, finish, job, say
from ._common import ACTIVATIONS, Activation, check_apart, mention_unused, percentage


@app.command("resample")
def resample_command(
    context: typer.Context,
    weights: Annotated[Path, typer.Option(help="File of the network: .json, .npz or .safetensors.")],
    input: Annotated[Path, typer.Option(help="File of its input: .wav or .csv.")],
    out: Annotated[Path, typer.Option(help="File of its output, of the same kind as the input.")],
    to: Annotated[
        float, typer.Option(help="The new rate of the network: in Hz, or for a csv file in samples per time unit.")
    ],
    trained: Annotated[
        float | None, typer.Option(help="The rate that it was trained at. Without it: the rate of the input.")
    ] = None,
    rate: Annotated[float, typer.Option(help="The rate of a csv file, in samples per time unit.")] = 1.0,
    column: Annotated[
        list[str] | None, typer.Option(help="A column of a csv file: its name, or its number from 0. Can be repeated.")
    ] = None,
    hold: Annotated[
        list[float] | None, typer.Option(help="One more input, which is constant (a knob). Can be repeated.")
    ] = None,
    ahead: Annotated[
        int,
        typer.Option(
            min=1, help="How often the network is applied for each result. Large numbers enlarge small errors."
        ),
    ] = 3,
    behind: Annotated[int, typer.Option(min=0, help="Number of earlier states that each result also uses.")] = 3,
    band: Annotated[
        float, typer.Option(help="Highest frequency that is fitted, in cycles per step. 0: polynomials are fitted.")
    ] = 0.0,
    best: Annotated[
        bool,
        typer.Option(
            "--recommend", help="Choose --ahead, --behind and --band by a trial on part of the first seconds."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run the scheme even if it is unstable.")] = False,
    subtype: Annotated[
        str | None,
        typer.Option(help=f"Format of the output's samples: {', '.join(SUBTYPES)}. Without it: as the input."),
    ] = None,
    residual: Annotated[
        bool | None,
        typer.Option(help="Whether the input is added to the output. Without it: as the file of the network says."),
    ] = None,
    activation: Annotated[
        Activation | None,
        typer.Option(
            help="Activation of a plain network. Without it: tanh for PyTorch's names of arrays, relu for W_h, W_x, b."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a trained network at another rate than the one that it was trained at.

    The input is a recording or a series, of any length.
    """

    def kept() -> str:
        return f"Stopped; no output was written to {out}: run the same command again."

    names = {"rate_in": "--rate", "rate_out": "--to"}
    with job(context, kept, names):
        if best:
            mention_unused(context, "with --recommend", "ahead", "behind", "band", "force")
        check_readable("--weights", weights)
        check_apart({"--out": out}, {"--input": input, "--weights": weights})
        source = _source(context, input, out, to, rate, column, subtype)
        network = _network(weights, activation, residual)
        scheme = None if best else Scheme(ahead, behind, band)
        own = source.rate if trained is None else trained
        notes = _notes(weights, network, activation)
        with percentage("resampling") as update:

            def told(done: int, total: int) -> None:
                while notes:  # once all that can be wrong has been looked at
                    say("note", "yellow", notes.pop(0))
                update(done, total)

            report = resample(
                network, source, out, to, own,
                scheme=scheme, hold=hold or (), subtype=subtype, force=force, progress=told,
            )  # fmt: skip
        if report.note is not None:
            say("warning", "yellow", report.note)
        finish(json.dumps(dataclasses.asdict(report), allow_nan=False) if as_json else report.text())


def _source(context, input: Path, out: Path, to: float, rate: float, column, subtype: str | None) -> Source:
    """The input, and whether the output can be written at all, before anything takes time."""
    kind = input.suffix.lower()
    if kind not in (".wav", ".csv") or out.suffix.lower() != kind:
        raise ValueError(f"--input and --out must both end in .wav or both in .csv; got {input} and {out}.")
    check_readable("--input", input)
    check_writable("--out", out)
    hz = as_rate("--to", to)
    if kind == ".csv":
        mention_unused(context, "with a csv series", "subtype")
        return Table(input, as_rate("--rate", rate), column)
    mention_unused(context, "with a wav file", "rate", "column")
    if hz.denominator != 1 or hz >= 2**31:
        raise ValueError(f"--to must be a whole number of Hz for a wav file, below 2^31; got {to}.")
    if subtype is not None and subtype not in SUBTYPES:
        raise ValueError(f"--subtype must be one of {', '.join(SUBTYPES)}; got {subtype!r}.")
    return read_wav(input)


def _network(weights: Path, activation: Activation | None, residual: bool | None) -> Network:
    """The network of the file, in the precision of the command, whatever its file has."""
    network = read_network(
        weights,
        activation=... if activation is None else ACTIVATIONS[activation],
        residual=... if residual is None else residual,
    )
    return jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, network)


def _notes(weights: Path, network: Network, activation: Activation | None) -> list[str]:
    """What was assumed of the network, because its file does not say it."""
    relu = isinstance(network.cell, VanillaCell) and network.cell.activation is jax.nn.relu
    taken = [f"{weights} does not say its activation: relu is taken; --activation gives another."]
    states = [f"{weights} has no readout: the output is the network's state, all of its units."]
    return taken * (relu and activation is None) + states * (network.readout is None)
