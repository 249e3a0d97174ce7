"""Progress on standard error, in a terminal only."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from ._app import messages


class Step:
    """Shows the step that a command is at."""

    def __init__(self, bar: Progress, task: TaskID):
        self._bar, self._task = bar, task

    def __call__(self, text: str, done: float = 0, total: float | None = None) -> None:
        """Show the name of the step that begins, and how much is done, which tells the time left."""
        self._bar.update(self._task, description=text, completed=done, total=total)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing during the block, which prints."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


class _TimeLeft(ProgressColumn):
    """The time that is left, from the time of what is done."""

    def render(self, task: Task) -> Text:
        if not task.completed or not task.total or task.elapsed is None:
            return Text("")
        return Text(f"about {in_words(task.elapsed * (task.total / task.completed - 1))} left")


def in_words(seconds: float) -> str:
    """A time of so many seconds, roughly: "40 s", "3 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"


@contextlib.contextmanager
def progress(start: str) -> Iterator[Step]:
    """Show a spinner with the current step. Yields a function that takes the name of the next step."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), _TimeLeft())
    with _bar(*columns) as bar:
        yield Step(bar, bar.add_task(start, total=None))


def numbered(step: Step, last: int) -> Callable[[str], None]:
    """A function that shows the parts of a job, of which there are `last`, by number and name."""
    number = itertools.count(1)
    return lambda part: step(f"part {next(number)} of {last}: {part}")


@contextlib.contextmanager
def percentage(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar once two seconds have passed. Yields a function that takes how much is done, and of how much."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), _TimeLeft())
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
