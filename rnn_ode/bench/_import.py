"""The case "import": that of the package, in processes of its own."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from ._race import OURS, Contender, Plan, race
from ._rows import Row


def rows(plan: Plan) -> list[Row]:
    contenders = [
        Contender(OURS, partial(_seconds, "rnn_ode"), "import rnn_ode, which imports diffrax"),
        Contender("diffrax", partial(_seconds, "diffrax"), "import diffrax"),
    ]
    return race("import", contenders, plan.of_size(), None)


def _seconds(module: str) -> float:
    """Seconds that an import takes in a fresh interpreter, without the start of the interpreter itself, from compiled
    bytecode."""
    script = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=fresh_environment(), capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def fresh_environment() -> dict[str, str]:
    """For a process that finds this package, and keeps compiled bytecode as an installer does, whatever this one was told."""
    search = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": ""}
