"""`rnn-ode forecast`: networks trained to forecast a series."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ._app import app, job, mention_unused
from ._options import MODELS, SERIES, Columns, FigureFile, Json
from ._result import check_files, deliver

SeriesName = Annotated[str, typer.Argument(help=f"The series: {', '.join(SERIES)}, or a csv file.")]
Model = Annotated[str, typer.Option(help=f"The kind of network: {', '.join(MODELS)}.")]
History = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of rows that a forecast is made from. Without it: 100, or a tenth of a series below 1000 rows.",
    ),
]
Gap = Annotated[
    int | None,
    typer.Option(
        min=0, help="Number of rows between the history and the forecast. Without it: 10 for the pendulum, else 0."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Number of training steps. Without it: 8000 for rnn, whose steps are short, else 3000."),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="A file that keeps the training. The same command goes on from it.")
]


@app.command("forecast")
def forecast_command(
    context: typer.Context,
    series: SeriesName,
    column: Columns = None,
    model: Model = "gru",
    hidden: Annotated[int, typer.Option(min=1, help="Number of units of each network.")] = 32,
    history: History = None,
    gap: Gap = None,
    horizon: Annotated[int, typer.Option(min=1, help="Number of rows to forecast.")] = 1,
    season: Annotated[int, typer.Option(min=1, help="Number of rows in a season, for the naive forecasts.")] = 1,
    members: Annotated[int, typer.Option(min=1, help="Number of networks. They are trained at the same time.")] = 5,
    steps: Steps = None,
    rate: Annotated[float, typer.Option(help="Learning rate at the start.")] = 0.02,
    autoregressive: Annotated[
        bool, typer.Option("--autoregressive", help="Forecast row by row, each from the forecasts before it.")
    ] = False,
    share: Annotated[float, typer.Option(help="Share of the values that the intervals should contain.")] = 0.9,
    seed: Annotated[int, typer.Option(max=2**31 - 1, help="Seed of everything random.")] = 0,
    checkpoint: Checkpoint = None,
    out: FigureFile = Path("rnn_ode_forecast.png"),
    as_json: Json = False,
) -> None:
    """Train networks to forecast a series, and compare them with naive forecasts. The result is a table and a figure.

    The last 30 % of the series are for the test: nothing is fitted to them. Training uses float32.

    For the pendulum the settings are the published ones: history 100, gap 10, a random tenth of the rest to validate.
    """
    import jax

    from .. import learn

    model = model.lower()
    series = series.lower() if series.lower() in SERIES else series
    steps = steps or (8000 if model == "rnn" else 3000)
    published = series == "pendulum"
    names = {"values": f"the series {series}", "training": f"the series {series}", "size": "the series"}
    with job(context, lambda: _kept(checkpoint, steps), names), jax.enable_x64(False):
        check_files(figure=out, reads={"SERIES": _file(series)}, writes={"--checkpoint": checkpoint})
        if model not in learn.CORES:
            raise ValueError(f"--model must be one of {', '.join(learn.CORES)}; got {model!r}.")
        rows = _rows(context, series, column)
        forecast = learn.forecast(
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
        about = {"series": series, "model": model, "hidden": hidden}
        deliver(forecast, as_json, out, about=about, head=f"{series}: {len(rows)} rows; {model}, {hidden} units")


def _file(series: str) -> Path | None:
    """The csv file that `series` names, or `None` if it names a series of ours. `FileNotFoundError` if it is neither."""
    if series in SERIES:
        return None
    if not Path(series).exists():
        raise FileNotFoundError(
            f"SERIES {series}: there is no such csv file, and no series of that name; there are {', '.join(SERIES)}."
        )
    return Path(series)


def _rows(context: typer.Context, series: str, column: list[str] | None) -> np.ndarray:
    """The values of the series, a row a sample."""
    from ..datasets import load, load_csv

    if series in SERIES:
        mention_unused(context, "without a csv file", "column")
        return load(series).values
    return load_csv(series, column or None).values


def _kept(checkpoint: Path | None, steps: int) -> str:
    """What Ctrl-C says: how much of the training is in the checkpoint."""
    from ..learn._checkpoints.checkpoint import read_header

    if checkpoint is None:
        return "Stopped; nothing was kept: give --checkpoint FILE to keep the training."
    if not checkpoint.exists():
        return "Stopped before the first checkpoint; nothing was kept: run the same command again."
    done = read_header(checkpoint)[0]["state"]["dict"]["loss"]["array"][0]
    return f"Stopped: the checkpoint {checkpoint} holds {done} of {steps} steps; run the same command again to go on."
