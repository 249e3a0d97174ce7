"""`rnn-ode memory`: which networks learn which lag."""

import json
import math
from pathlib import Path
from typing import Annotated

import jax
import typer

from .._files import check_writable
from ._app import Json, app, finish, job
from ._common import check_figure, progress, save_figure


@app.command("memory")
def memory_command(
    context: typer.Context,
    task: Annotated[str, typer.Option(help="adding, copy, order or flip-flop.")] = "order",
    cell: Annotated[
        list[str] | None, typer.Option(help="A network, such as lstm or 'tanh + flossing'; repeatable.")
    ] = None,
    lag: Annotated[list[int] | None, typer.Option(min=1, help="A lag; repeatable.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks of each kind and lag.")] = 5,
    hidden: Annotated[int, typer.Option(min=1, help="Units of each network.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training at most.")] = 2000,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 0.001,
    results: Annotated[Path | None, typer.Option(help="A .json file of the trials, to go on from if killed.")] = None,
    out: Annotated[Path, typer.Option(help="Where the figure goes: .png, .pdf or .svg.")] = Path("rnn_ode_memory.png"),
    as_json: Json = False,
) -> None:
    """Which networks learn which lag, beside what their eigenvalues and gradients said before: a table and a figure."""
    from .. import learn

    tasks = {"adding": learn.Adding, "copy": learn.Copy, "order": learn.TemporalOrder, "flip-flop": learn.FlipFlop}
    counts = (0, 0)

    def kept() -> str:
        if results is None:
            return "Stopped; nothing was kept: give --results FILE.json to keep the networks that are done."
        if not counts[0]:
            return "Stopped before the first network was done; nothing was kept: run the same command again."
        return f"Stopped: {results} holds {counts[0]} of {counts[1]} networks; run the same command again to go on."

    names = {"name": "--cell", "cells": "--cell", "lags": "--lag", "lag": "--lag"}
    with job(context, kept, names), jax.enable_x64(False):
        check_figure(out)
        if results is not None:
            check_writable("--results", results)
        if task not in tasks:
            raise ValueError(f"--task must be one of {', '.join(tasks)}; got {task!r}.")
        if not 0 < rate < math.inf:
            raise ValueError(f"--rate must be a finite number above 0; got {rate}.")
        with progress("training") as step:

            def told(done: int, total: int, text: str) -> None:
                nonlocal counts
                counts = done, total
                step(f"{done} of {total} trained; training: {text}")

            found = learn.study(
                tasks[task](),
                cell or ["tanh", "tanh + flossing", "orthogonal", "antisymmetric", "gru", "lstm"],
                lag or [20, 40, 80],
                seeds=seeds,
                hidden=hidden,
                steps=steps,
                rate=rate,
                path=results,
                progress=told,
            )
        save_figure(found.plot, out)
        finish(
            json.dumps({"figure": str(out), **found.to_dict()}, allow_nan=False)
            if as_json
            else f"{found.table()}\n\nfigure: {out}"
        )
