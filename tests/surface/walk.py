"""Every public function with every wrong value, one argument at a time: `python tests/surface/walk.py OUT.jsonl [NAME …]`.

A worker makes the calls and writes a line before and after each. The first process ends a worker whose call takes too long,
and starts another one behind that call. Run again, it goes on where it ended.
"""

import contextlib
import inspect
import json
import os
import random
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT = 120.0  # seconds for one call, compilation included
MEMORY = 10 << 30  # bytes that a worker may take
FILES = ("path", "checkpoint", "store")  # arguments that name a file
SLOW, FEW = 1.0, 40  # of a call that takes longer, in seconds, so many cases are tried
CALLED = ("path", "field", "cell", "batches", "validate")  # arguments that may be functions
OFTEN = 200  # calls after which a worker lets go of what it compiled


def cases(call: Any) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """The argument, the label of the value, and the call, for every wrong value of every argument of a valid call."""
    import jax
    from surface import values

    if hasattr(call, "cases"):  # a command
        yield from call.cases()
        return
    for name, parameter in call.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        valid = call.arguments.get(name, parameter.default)
        for label, make in values.of(valid):
            if label == "None" and parameter.default is None:
                continue
            if label == "class" and (callable(valid) or name in CALLED or "Callable" in str(parameter.annotation)):
                continue  # a class can be called, and its errors are its own
            yield name, label, lambda name=name, make=make: call(**{name: make()})
        if values.traceable(valid):
            yield name, "traced", lambda name=name, valid=valid: jax.jit(lambda v: _arrays(call(**{name: v})))(valid)


def _arrays(result: Any) -> Any:
    import equinox as eqx

    return eqx.filter(result, eqx.is_array)


def judged(call: Any, argument: str, run: Callable[[], Any]) -> Any:
    """How a call with a wrong argument ends.

    If that is a function, the error may name another one that does not suit. If it is a file, the error may name the file.
    A class with fields and without checks is a record that the package returns: what is put into it by hand stands there.
    """
    from surface import judge, values

    if hasattr(call, "cases"):
        return run()
    valid, doc = call.arguments.get(argument, call.parameters[argument].default), inspect.getdoc(call.function) or ""
    others = tuple(call.parameters) if callable(valid) else (values.TEXT,) if argument in FILES else ()
    record = inspect.isclass(call.function) and "**Fields:**" in doc and "**Raises:**" not in doc
    return judge.judged(run, (argument, *others), doc, record)


def work(out: str, names: list[str]) -> None:
    """Make the calls that the file does not have yet."""
    import jax
    import matplotlib
    from surface import calls, commands

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    warnings.simplefilter("ignore")
    jax.config.update("jax_traceback_filtering", "off")
    done = {row["call"] for row in read(out)}
    with open(out, "a", buffering=1, encoding="utf-8") as file:
        for name in [name for name in names if f"all of {name}" not in done]:
            file.write(json.dumps({"start": f"example of {name}"}) + "\n")
            for call in [commands.command(name)] if name.startswith("rnn-ode ") else calls.calls(name).values():
                for argument, label, run in some(call):
                    key = f"{call.name}|{argument}|{label}"
                    if key in done:
                        continue
                    file.write(json.dumps({"start": key}) + "\n")
                    begin = time.perf_counter()
                    outcome = judged(call, argument, run)
                    seconds = round(time.perf_counter() - begin, 2)
                    row = {"call": key, "fault": outcome.fault, "text": outcome.text[:600], "seconds": seconds}
                    file.write(json.dumps(row) + "\n")
                    done.add(key)
                    if len(done) % OFTEN == 0:
                        plt.close("all")
                        jax.clear_caches()
            file.write(json.dumps({"call": f"all of {name}", "fault": "", "text": "", "seconds": 0}) + "\n")


def some(call: Any) -> list[tuple[str, str, Callable[[], Any]]]:
    """All cases of a call; a sample, which the name chooses, if the valid call takes long."""
    todo = list(cases(call))
    with contextlib.suppress(Exception):  # such as a file that the example has removed
        call()  # compile
    begin = time.perf_counter()
    with contextlib.suppress(Exception):
        call()
    if time.perf_counter() - begin < SLOW:
        return todo
    return random.Random(zlib.crc32(call.name.encode())).sample(todo, min(getattr(call, "few", FEW), len(todo)))


def drive(out: str, names: list[str], seconds: float = float("inf")) -> None:
    """Run workers until one gets to the end, or until the time is over."""
    Path(out).touch()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = len(read(out))
        command = [sys.executable, __file__, "--work", out, *names]
        worker = subprocess.Popen(command, env=os.environ | {"JAXTYPING_DISABLE": "1"})
        changed, size = time.monotonic(), -1
        while worker.poll() is None:
            time.sleep(1)
            if (now := Path(out).stat().st_size) != size:
                changed, size = time.monotonic(), now
            if time.monotonic() > end:
                worker.kill()
                worker.wait()
                return
            if _begun(out) and time.monotonic() - changed > LIMIT:
                worker.kill()
                worker.wait()
        if begun := _begun(out):
            fault = "takes too long" if worker.returncode == -9 else f"ends the process ({worker.returncode})"
            with open(out, "a", encoding="utf-8") as file:
                file.write(json.dumps({"call": begun, "fault": fault, "text": "", "seconds": LIMIT}) + "\n")
        elif worker.returncode == 0 or len(read(out)) == before:
            return


def read(out: str) -> list[dict[str, Any]]:
    """The calls in a file, and the names of which all calls are there."""
    lines = Path(out).read_text(encoding="utf-8").splitlines() if Path(out).exists() else []
    return [row for row in map(json.loads, lines) if "call" in row]


def made(out: str) -> list[dict[str, Any]]:
    """The calls in a file."""
    return [row for row in read(out) if "|" in row["call"]]


def _begun(out: str) -> str:
    """The call that has begun and not ended, or ""."""
    last = Path(out).read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
    return json.loads(last).get("start", "") if last.endswith("}") else ""


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


if __name__ == "__main__":
    sys.path[:0] = [
        str(Path(__file__).parents[2]),
        str(Path(__file__).parents[1]),
    ]  # the package, and what the tests share
    if sys.argv[1] == "--work":
        _limit_memory()
        work(sys.argv[2], sys.argv[3:])
    else:
        drive(sys.argv[1], sys.argv[2:])
