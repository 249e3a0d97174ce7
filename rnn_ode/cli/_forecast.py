"""`rnn-ode forecast`: networks trained to forecast a series."""

import json
from pathlib import Path
from typing import Annotated

import jax
import typer

from .._files.atomic import check_readable, check_writable
from ..datasets import SERIES, load_csv
from ._app import Json, app, finish, job
from ._common import check_apart, check_figure, mention_unused, save_figure


@app.command("forecast")
def forecast_command(
    context: typer.Context,
    series: Annotated[
        str, typer.Argument(help="The series: pendulum, sunspots, co2, nile, elnino, elec_equip, or a csv file.")
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column of the csv file: its name, or its number from 0. Can be repeated."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="The kind of network: gru, lstm, rnn, tanh, cornn, antisymmetric, neural-ode, ….")
    ] = "gru",
    hidden: Annotated[int, typer.Option(min=1, help="Number of units of each network.")] = 32,
    history: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of rows that a forecast is made from. Without it: 100, or a tenth of a series below 1000 rows.",
        ),
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(
            min=0, help="Number of rows between these and the forecast. Without it: 10 for the pendulum, else 0."
        ),
    ] = None,
    horizon: Annotated[int, typer.Option(min=1, help="Number of rows to forecast.")] = 1,
    season: Annotated[int, typer.Option(min=1, help="Number of rows in a season, for the naive forecasts.")] = 1,
    members: Annotated[int, typer.Option(min=1, help="Number of networks. They are trained at the same time.")] = 5,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of training steps. Without it: 8000 for rnn, whose steps are short, else 3000."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Learning rate at the start.")] = 0.02,
    autoregressive: Annotated[
        bool, typer.Option("--autoregressive", help="Forecast row by row, each from the forecasts before it.")
    ] = False,
    share: Annotated[float, typer.Option(help="Share of the values that the intervals should contain.")] = 0.9,
    seed: Annotated[int, typer.Option(max=2**31 - 1, help="Seed of everything random.")] = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A file that keeps the training. The same command goes on from it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File of the figure: .png, .pdf or .svg.")] = Path("rnn_ode_forecast.png"),
    as_json: Json = False,
) -> None:
    """Train networks to forecast a series, and compare them with naive forecasts. The result is a table and a figure.

    The last 30 % of the series are for the test: nothing is fitted to them. Training uses float32.

    For the pendulum the settings are the published ones: history 100, gap 10, a random tenth of the rest to validate.
    """
    from .. import learn

    steps = steps or (8000 if model == "rnn" else 3000)
    names = {"values": f"the series {series}", "training": f"the series {series}", "size": "the series"}
    with job(context, lambda: _kept(checkpoint, steps), names), jax.enable_x64(False):
        check_figure(out)
        if checkpoint is not None:
            check_writable("--checkpoint", checkpoint)
        file = None if series in SERIES else Path(series)
        check_apart({"--checkpoint": checkpoint, "--out": out}, {"SERIES": file})
        if model not in learn.CORES:
            raise ValueError(f"--model must be one of {', '.join(learn.CORES)}; got {model!r}.")
        rows = _rows(context, series, column)
        published = series == "pendulum"
        f = learn.forecast(
            rows,
            learn.many_to_one(model, hidden),
            history=history or (100 if published else max(1, min(100, len(rows) // 10))),
            gap=gap if gap is not None else 10 * published,
            horizon=horizon,
            key=jax.random.key(seed),
            members=members,
            steps=steps,
            rate=rate,
            direct=not autoregressive,
            share=share,
            shuffle=published,
            season=season,
            checkpoint=checkpoint,
        )
        save_figure(f.plot, out)
        if as_json:
            described = {"series": series, "model": model, "hidden": hidden, "figure": str(out)}
            finish(json.dumps({**described, **f.to_dict()}, allow_nan=False))
            return
        finish(f"{series}: {len(rows)} rows; {model}, {hidden} units\n\n{f.table()}\n\nfigure: {out}")


def _rows(context: typer.Context, series: str, column: list[str] | None):
    if series in SERIES:
        mention_unused(context, "without a csv file", "column")
        return SERIES[series]().values
    if not Path(series).exists():
        raise FileNotFoundError(
            f"SERIES {series}: there is no such csv file, and no series of that name; there are {', '.join(SERIES)}."
        )
    check_readable("SERIES", Path(series))
    return load_csv(series, column or None).values


def _kept(checkpoint: Path | None, steps: int) -> str:
    from ..learn._checkpoints.checkpoint import read_header

    if checkpoint is None:
        return "Stopped; nothing was kept: give --checkpoint FILE to keep the training."
    if not checkpoint.exists():
        return "Stopped before the first checkpoint; nothing was kept: run the same command again."
    done = read_header(checkpoint)[0]["state"]["dict"]["loss"]["array"][0]
    return f"Stopped: the checkpoint {checkpoint} holds {done} of {steps} steps; run the same command again to go on."
