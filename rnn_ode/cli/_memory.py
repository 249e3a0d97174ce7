"""`rnn-ode memory`: which networks learn which lag."""

import math
from pathlib import Path
from typing import Annotated

import typer

from ._app import app, job
from ._options import MODELS, TASKS, FigureFile, Json
from ._progress import progress
from ._result import check_files, deliver


@app.command("memory")
def memory_command(
    context: typer.Context,
    task: Annotated[str, typer.Option(help=f"The task: {', '.join(TASKS)}.")] = "order",
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help=f"A kind of network: {', '.join(MODELS)}, or one of these with flossing, such as 'tanh + flossing'. Can be "
            "repeated. Without it: six kinds."
        ),
    ] = None,
    lag: Annotated[
        list[int] | None, typer.Option(min=1, help="A lag, in steps. Can be repeated. Without it: 20, 40 and 80.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of networks of each kind and lag.")] = 5,
    hidden: Annotated[int, typer.Option(min=1, help="Number of units of each network.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Largest number of training steps.")] = 2000,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 0.001,
    results: Annotated[
        Path | None,
        typer.Option(help="A .json file that keeps the networks that are done. The same command goes on from it."),
    ] = None,
    out: FigureFile = Path("rnn_ode_memory.png"),
    as_json: Json = False,
) -> None:
    """Train networks on a memory task, and show which of them learn which lag.

    The result is a table and a figure. They also show the eigenvalues and gradients before the training.
    """
    import jax

    from .. import learn

    tasks = dict(zip(TASKS, (learn.Adding, learn.Copy, learn.TemporalOrder, learn.FlipFlop), strict=True))
    task, cells = task.lower(), [name.lower() for name in cell or ()]
    counts = (0, 0)

    def kept() -> str:
        if results is None:
            return "Stopped; nothing was kept: give --results FILE.json to keep the networks that are done."
        if not counts[0]:
            return "Stopped before the first network was done; nothing was kept: run the same command again."
        done, total = counts
        return f"Stopped: the results {results} hold {done} of {total} networks; run the same command again to go on."

    names = {"name": "--cell", "cells": "--cell", "lags": "--lag", "lag": "--lag"}
    with job(context, kept, names), jax.enable_x64(False):
        check_files(figure=out, writes={"--results": results})
        if task not in tasks:
            raise ValueError(f"--task must be one of {', '.join(tasks)}; got {task!r}.")
        if not 0 < rate < math.inf:
            raise ValueError(f"--rate must be a finite number above 0; got {rate}.")
        with progress("training") as step:

            def show(done: int, total: int, text: str) -> None:
                nonlocal counts
                counts = done, total
                step(f"network {done + 1} of {total}: {text}", done, total)

            found = learn.study(
                tasks[task](),
                cells or ["tanh", "tanh + flossing", "orthogonal", "antisymmetric", "gru", "lstm"],
                lag or [20, 40, 80],
                seeds=seeds,
                hidden=hidden,
                steps=steps,
                rate=rate,
                path=results,
                progress=show,
            )
        deliver(found, as_json, out)
