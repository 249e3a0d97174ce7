"""The case "import": that of the package, in processes of its own."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from ..._base.stop import undone
from .._race import OURS, Contender, Plan, race
from .._rows import Row


def rows(plan: Plan) -> list[Row]:
    contenders = [
        Contender(OURS, partial(_seconds, "from rnn_ode import *"), "from rnn_ode import *, which imports diffrax"),
        Contender("diffrax", partial(_seconds, "import diffrax"), "import diffrax"),
    ]
    return race("import", contenders, plan.of_size(), None)


def _seconds(statement: str) -> float:
    """Seconds that an import takes in a fresh interpreter, without the start of the interpreter itself, from compiled
    bytecode."""
    script = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    return float(output_of([sys.executable, "-c", script]))


def output_of(command: list[str], cwd: str | None = None) -> str:
    """What a process prints, which ends with this one at the latest; `CalledProcessError` where it fails."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=cwd, env=fresh_environment(), **pipes) as child, undone(child.kill):
        try:
            out, err = child.communicate()
        except BaseException:  # Ctrl-C in a program that calls this
            child.kill()
            raise
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command, out, err)
    return out


def fresh_environment() -> dict[str, str]:
    """For a process that finds this package, and keeps compiled bytecode as an installer does, whatever this one was told."""
    search = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": ""}
