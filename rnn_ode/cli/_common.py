"""What several commands share: progress, methods and networks by name, figures."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from .. import initializers
from .._base.stop import tell
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from .._files.atomic import check_readable, check_writable, written_beside
from ..datasets import Series
from ..interop import read_cell
from ._app import messages, say


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


# options of the commands that take a network from a file or make a random one
Weights = Annotated[
    Path | None, typer.Option(help="File of the network: .npz, .json or .safetensors. Without it: a random network.")
]
Hidden = Annotated[int, typer.Option(min=1, help="Number of units of the random network.")]
Gain = Annotated[float, typer.Option(help="The random recurrent matrix is multiplied by this number.")]
RecurrentKind = Annotated[Recurrent, typer.Option(help="Kind of the random recurrent matrix.")]


ACTIVATIONS = {
    Activation.relu: jax.nn.relu,
    Activation.tanh: jnp.tanh,
    Activation.sigmoid: jax.nn.sigmoid,
    Activation.none: None,
}


@contextlib.contextmanager
def progress(start: str):
    """A spinner with the current step on standard error; yields the function that names the step."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _bar(*columns) as bar:
        task = bar.add_task(start, total=None)
        yield lambda text: bar.update(task, description=text)


@contextlib.contextmanager
def percentage(text: str):
    """A bar on standard error once two seconds have passed; yields the function that says how much of all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar, started = _bar(*columns), time.perf_counter()
    task = bar.add_task(text, total=None)

    def update(done: int, total: int) -> None:
        if time.perf_counter() - started > 2:
            bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


def _bar(*columns: ProgressColumn) -> Progress:
    """Shown in a terminal alone: elsewhere it would leave an empty line."""
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)


def initializer(kind: Recurrent, gain: float) -> jax.nn.initializers.Initializer:
    """The initializer of W_h of that name, scaled by the gain."""
    return getattr(initializers, kind)(gain)


def mention_unused(context: typer.Context, cause: str, *names: str) -> None:
    """A line on standard error for options that were given and do nothing."""
    given = [name for name in names if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if given:
        say("note", "yellow", f"{', '.join(f'--{name}' for name in given)} does nothing {cause}.")


def standardised(series: Series) -> np.ndarray:
    values = np.asarray(series.values, float)
    spread = values.std(axis=0)
    if np.any(spread == 0):
        raise ValueError(f"{series.name}: the series is constant, so that it cannot be scaled; give another --column.")
    return (values - values.mean(axis=0)) / spread


def network(weights, activation, inputs: int, hidden: int, gain: float, recurrent: Recurrent, seed: int, default):
    """The cell of a file of weights, which must take so many inputs, or else a random one."""
    if weights is not None:
        check_readable("--weights", weights)
        return read_cell(weights) if activation is None else read_cell(weights, ACTIVATIONS[activation])
    if not np.isfinite(gain):
        raise ValueError(f"--gain must be a finite number; got {gain}.")
    chosen = ACTIVATIONS[activation or default]
    key = jax.random.key(seed)
    return VanillaCell.random(key, inputs, hidden, activation=chosen, recurrent=initializer(recurrent, gain))


def describe(cell) -> str:
    name = type(cell).__name__
    if isinstance(cell, VanillaCell):
        name = "affine network" if cell.activation is None else f"{getattr(cell.activation, '__name__', '')} network"
    if isinstance(cell, StackedCell):
        return "stack of a " + ", a ".join(map(describe, cell.cells))
    return f"{cell.hidden_size}-unit {name}"


def check_apart(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None] | None = None) -> None:
    """`ValueError` for an output, by its option, that would overwrite an input of the same command or another output."""
    taken = {name: path for name, path in (inputs or {}).items() if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        for name, other in taken.items():
            if _is_same_file(path, other):
                raise ValueError(
                    f"{option} {path}: this is the file of {name}, which would be lost; give another name."
                )
        taken[option] = path


def _is_same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def check_figure(out: Path) -> None:
    if out.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--out must end in .png, .pdf or .svg; got {str(out)!r}.")
    check_writable("--out", out)


def save_figure(draw: Callable[[], Any], out: Path) -> None:
    with written_beside(out) as beside:
        draw().savefig(beside, dpi=120)
    tell(lambda: f"Stopped: the figure {out} is complete, but nothing was printed; run the same command again.")
