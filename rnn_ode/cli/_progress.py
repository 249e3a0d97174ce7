"""Progress on standard error, in a terminal only."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ._app import messages


@contextlib.contextmanager
def progress(start: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with the current step. Yields a function that takes the name of the next step."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _bar(*columns) as bar:
        task = bar.add_task(start, total=None)
        yield lambda text: bar.update(task, description=text)


@contextlib.contextmanager
def percentage(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar once two seconds have passed. Yields a function that takes how much is done, and of how much."""
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
    """Disabled outside a terminal, where it would leave an empty line."""
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)
