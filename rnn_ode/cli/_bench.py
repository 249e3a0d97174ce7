"""`rnn-ode bench`: how fast the package is, compared with what one could use instead."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._app import app, job
from ._options import Json
from ._progress import progress
from ._result import check_files, print_result, save_figure

if TYPE_CHECKING:
    from ..bench import Row


@app.command("bench")
def bench_command(
    context: typer.Context,
    case: Annotated[
        list[str] | None, typer.Option(help="A case, such as iterate. Can be repeated. Without it: all.")
    ] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of units. Can be repeated. Without it: 48.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of sequences at once. Can be repeated. Without it: 1.")
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="Number of steps in a run.")] = 60,
    repeats: Annotated[int, typer.Option(min=2, help="Largest number of timed runs of each contender.")] = 20,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Whether PyTorch, flax, SciPy and others are timed too.")
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Seed of weights, inputs and the order of the runs.")
    ] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(help="A .json file that keeps the cases that are done. The same command goes on from it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the figure: .png, .pdf or .svg. Without it: no figure.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time this package and the programs that one could use instead.

    The result is a table of ratios, all from one run, and a figure with --out.
    """
    from .. import bench as benchmark

    rows: list[Row] = []

    def data(interrupted: bool) -> dict[str, Any]:
        return {"rows": [row.to_dict() for row in rows], "interrupted": interrupted}

    def kept() -> str:
        if rows or as_json:
            typer.echo(json.dumps(data(True), allow_nan=False) if as_json else benchmark.table(rows))
        if not rows:
            return "Stopped before a case was done; nothing was kept: run the same command again."
        if keep is None:
            return "Stopped: the cases that were done are above, but not kept: give --keep FILE.json to keep them."
        return f"Stopped: the cases that were done are above; run the same command again, which goes on from {keep}."

    with job(context, kept, {"cases": "--case"}):
        check_files(figure=out, writes={"--keep": keep})
        with progress("preparing") as step:
            benchmark.run(
                cases=case or None,
                hidden=hidden or 48,
                batch=batch or 1,
                steps=steps,
                repeats=repeats,
                peers=peers,
                seed=seed,
                progress=step,
                each=rows.extend,
                keep=keep,
            )
        if out is not None:
            from .. import plot

            save_figure(lambda: plot.bench(rows), out)
        print_result(as_json, data(False), benchmark.table(rows) + (f"\n\nfigure: {out}" if out else ""))
