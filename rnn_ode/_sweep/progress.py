"""A progress bar on standard error while a sweep runs."""

import contextlib
from collections.abc import Callable, Iterator

from .._base.bar import bar_with

Show = Callable[[int, int], None]
"""Takes how many members are done, and of how many."""


@contextlib.contextmanager
def shown(progress: bool | Show) -> Iterator[Show]:
    """Yield what shows the progress: the given function, or a bar, if it is wanted and rich is installed."""
    if callable(progress):
        yield progress
        return
    bar = bar_with("members") if progress else None
    if bar is None:
        yield lambda done, total: None
        return
    with bar:
        task = bar.add_task("sweep", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
