"""The case "compare": the command `rnn-ode compare`, in a process of its own."""

import shutil
import sys
import tempfile
import time
from functools import partial

from ..._base.stop import undone
from .._race import OURS, Contender, Plan, race
from .._rows import Row
from .imports import output_of

COMMAND = ("compare", "--out", "figure.png")


def rows(plan: Plan) -> list[Row]:
    note = "rnn-ode compare, a cold process to its end, figure included"
    return race("compare", [Contender(OURS, _seconds, note)], plan.of_size(), None)


def _seconds() -> float:
    """Seconds from the start of an interpreter to its end; what it writes goes to a folder that is then removed."""
    command = [sys.executable, "-m", "rnn_ode", *COMMAND]
    with tempfile.TemporaryDirectory() as folder, undone(partial(shutil.rmtree, folder, ignore_errors=True)):
        start = time.perf_counter()
        output_of(command, cwd=folder)
        return time.perf_counter() - start
