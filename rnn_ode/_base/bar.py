"""A progress bar on standard error, in a terminal or a notebook only."""

from typing import Any


def bar_with(*texts: str) -> Any:
    """Return a bar of rich that says how much is done, the texts, and the time that is left; or `None` without rich.

    The first text stands before the time that is left, and the others after it. `{task.fields[name]}` in a text is a field
    of the task."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    console, (unit, *others) = Console(stderr=True), map(TextColumn, texts)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        unit,
        TimeRemainingColumn(compact=True),
        *others,
        console=console,
        transient=True,
        disable=not (console.is_terminal or console.is_jupyter),  # in a file it would leave an empty line
    )
