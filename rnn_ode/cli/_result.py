"""What every subcommand does with its files and its result: check the files first; then save the figure and print."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rich.text import Text

from .._base.stop import tell
from .._base.text import Table, as_text
from .._files.atomic import check_readable, check_writable, written_beside
from ._app import finish, screen
from ._progress import progress

FIGURES = (".png", ".pdf", ".svg")
_WIDEST = 120  # columns of a text: longer lines are hard to read
_COLOURS = {"DECAYS": "green", "GROWS": "red", "PERSISTS": "cyan", "UNDETERMINED": "yellow", "≠": "bold red"}


class Result(Protocol):
    """What `deliver` takes."""

    def plot(self) -> Any: ...

    def tables(self) -> Sequence[Table]: ...

    def to_dict(self) -> dict[str, Any]: ...


def check_files(
    *,
    figure: Path | None = None,
    reads: Mapping[str, Path | None] | None = None,
    writes: Mapping[str, Path | None] | None = None,
) -> None:
    """Refuse files that cannot be read or written, before anything takes time. Each has the option that it was given by, or
    an empty text if it was given by none.

    `figure` is the file of `--out`. `ValueError` for one of another kind than `FIGURES`, for an empty file, and for an
    output that would overwrite an input or another output; `OSError` for what cannot be read or written.
    """
    inputs = {option: path for option, path in (reads or {}).items() if path is not None}
    outputs = {option: path for option, path in (writes or {}).items() if path is not None}
    if figure is not None:
        outputs["--out"] = figure
        if figure.suffix not in FIGURES:
            raise ValueError(f"--out must end in .png, .pdf or .svg; got {str(figure)!r}.")
    for option, path in (inputs | outputs).items():
        if not str(path).strip():
            raise ValueError(f"{option} must be the name of a file; got {str(path)!r}.")
    _check_apart(outputs, inputs)
    for option, path in inputs.items():
        check_readable(option, path)
    for option, path in outputs.items():
        check_writable(option, path)


def deliver(
    result: Result,
    as_json: bool,
    figure: Path,
    *,
    about: Mapping[str, Any] | None = None,
    head: str = "",
    tail: Callable[[], str] = str,
) -> None:
    """Save the figure of a result and print the result: one JSON object, or its table.

    `about` are more entries of the JSON object. The text has the line `head` under the title of the first table, and after
    the name of the figure's file what `tail` returns then.
    """
    save_figure(result.plot, figure)
    data = {**(about or {}), "figure": str(figure), **result.to_dict()}
    first, *others = result.tables()
    first = dataclasses.replace(first, title="\n\n".join(filter(None, (first.title, head))))
    print_result(as_json, data, f"{fitted([first, *others])}\n\nfigure: {figure}{tail()}")


def fitted(tables: Sequence[Table], legend: bool = True) -> str:
    """Tables as text that is as wide as the terminal, within reason. `legend` is as in `Table.text`."""
    return as_text(tables, min(screen.width, _WIDEST), legend=legend)


def save_figure(draw: Callable[[], Any], out: Path) -> None:
    """Draw a figure and write its file, whole or not at all."""
    with progress("drawing"), written_beside(out) as beside:
        draw().savefig(beside, dpi=120)
    tell(lambda: f"Stopped: the figure {out} is complete, but nothing was printed; run the same command again.")


def print_result(as_json: bool, data: Mapping[str, Any], text: str) -> None:
    """Print the data as one JSON object, or else the text, in which a terminal shows verdicts in colour."""
    finish(json.dumps(data, allow_nan=False) if as_json else coloured(text))


def coloured(text: str) -> Text:
    """The text with its verdicts in colour, for a terminal that has colours."""
    styled = Text(text)
    for word, colour in _COLOURS.items():
        styled.highlight_words([word], colour)
    return styled


def _check_apart(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """`ValueError` for an output that would overwrite an input or another output."""
    taken = dict(inputs)
    for option, path in outputs.items():
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
