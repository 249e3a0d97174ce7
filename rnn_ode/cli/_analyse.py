"""`rnn-ode analyse`: the same questions to a network and its flow."""

import json
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import typer

from .._analyse import analyse
from ._app import Json, app, finish, job
from ._common import (
    Activation,
    Recurrent,
    check_figure,
    describe,
    mention_unused,
    network,
    parse_method,
    progress,
    save_figure,
)


@app.command("analyse")
def analyse_command(
    context: typer.Context,
    weights: Annotated[Path | None, typer.Option(help="A network: .npz, .json or .safetensors.")] = None,
    hidden: Annotated[int, typer.Option(min=1, help="Units of the built-in network.")] = 2,
    activation: Annotated[Activation | None, typer.Option(help="tanh if none is given, or the weights' own.")] = None,
    gain: Annotated[float, typer.Option(help="Factor of its recurrent matrix.")] = 1.5,
    recurrent: Annotated[Recurrent, typer.Option(help="Kind of its recurrent matrix.")] = Recurrent.orthogonal,
    seed: Annotated[int, typer.Option(max=2**31 - 1, help="Seed of the network and of the guesses.")] = 0,
    method: Annotated[str, typer.Option(help="The flow's method, such as forward:1 or tustin.")] = "forward:1",
    x: Annotated[
        list[float] | None, typer.Option(help="The constant input, repeatable; zeros if none is given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes: .png, .pdf or .svg.")] = Path("rnn_ode_analyse.png"),
    as_json: Json = False,
) -> None:
    """Ask a network and its flow the same questions: fixed points, exponents, gradients, transients; a table and a page."""
    with job(context):
        check_figure(out)
        if weights is not None:
            mention_unused(context, "with --weights", "hidden", "gain", "recurrent")
        chosen = parse_method(method)
        cell = network(weights, activation, len(x) if x else 1, hidden, gain, recurrent, seed, Activation.tanh)
        constant = _constant(x, getattr(cell, "input_size", None))
        with progress("preparing") as step:
            a = analyse(cell, constant, chosen, seed=seed, progress=lambda part: step(f"computing: {part}"))
            step("drawing")
            save_figure(a.plot, out)
        if as_json:
            finish(json.dumps({"figure": str(out), **a.to_dict()}, allow_nan=False))
            return
        source = "built-in network" if weights is None else str(weights)
        finish(f"{describe(cell)} ({source})\n\n{a.table()}\n\nfigure: {out}")


def _constant(x: list[float] | None, inputs: int | None):
    if x is None:
        return jnp.zeros(inputs or 1)
    if inputs not in (None, len(x)):
        got = " and ".join(map(str, x))
        raise ValueError(f"--x must be given once for each of the network's {inputs} inputs; got {got} alone.")
    if not np.isfinite(x).all():
        raise ValueError(f"--x must be finite numbers; got {', '.join(map(str, x))}.")
    return jnp.asarray(x)
