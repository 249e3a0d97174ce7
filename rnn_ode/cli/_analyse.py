"""`rnn-ode analyse`: the same questions to a network and its flow."""

import json
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import typer

from .._base.checks import counted
from .._base.protocol import input_width
from .._methods.catalogue import from_label
from .._reports.analyse import analyse
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
)


@app.command("analyse")
def analyse_command(
    context: typer.Context,
    weights: Weights = None,
    hidden: Hidden = 2,
    activation: Annotated[
        Activation | None, typer.Option(help="Activation. Without it: what the file of the network says, or tanh.")
    ] = None,
    gain: Gain = 1.5,
    recurrent: RecurrentKind = Recurrent.orthogonal,
    seed: Annotated[
        int, typer.Option(max=2**31 - 1, help="Seed of the random network and of the guesses for fixed points.")
    ] = 0,
    method: Annotated[str, typer.Option(help="Method that makes the flow, such as forward:1 or tustin.")] = "forward:1",
    x: Annotated[
        list[float] | None, typer.Option(help="A constant input. Give it once for each input. Without it: zeros.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File of the page of figures: .png, .pdf or .svg.")] = Path(
        "rnn_ode_analyse.png"
    ),
    as_json: Json = False,
) -> None:
    """Compare fixed points, exponents, gradients and transients of a network and of its flow.

    The result is a table and a page of figures.
    """
    with job(context):
        check_figure(out)
        check_apart({"--out": out}, {"--weights": weights})
        if weights is not None:
            mention_unused(context, "with --weights", "hidden", "gain", "recurrent")
        chosen = from_label("--method", method)
        cell = network(weights, activation, len(x) if x else 1, hidden, gain, recurrent, seed, Activation.tanh)
        constant = _constant(x, input_width(cell))
        with progress("preparing") as step:
            a = analyse(cell, constant, chosen, seed=seed, progress=lambda part: step(f"computing: {part}"))
            step("drawing")
            save_figure(a.plot, out)
        if as_json:
            finish(json.dumps({"figure": str(out), **a.to_dict()}, allow_nan=False))
            return
        source = "random network" if weights is None else str(weights)
        finish(f"{describe(cell)} ({source})\n\n{a.table()}\n\nfigure: {out}")


def _constant(x: list[float] | None, inputs: int | None):
    if x is None:
        return jnp.zeros(inputs or 1)
    if inputs is not None and inputs != len(x):
        times = "once" if inputs == 1 else f"{inputs} times"
        raise ValueError(
            f"--x must be given {times}: the network takes {counted(inputs, 'input')}; got {', '.join(map(str, x))}."
        )
    if not np.isfinite(x).all():
        raise ValueError(f"--x must be finite numbers; got {', '.join(map(str, x))}.")
    return jnp.asarray(x)
