"""The case "compare": the command `rnn-ode compare`, in a process of its own."""

import subprocess
import sys
import tempfile
import time

from ._import import fresh_environment
from ._race import OURS, Contender, Plan, race
from ._rows import Row

COMMAND = ("compare", "--out", "figure.png")


def rows(plan: Plan) -> list[Row]:
    note = "rnn-ode compare, a cold process to its end, figure included"
    return race("compare", [Contender(OURS, _seconds, note)], plan.of_size(), None)


def _seconds() -> float:
    """Seconds from the start of an interpreter to its end; what it writes goes to a folder that is then removed."""
    command = [sys.executable, "-m", "rnn_ode", *COMMAND]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, env=fresh_environment(), capture_output=True, check=True)
        return time.perf_counter() - start
