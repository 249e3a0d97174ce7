"""`rnn-ode sweep`: one question, asked of thousands of random networks."""

from pathlib import Path
from typing import Annotated

import typer

from ._app import app, job, mention_unused
from ._options import ACTIVATION, QUESTIONS, Activation, FigureFile, Json, Recurrent, RecurrentKind
from ._progress import percentage
from ._result import check_files, deliver

_RANGE = "a number, or LOW:HIGH:COUNT"
_MOST = 100_000  # values of an axis


@app.command("sweep")
def sweep_command(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help=f"What is asked of each network: {', '.join(QUESTIONS)}.")],
    gain: Annotated[str, typer.Option(help=f"Factors of the random recurrent matrix: {_RANGE}.")] = "0.5:2:16",
    drive: Annotated[str, typer.Option(help=f"Standard deviations of the input, which is random: {_RANGE}.")] = "0",
    hidden: Annotated[
        list[int] | None, typer.Option(min=1, help="Number of units. Can be repeated. Without it: 16.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of networks for each gain, drive and size.")] = 10,
    activation: Annotated[
        Activation, typer.Option(case_sensitive=False, metavar="NAME", help=ACTIVATION)
    ] = Activation.tanh,
    recurrent: RecurrentKind = Recurrent.gaussian,
    steps: Annotated[int, typer.Option(min=10, help="Steps of a run: for exponent and memory.")] = 500,
    store: Annotated[
        Path | None,
        typer.Option(help="A folder that keeps finished chunks, in Zarr's format. The same command goes on from it."),
    ] = None,
    chunk: Annotated[int | None, typer.Option(min=1, help="Largest number of networks in a chunk.")] = None,
    out: FigureFile = Path("rnn_ode_sweep.png"),
    as_json: Json = False,
) -> None:
    """Ask one question of thousands of random networks, on every device, and draw the phase diagram.

    It shows the means over the seeds, against the gain and the drive.
    """
    counts = (0, 0)

    def kept() -> str:
        if store is None:
            return "Stopped; nothing was kept: give --store FOLDER to keep what is done."
        done, total = counts
        return f"Stopped: the store {store} holds {done} of {total} networks; run the same command again to go on."

    with job(context, kept, {"axes": "--gain"}):
        from .._sweep.phases import Phases
        from .._sweep.questions import QUESTIONS as KNOWN
        from .._sweep.questions import Networks
        from .._sweep.sweep import sweep
        from ._cell import ACTIVATIONS, initializer

        check_files(figure=out)
        if (name := question.lower()) not in KNOWN:
            raise ValueError(f"QUESTION must be one of {', '.join(KNOWN)}; got {question!r}.")
        if name == "verdicts":
            mention_unused(context, "here: the verdicts are on the linear part", "drive", "steps")
            drive = "0"
        asked = KNOWN[name]
        networks = Networks(ACTIVATIONS[activation], initializer(recurrent, 1.0), steps)
        axes = {
            "hidden": list(dict.fromkeys(hidden or [16])),
            "gain": _values("--gain", gain),
            "drive": _values("--drive", drive),
            "seed": range(seeds),
        }
        if all(len(values) < 2 for name, values in axes.items() if name != "seed"):
            raise ValueError("--gain must be LOW:HIGH:COUNT, unless --drive or --hidden has several values.")
        with percentage("networks") as show:

            def shown(done: int, total: int) -> None:
                nonlocal counts
                counts = done, total
                show(done, total)

            def ask(**parameters):
                return asked.ask(networks, **parameters)

            data = sweep(ask, axes, store=store, chunk=chunk, static=("hidden",), progress=shown)
        settings = {"activation": activation.value, "recurrent": recurrent.value, "steps": steps}
        deliver(Phases(name, asked, data, settings), as_json, out)


def _values(option: str, text: str) -> list[float]:
    """The numbers of "0.5" or "0.5:2:16"."""
    import numpy as np

    from .._base.checks import brief

    low, *rest = text.split(":")
    try:
        high, count = rest or (low, "1")
        ends, count = (float(low), float(high)), int(count)
    except ValueError:
        count = 0
    if count > _MOST:
        raise ValueError(f"{option} must have at most {_MOST:,} values; got {brief(text)}.")
    if count > 0 and not np.isfinite(ends).all():
        raise ValueError(f"{option} must be finite; got {text!r}.")
    if count > 0:
        return np.linspace(ends[0], ends[1], count).tolist()
    raise ValueError(f"{option} must be a number or LOW:HIGH:COUNT, such as 0.5:2:16; got {brief(text)}.")
