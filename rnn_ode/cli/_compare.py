"""`rnn-ode compare`: a network and its continuous counterparts on a series."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from .._base.checks import counted
from .._files.atomic import check_readable
from .._methods.catalogue import from_label
from .._reports.compare import METHODS, compare
from ..datasets import load_csv, sunspots
from ._app import Json, app, finish, job
from ._common import (
    Activation,
    Gain,
    Hidden,
    Recurrent,
    RecurrentKind,
    Weights,
    check_apart,
    check_figure,
    describe,
    mention_unused,
    network,
    progress,
    save_figure,
    standardised,
)


@app.command("compare")
def compare_command(
    context: typer.Context,
    input: Annotated[
        Path | None, typer.Option(help="A csv file with the series. Without it: the yearly sunspot numbers.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of the csv file: its name, or its number from 0.")
    ] = None,
    weights: Weights = None,
    hidden: Hidden = 32,
    activation: Annotated[
        Activation | None, typer.Option(help="Activation. Without it: what the file of the network says, or relu.")
    ] = None,
    gain: Gain = 0.9,
    recurrent: RecurrentKind = Recurrent.orthogonal,
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method, such as forward:3. Can be repeated. Without it: five methods."),
    ] = None,
    seed: Annotated[int, typer.Option(max=2**31 - 1, help="Seed of the random network.")] = 0,
    out: Annotated[Path, typer.Option(help="File of the figure: .png, .pdf or .svg.")] = Path("rnn_ode_compare.png"),
    as_json: Json = False,
) -> None:
    """Run a network and its continuous counterparts on a series. The result is a table and a figure.

    The series is scaled to mean 0 and standard deviation 1 before it drives the network.
    """
    with job(context):
        started = time.perf_counter()
        check_figure(out)
        check_apart({"--out": out}, {"--input": input, "--weights": weights})
        if input is None:
            mention_unused(context, "without --input", "column")
        else:
            check_readable("--input", input)
        if weights is not None:
            mention_unused(context, "with --weights", "hidden", "gain", "recurrent", "seed")
        methods = tuple(from_label("--method", text) for text in method) if method else METHODS
        series = sunspots() if input is None else load_csv(input, column)
        xs = standardised(series)
        cell = network(weights, activation, xs.shape[1], hidden, gain, recurrent, seed, Activation.relu)
        _check_inputs(cell, xs.shape[1], weights)
        with progress("running the network") as step:
            c = compare(cell, xs, methods=methods, progress=lambda part: step(f"computing: {part}"))
            step("drawing")
            save_figure(c.plot, out)
        if as_json:
            finish(json.dumps({"series": series.name, "figure": str(out), **c.to_dict()}, allow_nan=False))
            return
        source = "random network" if weights is None else str(weights)
        finish(
            f"{series.name}: {len(xs)} samples into a {describe(cell)} ({source})\n\n{c.table()}\n\n"
            f"figure: {out}  ({time.perf_counter() - started:.1f} s)"
        )


def _check_inputs(cell, columns: int, weights: Path | None) -> None:
    wanted = getattr(cell, "input_size", columns)
    if wanted != columns:
        raise ValueError(
            f"--weights {weights}: the network takes {counted(wanted, 'input')}, and the series has "
            f"{counted(columns, 'column')}."
        )
