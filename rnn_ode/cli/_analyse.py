"""`rnn-ode analyse`: the same questions to a network and to its flow."""

from pathlib import Path
from typing import Annotated

import typer

from ._app import app, job, mention_unused
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


@app.command("analyse")
def analyse_command(
    context: typer.Context,
    weights: Weights = None,
    prefix: Prefix = None,
    readout: Readout = None,
    between: Between = None,
    hidden: Hidden = 2,
    activation: Annotated[
        Activation | None,
        typer.Option(
            metavar="NAME",
            case_sensitive=False,
            help=f"{ACTIVATION} {WITHOUT_ACTIVATION}",
        ),
    ] = None,
    gain: Gain = 1.5,
    recurrent: RecurrentKind = Recurrent.orthogonal,
    seed: Annotated[
        int, typer.Option(max=2**31 - 1, help="Seed of the random network and of the guesses for fixed points.")
    ] = 0,
    method: Annotated[str, typer.Option(help=f"Method that makes the flow: {', '.join(METHODS)}.")] = "forward:1",
    x: Annotated[
        list[float] | None, typer.Option(help="A constant input. Give it once for each input. Without it: zeros.")
    ] = None,
    out: FigureFile = Path("rnn_ode_analyse.png"),
    as_json: Json = False,
) -> None:
    """Compare fixed points, exponents, gradients and transients of a network and of its flow.

    The result is a table and a page of figures.
    """
    from .._methods.catalogue import from_label
    from .._reports.analyse import analyse
    from ._cell import cell_from_file, cell_name, constant_input, mention_activation, random_cell

    with job(context):
        check_files(figure=out, reads={"--weights": weights})
        if weights is not None:
            mention_unused(context, "with --weights", "hidden", "gain", "recurrent")
        else:
            mention_unused(context, "without --weights", "prefix", "readout", "between")
        chosen = from_label("--method", method)
        if weights is None:
            kind = activation or Activation.tanh
            inputs = len(x) if x else 1
            cell = random_cell(inputs, hidden, activation=kind, recurrent=recurrent, gain=gain, seed=seed)
        else:
            cell, _ = cell_from_file(weights, activation, prefix, readout, between)
        constant = constant_input(x, cell)
        if weights is not None:
            mention_activation(weights, cell, activation)
        with progress("preparing") as step:
            analysis = analyse(cell, constant, chosen, seed=seed, progress=numbered(step, 10))
        deliver(analysis, as_json, out, head=f"{cell_name(cell)} ({weights or 'random network'})")
