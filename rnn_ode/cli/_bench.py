"""`rnn-ode bench`: how fast the package is beside what one would use instead."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .._files import check_writable
from ._app import Json, app, finish, job
from ._common import check_figure, progress, save_figure


@app.command("bench")
def bench_command(
    context: typer.Context,
    case: Annotated[list[str] | None, typer.Option(help="A case, such as iterate; repeatable. All if none.")] = None,
    hidden: Annotated[list[int] | None, typer.Option(min=1, help="Units of a network; repeatable. 48 if none.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Sequences at once; repeatable. 1 if none.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Steps of a run.")] = 60,
    repeats: Annotated[int, typer.Option(min=2, help="Timed runs of each contender, at most.")] = 20,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="PyTorch, flax, SciPy, …, too.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of weights, inputs and the order of the runs.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="A .json file of the rows, to go on from if interrupted.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where a figure goes: .png, .pdf or .svg.")] = None,
    as_json: Json = False,
) -> None:
    """Time the package against what one would use instead, as ratios in one run: a table, and a figure if wanted."""
    from .. import bench as benchmark

    rows: list[benchmark.Row] = []

    def report(interrupted: bool, figure: Path | None) -> str:
        if as_json:
            data = {"rows": [row.to_dict() for row in rows], "interrupted": interrupted}
            return json.dumps(data, allow_nan=False)
        return (benchmark.table(rows) if rows else "") + (f"\n\nfigure: {figure}" if figure else "")

    def kept() -> str:
        text = report(True, None)
        if text:
            typer.echo(text)
        if not rows:
            return "Stopped before a case was done; nothing was kept: run the same command again."
        if keep is None:
            return "Stopped: the cases that were done are above, but not kept: give --keep FILE.json to keep them."
        return f"Stopped: the cases that were done are above; run the same command again, which goes on from {keep}."

    with job(context, kept, {"cases": "--case"}):
        if out is not None:
            check_figure(out)
        if keep is not None:
            check_writable("--keep", keep)
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
        finish(report(False, out))
