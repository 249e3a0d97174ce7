"""A progress bar on standard error while a sweep runs."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Show = Callable[[int, int], None]
"""Takes how many members are done, and of how many."""


@contextlib.contextmanager
def shown(progress: bool | Show) -> Iterator[Show]:
    """Yield what shows the progress: the given function, or a bar, if it is wanted and rich is installed."""
    if callable(progress):
        yield progress
        return
    bar = _bar() if progress else None
    if bar is None:
        yield lambda done, total: None
        return
    with bar:
        task = bar.add_task("sweep", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar() -> Any:
    """A bar of rich, or `None` if rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("members"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not (console.is_terminal or console.is_jupyter),  # in a file it would leave an empty line
    )
