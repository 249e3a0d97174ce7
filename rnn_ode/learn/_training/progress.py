"""A progress bar on standard error while a training runs."""

import contextlib
import time
from collections.abc import Callable, Iterator

import numpy as np

from ..._base.bar import bar_with

Show = Callable[[int, tuple[float, float], list[dict[str, np.ndarray]]], None]


@contextlib.contextmanager
def training_bar(start: int, steps: int, wanted: bool) -> Iterator[Show]:
    """Yield a function that shows a step: its number, its loss and norm of the gradient, and the checks so far.

    The bar is drawn at most ten times a second, and only if it is wanted and rich is installed.
    """
    bar = bar_with("{task.fields[speed]} steps/s", "{task.fields[seen]}") if wanted else None
    if bar is None:
        yield lambda step, seen, checks: None
        return
    began, shown = time.perf_counter(), 0.0
    with bar:
        task = bar.add_task("training", total=steps, completed=start, speed="–", seen="compiling")

        def show(step: int, seen: tuple[float, float], checks: list[dict[str, np.ndarray]]) -> None:
            nonlocal shown
            now = time.perf_counter()
            if now - shown < 0.1:
                return
            shown = now
            text = f"loss {seen[0]:.3g}, gradient {seen[1]:.3g}"
            if checks and "validation" in checks[-1]:
                text += f", validation {float(checks[-1]['validation']):.3g}"
            bar.update(task, completed=step, speed=f"{(step - start) / (now - began):.3g}", seen=text)

        yield show
