"""The case "compare": the command `rnn-ode compare`, in a fresh process."""

import shutil
import sys
import tempfile
import time
from functools import partial

from ..._base.stop import undone
from .._process import printed_by
from .._race import OURS, Contender, Plan, race
from .._rows import Row

COMMAND = ("compare", "--out", "figure.png")


def rows(plan: Plan) -> list[Row]:
    note = "rnn-ode compare, from the start of its process to the end, figure included"
    return race("compare", [Contender(OURS, _seconds, note)], plan.of_size(), None)


def _seconds() -> float:
    """Seconds from the start of an interpreter to its end. Its files go to a folder that is then removed."""
    command = [sys.executable, "-m", "rnn_ode", *COMMAND]
    with tempfile.TemporaryDirectory() as folder, undone(partial(shutil.rmtree, folder, ignore_errors=True)):
        start = time.perf_counter()
        printed_by(command, cwd=folder)
        return time.perf_counter() - start
