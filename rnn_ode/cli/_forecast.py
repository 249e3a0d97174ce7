"""`rnn-ode forecast`: networks trained to forecast a series."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._app import app, job, mention_unused, with_advice
from ._csv import (
    Columns,
    Dates,
    Decimal,
    Fill,
    Header,
    Index,
    Missing,
    NoHeader,
    Sep,
    either,
    mention_unused_of_csv,
    reading,
)
from ._forecast_input import (
    Known,
    Target,
    default_history,
    default_season,
    filled_of,
    inputs_of,
    known_of,
    read_series,
    series_file,
)
from ._options import LOSS, MODELS, SCALING, SCHEDULE, SERIES, FigureFile, Json
from ._result import check_files, deliver

if TYPE_CHECKING:
    from ..learn import Needs

SeriesName = Annotated[str, typer.Argument(help=f"The series: {', '.join(SERIES)}, or a csv file.")]
Model = Annotated[
    str | None,
    typer.Option(
        help=f"The kind of network: {', '.join(MODELS)}, odernn. Without it: gru, or odernn if the times are irregular."
    ),
]
History = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of rows that a forecast is made from. Without it: 100, or a tenth of a series below 1000 rows, and at "
        "least a season and a row.",
    ),
]
Gap = Annotated[
    int | None,
    typer.Option(
        min=0, help="Number of rows between the history and the forecast. Without it: 10 for the pendulum, else 0."
    ),
]
Horizon = Annotated[int | None, typer.Option(min=1, help="Number of rows to forecast. Without it: 1.")]
Season = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of rows in a season. Without it: a year, a week, or a day of at most 144 rows, by the step of the "
        "dates; else 1.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of training steps at most. Without it: 1500; for the pendulum 3000, and 8000 with rnn."
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Stop after this many of the 20 checks without a better validation. Without it: 6; never for the pendulum.",
    ),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="A file that keeps the training. The same command goes on from it.")
]
From = Annotated[
    Path | None, typer.Option("--from", help="A finished checkpoint: forecast from its networks, without training.")
]
Future = Annotated[Path | None, typer.Option(help="A csv file to write with the forecast, a row a time.")]
Log = Annotated[bool, typer.Option("--log", help="Take logarithms. Without it and --no-log validation decides.")]
NoLog = Annotated[bool, typer.Option("--no-log", help="Take no logarithms.")]
Difference = Annotated[bool, typer.Option("--difference", help="Forecast changes from row to row.")]
SeasonDifference = Annotated[bool, typer.Option("--seasonal", help="Forecast changes from season to season.")]
Linear = Annotated[
    bool,
    typer.Option("--linear", help="Let the networks correct the best linear forecasts. Without it validation decides."),
]
NoLinear = Annotated[bool, typer.Option("--no-linear", help="Let the networks forecast alone.")]
NoRefit = Annotated[bool, typer.Option("--no-refit", help="Forecast what comes next with the networks of the test.")]
Scaling = Annotated[
    str,
    typer.Option(
        help=f"What the networks see the values relative to: auto, {', '.join(SCALING)}. auto lets validation choose."
    ),
]

_TRAINING = (
    "model", "hidden", "season", "log", "no_log", "difference", "season_difference", "scaling", "linear", "no_linear",
    "members", "steps", "rate", "schedule", "patience", "loss", "autoregressive", "share", "seed", "refit", "no_refit",
    "checkpoint",
)  # fmt: skip


@app.command("forecast")
def forecast_command(
    context: typer.Context,
    series: SeriesName,
    column: Columns = None,
    target: Target = None,
    known: Known = None,
    calendar: Annotated[bool, typer.Option("--calendar", help="Let the networks see month, weekday and hour.")] = False,
    index: Index = None,
    dates: Dates = None,
    sep: Sep = None,
    decimal: Decimal = None,
    na: Missing = None,
    header: Header = False,
    no_header: NoHeader = False,
    fill: Fill = None,
    model: Model = None,
    hidden: Annotated[int, typer.Option(min=1, help="Number of units of each network.")] = 32,
    history: History = None,
    gap: Gap = None,
    horizon: Horizon = None,
    season: Season = None,
    log: Log = False,
    no_log: NoLog = False,
    difference: Difference = False,
    season_difference: SeasonDifference = False,
    scaling: Scaling = "auto",
    linear: Linear = False,
    no_linear: NoLinear = False,
    members: Annotated[int, typer.Option(min=1, help="Number of networks. They are trained at the same time.")] = 5,
    steps: Steps = None,
    rate: Annotated[float, typer.Option(help="Learning rate at the start.")] = 0.02,
    schedule: Annotated[str, typer.Option(help=f"How the rate goes on: {', '.join(SCHEDULE)}.")] = "cosine",
    patience: Patience = None,
    loss: Annotated[str, typer.Option(help=f"What the networks minimise: {', '.join(LOSS)}.")] = "mse",
    autoregressive: Annotated[
        bool, typer.Option("--autoregressive", help="Forecast row by row, each from the forecasts before it.")
    ] = False,
    share: Annotated[float, typer.Option(help="Share of the values that the intervals should contain.")] = 0.9,
    seed: Annotated[int, typer.Option(max=2**31 - 1, help="Seed of everything random.")] = 0,
    refit: Annotated[
        bool, typer.Option("--refit", help="After the test, learn on from all rows to forecast what comes next.")
    ] = True,
    no_refit: NoRefit = False,
    checkpoint: Checkpoint = None,
    saved: From = None,
    future: Future = None,
    out: FigureFile = Path("rnn_ode_forecast.png"),
    as_json: Json = False,
) -> None:
    """Train networks to forecast a series, and compare them with simple forecasts. The result is a table and a figure.

    The last 30 % of the series are for the test: nothing is fitted to them until the test is over. What the series needs,
    such as logarithms or differences, is chosen by validation unless you say it. Training uses float32.

    For the pendulum the settings are the published ones: history 100, gap 10, a random tenth of the rest to validate.
    """
    import jax

    from .. import learn
    from ._forecast_output import from_saved, write_future

    series = series.lower() if series.lower() in SERIES else series
    published = series == "pendulum"
    model = model.lower() if model else None
    steps = steps or (1500 if not published else 8000 if model == "rnn" else 3000)
    names = {"values": f"the series {series}", "training": f"the series {series}", "size": "the series"}
    names |= {
        "direct": "--autoregressive",
        "season_difference": "--seasonal",
        "scaling": "--scaling",
        "known": "--known",
        "columns": "the columns",
    }
    with job(context, lambda: _kept(checkpoint, steps), names), jax.enable_x64(False):
        file = series_file(series)
        check_files(
            figure=out, reads={"SERIES": file, "--from": saved}, writes={"--checkpoint": checkpoint, "--future": future}
        )
        if model not in (None, "odernn", *learn.CORES):
            raise ValueError(f"--model must be one of {', '.join(learn.CORES)}, odernn; got {model!r}.")
        if file is None:
            mention_unused_of_csv(context, "without a csv file", "target", "known", "calendar")
        data = read_series(series, column, target, known, reading(context), season, model)
        understood = with_advice(context, data.series.understood())
        about = {"series": series, "read": data.series.understanding()}
        if saved is not None:
            mention_unused(context, "with --from", *_TRAINING)
            result = from_saved(saved, data, calendar, {"history": history, "gap": gap, "horizon": horizon})
            write_future(future, result, data)
            deliver(result, as_json, out, about=about, head=understood)
            return
        horizon = horizon or 1
        season = season or default_season(data.series)
        model = model or ("odernn" if data.irregular else "gru")
        values, targets = inputs_of(data)
        span = (gap if gap is not None else 10 * published) + horizon
        needs = (
            None
            if published or autoregressive
            else _needs(
                either("log", log, no_log), difference, season_difference, scaling, either("linear", linear, no_linear)
            )
        )
        forecast = learn.forecast(
            values,
            learn.timed(hidden, horizon) if model == "odernn" else learn.many_to_one(model, hidden),
            history=history or (100 if published else default_history(len(values), season, span)),
            gap=span - horizon,
            horizon=horizon,
            key=jax.random.key(seed),
            members=members,
            steps=steps,
            rate=rate,
            direct=not autoregressive,
            share=share,
            shuffle=published,
            validation=0.1 if published else 0.2,
            season=season,
            checkpoint=checkpoint,
            needs=needs,
            targets=targets,
            filled=filled_of(data),
            known=known_of(data, calendar, span),
            times=data.series.index if model == "odernn" else None,
            loss=loss,
            schedule=schedule,
            patience=patience or (None if published else 6),
            refit=refit and not no_refit,
            columns=[name for i, name in enumerate(data.series.columns) if i not in data.known],
            index=None if model == "odernn" else data.series.index,
        )
        forecast = data.with_times(forecast)
        write_future(future, forecast, data)
        deliver(
            forecast,
            as_json,
            out,
            about=about | {"model": model, "hidden": hidden, "season": season},
            head=f"{understood}; {model}, {hidden} units",
        )


def _needs(log: bool | None, difference: bool, season_difference: bool, scaling: str, linear: bool | None) -> "Needs":
    from ..learn import Needs

    if scaling not in ("auto", *SCALING):
        raise ValueError(f"--scaling must be one of auto, {', '.join(SCALING)}; got {scaling!r}.")
    return Needs(log, difference or None, season_difference or None, None if scaling == "auto" else scaling, linear)


def _kept(checkpoint: Path | None, steps: int) -> str:
    """What Ctrl-C says: how much of the training is in the checkpoint."""
    from ..learn._checkpoints.checkpoint import read_header

    if checkpoint is None:
        return "Stopped; nothing was kept: give --checkpoint FILE to keep the training."
    if not checkpoint.exists():
        return "Stopped before the first checkpoint; nothing was kept: run the same command again."
    header: Any = read_header(checkpoint)[0]
    done = header["state"]["dict"]["loss"]["array"][0]
    return f"Stopped: the checkpoint {checkpoint} holds {done} of {steps} steps; run the same command again to go on."
