"""Every public function with every wrong value, one argument at a time: `python tests/surface/walk.py OUT.jsonl [NAMES]`.

A worker makes the calls and writes a line before and after each. This process ends a worker whose call takes too long and
starts another one behind that call.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LIMIT = 120.0  # seconds for one call, compilation included


def cases(call, traced=True):
    import jax
    import values

    for name, parameter in call.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        valid = call.arguments.get(name, parameter.default)
        for label, make in values.of(valid):
            yield name, label, lambda name=name, make=make: call(**{name: make()})
        if values.traceable(valid):
            yield name, "traced", lambda name=name, valid=valid: jax.jit(lambda v: _arrays(call(**{name: v})))(valid)


def _arrays(result):
    import equinox as eqx

    return eqx.filter(result, eqx.is_array)


def work(out, names, skip):
    import inspect

    import matplotlib

    matplotlib.use("Agg")
    import warnings

    import calls
    import jax
    import judge

    warnings.simplefilter("ignore")
    jax.config.update("jax_traceback_filtering", "off")
    file = open(out, "a", buffering=1)
    done = 0
    for call in calls.walk(names):
        if call.name.split(".")[0].startswith("_") or call.name == "Page.get_suptitle":
            continue
        doc = inspect.getdoc(call.function) or ""
        for argument, label, run in cases(call):
            key = f"{call.name}|{argument}|{label}"
            if key in skip:
                continue
            file.write(json.dumps({"start": key}) + "\n")
            begin = time.perf_counter()
            try:
                outcome = judge.judged(run, argument, doc)
            except BaseException as error:
                outcome = judge.Outcome("not an Exception", repr(error)[:300])
            done += 1
            row = {
                "call": key,
                "fault": outcome.fault,
                "text": outcome.text[:600],
                "s": round(time.perf_counter() - begin, 2),
            }
            file.write(json.dumps(row) + "\n")
            if done % 200 == 0:
                import matplotlib.pyplot as plt

                plt.close("all")
                jax.clear_caches()


def drive(out, names):
    """Run workers until one gets to the end."""
    Path(out).touch()
    while True:
        skip = read(out)
        worker = subprocess.Popen(
            [sys.executable, __file__, "--work", out, *names], env=os.environ | {"JAXTYPING_DISABLE": "1"}
        )
        size, since = -1, time.time()
        while worker.poll() is None:
            time.sleep(1)
            now = Path(out).stat().st_size
            if now != size:
                size, since = now, time.time()
            last = Path(out).read_text().rstrip().rsplit("\n", 1)[-1]
            if last.startswith('{"start"') and time.time() - since > LIMIT:
                worker.kill()
                worker.wait()
                break
        last = Path(out).read_text().rstrip().rsplit("\n", 1)[-1]
        if last.startswith('{"start"'):
            key = json.loads(last)["start"]
            fault = "takes too long" if worker.returncode == -9 else f"ends the process ({worker.returncode})"
            with open(out, "a") as file:
                file.write(json.dumps({"call": key, "fault": fault, "text": "", "s": LIMIT}) + "\n")
        elif worker.returncode == 0 or len(read(out)) == len(skip):
            return worker.returncode


def read(out):
    lines = [json.loads(line) for line in Path(out).read_text().splitlines()] if Path(out).exists() else []
    return {line["call"] for line in lines if "call" in line}


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (10 << 30, 10 << 30))
        work(sys.argv[2], sys.argv[3:], read(sys.argv[2]))
    else:
        sys.path.insert(0, str(HERE))
        drive(sys.argv[1], sys.argv[2:])
