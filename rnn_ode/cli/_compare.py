"""`rnn-ode compare`: a network and its continuous counterparts on a series."""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ._app import app, job, mention_unused, with_advice
from ._csv import (
    LAST_COLUMN,
    Dates,
    Decimal,
    Fill,
    FillSeason,
    Header,
    Index,
    Missing,
    NoHeader,
    Sep,
    mention_unused_of_csv,
    reading_with_season,
)
from ._options import (
    ACTIVATION,
    METHODS,
    WITHOUT_ACTIVATION,
    Activation,
    Between,
    FigureFile,
    Gain,
    Hidden,
    Json,
    Prefix,
    Readout,
    Recurrent,
    RecurrentKind,
    Weights,
)
from ._progress import numbered, progress
from ._result import check_files, deliver

SHOWN = ("textbook", "forward:1", "forward:3", "exact:anchored")
"""The methods without `--method`. All of them exist for a network without `--recurrent` and `--activation`."""


@app.command("compare")
def compare_command(
    context: typer.Context,
    input: Annotated[
        Path | None, typer.Option(help="A csv file with the series. Without it: the yearly sunspot numbers.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help=f"The column of the csv file: its name, or its number from 0. Without it: {LAST_COLUMN}."),
    ] = None,
    index: Index = None,
    dates: Dates = None,
    sep: Sep = None,
    decimal: Decimal = None,
    na: Missing = None,
    header: Header = False,
    no_header: NoHeader = False,
    fill: Fill = None,
    season: FillSeason = None,
    weights: Weights = None,
    prefix: Prefix = None,
    readout: Readout = None,
    between: Between = None,
    hidden: Hidden = 32,
    activation: Annotated[
        Activation | None,
        typer.Option(
            metavar="NAME",
            case_sensitive=False,
            help=f"{ACTIVATION} {WITHOUT_ACTIVATION}",
        ),
    ] = None,
    gain: Gain = 0.8,
    recurrent: RecurrentKind = Recurrent.shifted,
    method: Annotated[
        list[str] | None,
        typer.Option(help=f"A method: {', '.join(METHODS)}. Can be repeated. Without it: {', '.join(SHOWN)}."),
    ] = None,
    seed: Annotated[int, typer.Option(max=2**31 - 1, help="Seed of the random network.")] = 0,
    out: FigureFile = Path("rnn_ode_compare.png"),
    as_json: Json = False,
) -> None:
    """Run a network and its continuous counterparts on a series. The result is a table and a figure.

    The series is scaled to mean 0 and standard deviation 1 before it drives the network. Without options, each method exists
    for the network. With --activation relu or --recurrent orthogonal some do not, and the result says why.
    """
    started = time.perf_counter()
    from .._methods.catalogue import from_label
    from .._reports.compare import compare
    from ..datasets import load_csv, sunspots
    from ._cell import cell_from_file, cell_name, check_inputs, mention_activation, random_cell

    with job(context):
        check_files(figure=out, reads={"--input": input, "--weights": weights})
        if input is None:
            mention_unused_of_csv(context, "without --input", "season")
        if weights is not None:
            mention_unused(context, "with --weights", "hidden", "gain", "recurrent", "seed")
        else:
            mention_unused(context, "without --weights", "prefix", "readout", "between")
        methods = tuple(from_label("--method", text) for text in method or SHOWN)
        series = sunspots() if input is None else load_csv(input, column, **reading_with_season(context))
        xs = _standardised(series.name, series.values)
        h0 = None
        if weights is None:
            kind = activation or Activation.tanh
            cell = random_cell(xs.shape[1], hidden, activation=kind, recurrent=recurrent, gain=gain, seed=seed)
        else:
            cell, h0 = cell_from_file(weights, activation, prefix, readout, between)
            check_inputs(cell, xs.shape[1], weights)
            mention_activation(weights, cell, activation)
        with progress("running the network") as step:
            parts = len(methods) + 3  # the network, its eigenvalues and its growth
            comparison = compare(cell, xs, h0=h0, methods=methods, progress=numbered(step, parts))
        read = "" if input is None else f"{with_advice(context, series.understood())}\n"
        source = f"{cell_name(cell)} ({weights or 'random network'})"
        deliver(
            comparison,
            as_json,
            out,
            about={"series": series.name, **({} if input is None else {"read": series.understanding()})},
            head=f"{read}{series.name}: {len(xs)} samples; network: {source}",
            tail=lambda: f"  ({time.perf_counter() - started:.1f} s)",
        )


def _standardised(name: str, values: np.ndarray) -> np.ndarray:
    """The values (T, D) of the series of that name, every column scaled to mean 0 and standard deviation 1."""
    spread = values.std(axis=0)
    if np.any(spread == 0):
        raise ValueError(f"{name}: the series is constant, so that it cannot be scaled; give another --column.")
    return (values - values.mean(axis=0)) / spread
