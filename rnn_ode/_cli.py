"""The command `rnn-ode`: one subcommand per job. With `--json` standard output holds one JSON object and nothing else."""

import contextlib
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from . import initializers
from ._analyse import analyse
from ._bridge import ALTERNATIVES
from ._cells import StackedCell, VanillaCell
from ._compare import METHODS, compare, predict
from ._files import written_beside
from ._methods import AbstractMethod, Backward, Exact, Forward, Textbook, Tustin, obstacle
from ._resample import Scheme, Source, Table, resample
from ._stream import as_rate
from ._types import finite_or_none
from ._verdict import Verdict, verdict_name
from .audio import SUBTYPES, read_wav
from .datasets import Series, load, load_csv, sunspots
from .interop import Network, read_cell, read_matrix, read_network

app = typer.Typer(
    name="rnn-ode",
    help="A recurrent network beside its differential equation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True)


class Activation(StrEnum):
    relu = "relu"
    tanh = "tanh"
    sigmoid = "sigmoid"
    none = "none"


class Recurrent(StrEnum):
    orthogonal = "orthogonal"
    gaussian = "gaussian"
    identity = "identity"
    antisymmetric = "antisymmetric"


ACTIVATIONS = {
    Activation.relu: jax.nn.relu,
    Activation.tanh: jnp.tanh,
    Activation.sigmoid: jax.nn.sigmoid,
    Activation.none: None,
}
KINDS = {"textbook": Textbook, "forward": Forward, "backward": Backward, "tustin": Tustin, "exact": Exact}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@app.callback()
def main() -> None:
    """A recurrent network beside its differential equation. Everything is computed in float64, but for training."""
    jax.config.update("jax_enable_x64", True)
    # ended by another process, a command still removes what it has half written
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@contextlib.contextmanager
def job() -> Iterator[None]:
    """What the user got wrong is one line on standard error and status 2, not a traceback."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        _say("error", "red", str(error))
        raise typer.Exit(2) from None


def _say(kind: str, colour: str, text: str) -> None:
    """A line on standard error. What users typed is in it: neither markup nor emoji codes are read in a `Text`."""
    messages.print(Text.assemble((f"{kind}:", colour), f" {text}"), soft_wrap=True)


@contextlib.contextmanager
def progress(start: str):
    """A spinner with the current step on standard error; yields the function that names the step."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task(start, total=None)
        yield lambda text: bar.update(task, description=text)


@contextlib.contextmanager
def percentage(text: str):
    """A bar on standard error once two seconds have passed; yields the function that says how much of all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar, started = Progress(*columns, console=messages, transient=True), time.perf_counter()
    task = bar.add_task(text, total=None)

    def update(done: int, total: int) -> None:
        if time.perf_counter() - started > 2:
            bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


def parse_method(text: str) -> AbstractMethod:
    """A method from its label: `textbook`, `forward:3`, `backward:2`, `tustin`, `exact`, `exact:complex:anchored`."""
    kind, *flags = text.strip().lower().split(":")
    if kind in ("textbook", "tustin") and not flags:
        return KINDS[kind]()
    if kind in ("forward", "backward") and len(flags) <= 1:
        order = flags[0] if flags else "1"
        if not order.isdecimal():
            raise ValueError(f"--method {text}: the order must be a whole number, as in {kind}:3; got {order!r}.")
        try:
            return KINDS[kind](int(order))
        except ValueError as error:
            raise ValueError(f"--method {text}: {error}") from None
    if kind == "exact" and set(flags) <= {"complex", "anchored"}:
        return Exact(complex="complex" in flags, anchored="anchored" in flags)
    raise ValueError(
        f"--method {text}: unknown. There are textbook, forward:ORDER, backward:ORDER, tustin, exact, exact:complex, "
        "exact:anchored and exact:complex:anchored."
    )


def initializer(kind: Recurrent, gain: float) -> jax.nn.initializers.Initializer:
    """The initializer of W_h of that name, scaled by the gain."""
    return getattr(initializers, kind)(gain)


@app.command("compare")
def compare_command(
    context: typer.Context,
    input: Annotated[
        Path | None, typer.Option(help="A csv series; the yearly sunspot numbers if none is given.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="Its column, by name or number from 0.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A network: .npz, .json or .safetensors.")] = None,
    hidden: Annotated[int, typer.Option(min=1, help="Units of the random network.")] = 32,
    activation: Annotated[Activation | None, typer.Option(help="relu if none is given, or the weights' own.")] = None,
    gain: Annotated[float, typer.Option(help="Factor of the random recurrent matrix.")] = 0.9,
    recurrent: Annotated[Recurrent, typer.Option(help="Kind of the random recurrent matrix.")] = Recurrent.orthogonal,
    method: Annotated[list[str] | None, typer.Option(help="A method, such as forward:3; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random network.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the figure goes: .png, .pdf or .svg.")] = Path("rnn_ode_compare.png"),
    as_json: Json = False,
) -> None:
    """Run a network and its continuous counterparts on a series: a table and a figure.

    The series is scaled to mean 0 and standard deviation 1 before it drives the network.
    """
    with job():
        started = time.perf_counter()
        _check_figure(out)
        if input is None:
            _mention_unused(context, "without --input", "column")
        if weights is not None:
            _mention_unused(context, "with --weights", "hidden", "gain", "recurrent", "seed")
        methods = tuple(parse_method(text) for text in method) if method else METHODS
        series = sunspots() if input is None else load_csv(input, column)
        xs = _standardised(series)
        cell = _network(weights, activation, xs.shape[1], hidden, gain, recurrent, seed, Activation.relu)
        with progress("running the network") as step:
            c = compare(cell, xs, methods=methods, progress=lambda part: step(f"computing: {part}"))
            step("drawing")
            _save_figure(c, out)
        if as_json:
            typer.echo(json.dumps({"series": series.name, "figure": str(out), **c.to_dict()}, allow_nan=False))
            return
        source = "random network" if weights is None else str(weights)
        typer.echo(f"{series.name}: {len(xs)} samples into a {_describe(cell)} ({source})\n\n{c.table()}\n")
        typer.echo(f"figure: {out}  ({time.perf_counter() - started:.1f} s)")


def _mention_unused(context: typer.Context, cause: str, *names: str) -> None:
    """A line on standard error for options that were given and do nothing."""
    given = [name for name in names if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        _say("note", "yellow", f"{', '.join(f'--{name}' for name in given)} does nothing {cause}.")


def _standardised(series: Series) -> np.ndarray:
    values = np.asarray(series.values, float)
    spread = values.std(axis=0)
    if np.any(spread == 0):
        raise ValueError(f"{series.name}: the series is constant, so that it cannot be scaled; give another column.")
    return (values - values.mean(axis=0)) / spread


def _network(weights, activation, inputs: int, hidden: int, gain: float, recurrent: Recurrent, seed: int, default):
    if weights is not None:
        return read_cell(weights) if activation is None else read_cell(weights, ACTIVATIONS[activation])
    if not np.isfinite(gain):
        raise ValueError(f"--gain must be a finite number; got {gain}.")
    chosen = ACTIVATIONS[activation or default]
    key = jax.random.key(seed)
    return VanillaCell.random(key, inputs, hidden, activation=chosen, recurrent=initializer(recurrent, gain))


def _describe(cell) -> str:
    name = type(cell).__name__
    if isinstance(cell, VanillaCell):
        name = "affine network" if cell.activation is None else f"{getattr(cell.activation, '__name__', '')} network"
    if isinstance(cell, StackedCell):
        return "stack of a " + ", a ".join(map(_describe, cell.cells))
    return f"{cell.hidden_size}-unit {name}"


def _check_figure(out: Path) -> None:
    if out.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--out must end in .png, .pdf or .svg; got {out}.")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: the folder {out.parent} does not exist.")


def _save_figure(c: Any, out: Path) -> None:
    with written_beside(out) as beside:
        c.plot().savefig(beside, dpi=120)


@app.command("spectrum")
def spectrum_command(
    file: Annotated[Path, typer.Argument(help="A matrix or a network: .npz, .npy, .json, .safetensors, .csv or .txt.")],
    key: Annotated[str | None, typer.Option(help="Which array of the file.")] = None,
    as_json: Json = False,
) -> None:
    """What the eigenvalues of a matrix say of the network and of each counterpart."""
    with job():
        W = read_matrix(file, key).astype(float)
        with progress("eigenvalues"):
            report = _spectrum_report(W)
        if as_json:
            typer.echo(json.dumps(report, allow_nan=False))
            return
        typer.echo(_spectrum_text(report))


def _spectrum_report(W: np.ndarray) -> dict:
    s, verdict, predictions = predict(jnp.asarray(W), ALTERNATIVES)
    modes = zip(*map(np.asarray, (s.multipliers, s.timescales, s.frequencies, s.condition)), strict=True)
    methods = []
    for m, (its_verdict, rate, converges, _, _) in zip(ALTERNATIVES, predictions, strict=True):
        why_not = obstacle(W, m)
        methods.append(
            {
                "method": m.label,
                "verdict": verdict_name(its_verdict),
                "rate": finite_or_none(rate),
                "exists": why_not is None,
                "why_not": why_not and why_not.text,
                "series_converges": bool(converges),
            }
        )
    return {
        "size": len(W),
        "network": {"verdict": verdict_name(verdict), "says": Verdict[verdict], "rate": finite_or_none(s.rate())},
        "radius": float(s.radius),
        "abscissa": float(s.abscissa),
        "condition_number": finite_or_none(np.linalg.cond(W)),
        "multipliers": [
            {
                "re": float(z.real),
                "im": float(z.imag),
                "modulus": float(abs(z)),
                "timescale": finite_or_none(timescale),
                "frequency": float(frequency),
                "condition": finite_or_none(condition),
            }
            for z, timescale, frequency, condition in modes
        ],
        "methods": methods,
    }


def _spectrum_text(report: dict) -> str:
    def number(value):
        return "–" if value is None else f"{value:.5g}"

    lines = [
        f"{report['size']} × {report['size']} matrix, condition number {number(report['condition_number'])}",
        f"network h ↦ W h: {report['network']['says']}",
        f"spectral radius {report['radius']:.6g}, abscissa {report['abscissa']:.6g}, "
        f"rate {number(report['network']['rate'])} nats per step",
        "",
        f"{'method':<14}{'its flow':<14}{'nats per step':>14}   exists",
    ]
    for m in report["methods"]:
        exists = "yes" if m["exists"] else f"no: {m['why_not']}"
        lines.append(f"{m['method']:<14}{m['verdict']:<14}{number(m['rate']):>14}   {exists}")
    lines += ["", f"{'multiplier':>26}{'modulus':>11}{'e-folding':>12}{'cycles/step':>13}{'condition':>11}"]
    for z in report["multipliers"][:12]:
        shown = f"{z['re']:.6g} {'+' if z['im'] >= 0 else '-'} {abs(z['im']):.6g}i"
        efolding = "∞" if z["timescale"] is None else number(z["timescale"])
        lines.append(
            f"{shown:>26}{z['modulus']:>11.5g}{efolding:>12}{z['frequency']:>13.4f}{number(z['condition']):>11}"
        )
    hidden = len(report["multipliers"]) - 12
    if hidden > 0:
        lines.append(f"… and {hidden} smaller ones (--json has them all)")
    return "\n".join(lines)


@app.command("analyse")
def analyse_command(
    context: typer.Context,
    weights: Annotated[Path | None, typer.Option(help="A network: .npz, .json or .safetensors.")] = None,
    hidden: Annotated[int, typer.Option(min=1, help="Units of the built-in network.")] = 2,
    activation: Annotated[Activation | None, typer.Option(help="tanh if none is given, or the weights' own.")] = None,
    gain: Annotated[float, typer.Option(help="Factor of its recurrent matrix.")] = 1.5,
    recurrent: Annotated[Recurrent, typer.Option(help="Kind of its recurrent matrix.")] = Recurrent.orthogonal,
    seed: Annotated[int, typer.Option(help="Seed of the network and of the guesses.")] = 0,
    method: Annotated[str, typer.Option(help="The flow's method, such as forward:1 or tustin.")] = "forward:1",
    x: Annotated[
        list[float] | None, typer.Option(help="The constant input, repeatable; zeros if none is given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes: .png, .pdf or .svg.")] = Path("rnn_ode_analyse.png"),
    as_json: Json = False,
) -> None:
    """Ask a network and its flow the same questions: fixed points, exponents, gradients, transients; a table and a page."""
    with job():
        _check_figure(out)
        if weights is not None:
            _mention_unused(context, "with --weights", "hidden", "gain", "recurrent")
        chosen = parse_method(method)
        cell = _network(weights, activation, len(x) if x else 1, hidden, gain, recurrent, seed, Activation.tanh)
        constant = jnp.asarray(x) if x else jnp.zeros(getattr(cell, "input_size", 1))
        with progress("preparing") as step:
            a = analyse(cell, constant, chosen, seed=seed, progress=lambda part: step(f"computing: {part}"))
            step("drawing")
            _save_figure(a, out)
        if as_json:
            typer.echo(json.dumps({"figure": str(out), **a.to_dict()}, allow_nan=False))
            return
        source = "built-in network" if weights is None else str(weights)
        typer.echo(f"{_describe(cell)} ({source})\n\n{a.table()}\n\nfigure: {out}")


@app.command("forecast")
def forecast_command(
    context: typer.Context,
    series: Annotated[str, typer.Argument(help="pendulum, sunspots, co2, nile, elnino, elec_equip, or a csv file.")],
    column: Annotated[list[str] | None, typer.Option(help="A column of a csv file; repeatable.")] = None,
    model: Annotated[str, typer.Option(help="gru, lstm, rnn, tanh, cornn, antisymmetric, neural-ode, ….")] = "gru",
    hidden: Annotated[int, typer.Option(min=1, help="Units of each network.")] = 32,
    history: Annotated[int | None, typer.Option(min=1, help="Rows given: 100, or a tenth of the series.")] = None,
    gap: Annotated[int | None, typer.Option(min=0, help="Rows skipped: 10 for the pendulum, else 0.")] = None,
    horizon: Annotated[int, typer.Option(min=1, help="Rows wanted.")] = 1,
    season: Annotated[int, typer.Option(min=1, help="Rows in a season, for the naive forecasts.")] = 1,
    members: Annotated[int, typer.Option(min=1, help="Networks, trained side by side.")] = 5,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of training: 8000 for rnn, whose steps are short, else 3000.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Learning rate at the start.")] = 0.02,
    autoregressive: Annotated[bool, typer.Option("--autoregressive", help="Row by row, on its own forecasts.")] = False,
    share: Annotated[float, typer.Option(help="Of the values that the intervals are to cover.")] = 0.9,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(help="A file to go on from, if killed.")] = None,
    out: Annotated[Path, typer.Option(help="Where the figure goes: .png, .pdf or .svg.")] = Path(
        "rnn_ode_forecast.png"
    ),
    as_json: Json = False,
) -> None:
    """Train networks to forecast a series, and set them beside the naive forecasts: a table and a figure.

    The last 30 % of the series are the test, which nothing is fitted on. The pendulum is the published one: history 100, gap
    10, a random tenth of the other windows validating. Training is in float32.
    """
    from . import learn

    with job(), jax.enable_x64(False):
        _check_figure(out)
        if model not in learn.CORES:
            raise ValueError(f"--model must be one of {', '.join(learn.CORES)}; got {model!r}.")
        if not Path(series).suffix:
            _mention_unused(context, "without a csv file", "column")
        rows = (load_csv(series, column or None) if Path(series).suffix else load(series)).values
        published = series == "pendulum"
        f = learn.forecast(
            rows,
            learn.many_to_one(model, hidden),
            history=history or (100 if published else max(1, min(100, len(rows) // 10))),
            gap=gap if gap is not None else 10 * published,
            horizon=horizon,
            key=jax.random.key(seed),
            members=members,
            steps=steps or (8000 if model == "rnn" else 3000),
            rate=rate,
            direct=not autoregressive,
            share=share,
            shuffle=published,
            season=season,
            checkpoint=checkpoint,
        )
        _save_figure(f, out)
        if as_json:
            described = {"series": series, "model": model, "hidden": hidden, "figure": str(out)}
            typer.echo(json.dumps({**described, **f.to_dict()}, allow_nan=False))
            return
        typer.echo(f"{series}: {len(rows)} rows; {model}, {hidden} units\n\n{f.table()}\n\nfigure: {out}")


@app.command("memory")
def memory_command(
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
    from . import learn

    tasks = {"adding": learn.Adding, "copy": learn.Copy, "order": learn.TemporalOrder, "flip-flop": learn.FlipFlop}
    with job(), jax.enable_x64(False):
        _check_figure(out)
        if task not in tasks:
            raise ValueError(f"--task must be one of {', '.join(tasks)}; got {task!r}.")
        with progress("training") as step:
            found = learn.study(
                tasks[task](),
                cell or ["tanh", "tanh + flossing", "orthogonal", "antisymmetric", "gru", "lstm"],
                lag or [20, 40, 80],
                seeds=seeds,
                hidden=hidden,
                steps=steps,
                rate=rate,
                path=results,
                progress=lambda done, total, text: step(f"{done} of {total} trained; training: {text}"),
            )
        _save_figure(found, out)
        typer.echo(
            json.dumps({"figure": str(out), **found.to_dict()}, allow_nan=False)
            if as_json
            else f"{found.table()}\n\nfigure: {out}"
        )


@app.command("bench")
def bench_command(
    case: Annotated[list[str] | None, typer.Option(help="A case, such as iterate; repeatable. All if none.")] = None,
    hidden: Annotated[list[int] | None, typer.Option(min=1, help="Units of a network; repeatable. 48 if none.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Sequences at once; repeatable. 1 if none.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Steps of a run.")] = 60,
    repeats: Annotated[int, typer.Option(min=2, help="Timed runs of each contender, at most.")] = 20,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="PyTorch, flax, SciPy, …, too.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, inputs and the order of the runs.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="A .json file of the rows, to go on from if interrupted.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where a figure goes: .png, .pdf or .svg.")] = None,
    as_json: Json = False,
) -> None:
    """Time the package against what one would use instead, as ratios in one run: a table, and a figure if wanted."""
    from . import bench as benchmark

    with job():
        if out is not None:
            _check_figure(out)
            benchmark.check_writable("--out", out)
        rows, status = [], 0
        try:
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
        except (KeyboardInterrupt, SystemExit) as ended:
            status = 128 + (signal.SIGINT if isinstance(ended, KeyboardInterrupt) else signal.SIGTERM)
        if out is not None and rows:
            _save_bench(rows, out)
        if as_json:
            report = {"rows": [row.to_dict() for row in rows], "interrupted": status != 0}
            typer.echo(json.dumps(report, allow_nan=False))
        elif rows:
            typer.echo(benchmark.table(rows) + (f"\n\nfigure: {out}" if out else ""))
        if status:
            way = "--keep FILE.json would keep them" if keep is None else f"the same command goes on from {keep}"
            _say("interrupted", "yellow", f"the cases that were done are above; {way}.")
            raise typer.Exit(status)


def _save_bench(rows: list, out: Path) -> None:
    from . import plot

    with written_beside(out) as beside:
        plot.bench(rows).savefig(beside, dpi=120)


@app.command("resample")
def resample_command(
    context: typer.Context,
    weights: Annotated[Path, typer.Option(help="A network: .json, .npz or .safetensors, with PyTorch's names.")],
    input: Annotated[Path, typer.Option(help="Its input: a .wav file or a .csv series.")],
    out: Annotated[Path, typer.Option(help="Where its output goes, of the same kind.")],
    to: Annotated[float, typer.Option(help="The rate it is to run at: Hz, or samples per time unit of a csv series.")],
    trained: Annotated[
        float | None, typer.Option(help="The rate it was trained at; the input's if none is given.")
    ] = None,
    rate: Annotated[float, typer.Option(help="The rate of a csv series.")] = 1.0,
    column: Annotated[list[str] | None, typer.Option(help="A column of a csv series; repeatable.")] = None,
    hold: Annotated[list[float] | None, typer.Option(help="A constant further input (a knob); repeatable.")] = None,
    ahead: Annotated[int, typer.Option(min=1, help="Applications of the network per result.")] = 3,
    behind: Annotated[int, typer.Option(min=0, help="Earlier states per result.")] = 3,
    band: Annotated[float, typer.Option(help="Frequency to fit up to, cycles per step; 0: polynomials.")] = 0.0,
    best: Annotated[bool, typer.Option("--recommend", help="Choose these three by a trial on the beginning.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run an unstable scheme all the same.")] = False,
    subtype: Annotated[
        str | None, typer.Option(help=f"Of the output wav: {', '.join(SUBTYPES)}; the input's if none is given.")
    ] = None,
    residual: Annotated[
        bool | None, typer.Option(help="Add the input to the output; the file says, if neither.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a trained network at another rate than its own, on a recording or a series of any length."""
    with job():
        if best:
            _mention_unused(context, "with --recommend", "ahead", "behind", "band", "force")
        source = _source(context, input, out, to, rate, column, subtype)
        network = _floats(read_network(weights, residual=... if residual is None else residual))
        scheme = None if best else Scheme(ahead, behind, band)
        own = source.rate if trained is None else trained
        with percentage("resampling") as update:
            report = resample(
                network, source, out, to, own,
                scheme=scheme, hold=hold or (), subtype=subtype, force=force, progress=update,
            )  # fmt: skip
        typer.echo(json.dumps(dataclasses.asdict(report), allow_nan=False) if as_json else report.text())


def _source(context, input: Path, out: Path, to: float, rate: float, column, subtype: str | None) -> Source:
    """The input, and whether the output can be written at all, before anything takes time."""
    kind = input.suffix.lower()
    if kind not in (".wav", ".csv") or out.suffix.lower() != kind:
        raise ValueError(f"--input and --out must both end in .wav or both in .csv; got {input} and {out}.")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: the folder {out.parent} does not exist.")
    hz = as_rate("--to", to)
    if kind == ".csv":
        _mention_unused(context, "with a csv series", "subtype")
        return Table(input, as_rate("--rate", rate), column)
    _mention_unused(context, "with a wav file", "rate", "column")
    if hz.denominator != 1 or hz >= 2**31:
        raise ValueError(f"--to must be a whole number of Hz for a wav file, below 2^31; got {to}.")
    if subtype is not None and subtype not in SUBTYPES:
        raise ValueError(f"--subtype must be one of {', '.join(SUBTYPES)}; got {subtype!r}.")
    return read_wav(input)


def _floats(network: Network) -> Network:
    """The network in the precision of the command, whatever its file has."""
    return jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, network)
