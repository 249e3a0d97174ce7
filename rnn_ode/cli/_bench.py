"""`rnn-ode bench`: how fast the package is, compared with what one could use instead."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .._base.stop import deferred
from ._app import app, job, mention_unused, was_given
from ._options import CASES, Json
from ._progress import in_words, progress
from ._result import check_files, fitted, print_result, save_figure


@app.command("bench")
def bench_command(
    context: typer.Context,
    case: Annotated[
        list[str] | None, typer.Option(help=f"A case: {', '.join(CASES)}. Can be repeated. Without it: all.")
    ] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of units. Can be repeated. Without it: 48.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of sequences at once. Can be repeated. Without it: 1.")
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="Number of steps in a run.")] = 60,
    inputs: Annotated[
        int, typer.Option(min=1, help="Number of inputs, in the cases that run at every size but sequence.")
    ] = 1,
    repeats: Annotated[
        int | None,
        typer.Option(min=2, help="Largest number of timed runs of each contender. Without it: 20; with --quick 10."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few minutes: the cases iterate, lstm, gradient and integrate.")
    ] = False,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Cases and sizes for one question: device (the accelerator that there is, in eight minutes)."
        ),
    ] = None,
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
    page: Annotated[
        Path | None,
        typer.Option(
            help="A Markdown file: the tables that the same command made there are replaced; others are added at its end."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the figure: .png, .pdf or .svg. Without it: no figure.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time this package and the programs that one could use instead.

    Each case prints a table of ratios, all from one run, as soon as it is done. With --out there is a figure, too.
    """
    from .. import bench as benchmark
    from .._base.checks import counted
    from ..bench._page import check_page, put
    from ..bench._rows import Row, case_tables, legend

    rows: list[Row] = []
    cases = [name.lower() for name in case or ()] or (benchmark.QUICK if quick else None)
    wanted = {"cases": cases, "hidden": hidden or 48, "batch": batch or 1, "steps": steps, "peers": peers}
    wanted["inputs"] = inputs
    wanted["repeats"] = repeats or (10 if quick else 20)

    def data(interrupted: bool) -> dict[str, Any]:
        return {"rows": [row.to_dict() for row in rows], "interrupted": interrupted}

    def kept() -> str:
        if as_json:
            typer.echo(json.dumps(data(True), allow_nan=False))
        return _kept(bool(rows), keep)

    with job(context, kept, {"cases": "--case"}):
        check_files(figure=out, writes={"--keep": keep, "--page": page})
        if suite is not None:
            if suite.lower() not in benchmark.SUITES:
                raise ValueError(f"--suite must be one of {', '.join(benchmark.SUITES)}; got {suite!r}.")
            mention_unused(
                context, "with --suite", "case", "hidden", "batch", "steps", "repeats", "quick", "peers", "inputs"
            )
            wanted |= benchmark.SUITES[suite.lower()]()
        if page is not None:
            check_page(page, _given(context))
        parts = benchmark.parts(wanted["cases"], wanted["hidden"], wanted["batch"])
        seconds = [benchmark.SECONDS[name] for name, _ in parts]
        if not as_json:
            typer.echo(f"{counted(len(parts), 'case')}, about {in_words(sum(seconds))} in all.\n")
        with progress("preparing") as step:
            done = 0

            def show(measured: list[Row]) -> None:
                nonlocal done
                done += 1
                rows.extend(measured)
                if not as_json:
                    with step.paused(), deferred():
                        tables = case_tables(measured, f"case {done} of {len(parts)}")
                        typer.echo(fitted(tables, legend=False) + "\n")

            benchmark.run(
                **wanted,
                seed=seed,
                progress=lambda text: step(text, sum(seconds[:done]), sum(seconds)),
                each=show,
                keep=keep,
            )
        if page is not None:
            put(page, _given(context), rows)
        if out is not None:
            from .. import plot

            save_figure(lambda: plot.bench(rows), out)
        files = "".join(f"\n\n{name}: {file}" for name, file in {"figure": out, "page": page}.items() if file)
        print_result(as_json, data(False), fitted([legend(rows)]) + files)


def _given(context: typer.Context) -> str:
    """The options that decide what is measured, as they were given."""
    words = []
    for parameter in context.command.params:
        name, values = str(parameter.name), context.params[str(parameter.name)]
        if name in ("keep", "page", "out", "as_json") or not was_given(context, name):
            continue
        if isinstance(values, bool):
            words.append(parameter.opts[0] if values else parameter.secondary_opts[0])
        else:
            words += [
                f"{parameter.opts[0]} {value}" for value in (values if isinstance(values, list | tuple) else [values])
            ]
    return " ".join(words)


def _kept(done: bool, keep: Path | None) -> str:
    """What Ctrl-C says: whether a case was done, and whether a file keeps it."""
    if not done:
        return "Stopped before a case was done; nothing was kept: run the same command again."
    if keep is None:
        return "Stopped: the cases that were done are above, but not kept: give --keep FILE.json to keep them."
    return f"Stopped: the cases that were done are above; run the same command again, which goes on from {keep}."
