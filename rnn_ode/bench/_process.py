"""Programs in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .._base.stop import undone


def seconds_of(statement: str, before: str = "", without: tuple[str, ...] = ()) -> float:
    """Seconds that a Python statement takes in a fresh interpreter, after the statements `before` it.

    The environment variables `without` are not passed on.
    """
    script = f"import time\n{before}\nstart = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    return float(printed_by([sys.executable, "-c", script], without=without).split()[-1])


def printed_by(command: list[str], cwd: str | None = None, without: tuple[str, ...] = ()) -> str:
    """What a command prints. `CalledProcessError` if it fails. The process ends with this one at the latest."""
    environment = fresh_environment(without)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=cwd, env=environment, **pipes) as child, undone(child.kill):
        try:
            out, err = child.communicate()
        except BaseException:  # Ctrl-C in a program that calls this
            child.kill()
            raise
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command, out, err)
    return out


def fresh_environment(without: tuple[str, ...] = ()) -> Mapping[str, str]:
    """The environment of a process that finds this package and keeps compiled bytecode, as after an installation."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    search = [str(Path(__file__).parents[2]), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": ""}
