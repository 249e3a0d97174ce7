"""`python mutants.py SECONDS SUBJECT …`: random wrong changes of the code, one at a time, which its tests must notice.

The changes are those of Cosmic Ray (`pip install cosmic-ray`, in no extra of the package). Its own runner starts Python anew
for each change; here a process that has imported JAX and pytest is forked for each, which takes a third of the time. Changes
in annotations are left out: most of them cannot be imported, and would only look good. A line of JSON is printed for each.
"""

import ast
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEED = 17
LIMIT = 300  # seconds for the tests of one change

# what is changed, and the tests that must notice, the nearest first
SUBJECTS = {
    "conversions": (["_methods"], ["tests/methods"]),
    "the bridge": (["_bridge"], ["tests/bridge"]),
    "linalg": (["linalg"], ["tests/linalg"]),
    "the verdict": (["linalg/_verdict.py"], ["tests/linalg/test_verdict.py", "tests/linalg"]),
    "spectrum": (["_analyses/spectrum.py"], ["tests/analyses/test_spectrum.py", "tests/plot/test_spectrum.py"]),
    "evolve": (
        ["_resampling/evolve.py", "_resampling/stability.py", "_resampling/interpolation.py"],
        [
            "tests/resampling/test_evolve.py",
            "tests/resampling/test_stability.py",
            "tests/resampling/test_interpolation.py",
        ],
    ),
    "integrate": (
        ["_run/integrate.py", "_run/solve.py", "_run/tolerances.py", "_run/clock.py"],
        [
            "tests/run/test_integrate.py",
            "tests/run/test_solve.py",
            "tests/run/test_tolerances.py",
            "tests/run/test_clock.py",
        ],
    ),
    "paths": (["_paths"], ["tests/paths"]),
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change: the operator of Cosmic Ray and which of its occurrences in the file."""

    subject: str
    file: str
    line: int
    operator: str
    occurrence: int


def drawn(subject: str, count: int) -> list[Mutant]:
    """Random changes of a subject: a random place, and there a random change."""
    draw = random.Random(f"{SEED} {subject}")
    places = [place for file in _files(subject) for place in _places(file)]
    chosen = draw.sample(places, min(count, len(places)))
    return [Mutant(subject, file, line, *draw.choice(changes)) for file, line, changes in chosen]


def _files(subject: str) -> list[str]:
    package = ROOT / "rnn_ode"
    found = [
        file
        for name in SUBJECTS[subject][0]
        for file in ([package / name] if name[-3:] == ".py" else (package / name).glob("*.py"))
    ]
    return sorted(str(file.relative_to(ROOT)) for file in found if file.name != "__init__.py")


def _places(file: str) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """The places of a file with their changes, in the order of the file."""
    from cosmic_ray.ast import ast_nodes, get_ast

    source = (ROOT / file).read_text(encoding="utf-8")
    annotated, counts, found = list(_annotations(source)), {}, {}
    for node in ast_nodes(get_ast(source)):
        if node.type in ("name", "string", "newline", "endmarker") or getattr(node, "value", None) in tuple(
            "()[]{},:.="
        ):
            continue
        for name, operator in _operators().items():
            for start, _ in operator.mutation_positions(node):
                number = counts[name] = counts.get(name, -1) + 1
                if not any(first <= start < last for first, last in annotated):
                    found.setdefault(start, []).append((name, number))
    return [(file, start[0], changes) for start, changes in sorted(found.items())]


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for node in ast.walk(ast.parse(source)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if part is not None:
                yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


_made: dict = {}


def _operators() -> dict:
    """The operators of Cosmic Ray that need no arguments."""
    from cosmic_ray import plugins

    for name in () if _made else plugins.operator_names():
        with contextlib.suppress(TypeError):
            _made[name] = plugins.get_operator(name)()
    return _made


def tried(mutant: Mutant, copy: Path) -> dict:
    """Whether the quick tests of a subject notice a change, which is made in a copy of the package."""
    from cosmic_ray.mutating import mutate_code

    file, original = copy / mutant.file, (ROOT / mutant.file).read_text(encoding="utf-8")
    changed = mutate_code(original, _operators()[mutant.operator], mutant.occurrence)
    file.write_text(changed, encoding="utf-8")
    began = time.monotonic()
    status = _status(copy, _tests(mutant))
    shutil.copy2(ROOT / mutant.file, file)
    outcome = {0: "survived", 1: "killed", None: "out of time"}.get(status, "not importable")
    pairs = zip(original.splitlines(), changed.splitlines(), strict=False)
    before, after = next(pair for pair in pairs if pair[0] != pair[1])
    told = {
        "outcome": outcome,
        "seconds": round(time.monotonic() - began),
        "before": before.strip(),
        "after": after.strip(),
    }
    return dataclasses.asdict(mutant) | told


def _tests(mutant: Mutant) -> list[str]:
    """The tests of a subject, first those of the changed file."""
    folder = SUBJECTS[mutant.subject][1][0]
    own = f"{folder}/test_{Path(mutant.file).stem.strip('_')}.py"
    return [*([own] if (ROOT / own).exists() else []), *SUBJECTS[mutant.subject][1]]


_QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # pytest wants to be first; the fork has more imported


def _status(copy: Path, tests: list[str]) -> int | None:
    """The status of pytest in a fork; `None` if it does not end in time."""
    child = os.fork()
    if child == 0:
        os.setpgrp()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        import pytest

        with contextlib.suppress(BaseException):
            os._exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *_QUIET, *tests])))
        os._exit(3)
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def main(seconds: float, subjects: list[str]) -> None:
    """Try changes of the subjects in turn until the time is over. The tests must pass without a change first."""
    import equinox, diffrax, hypothesis, jax, numpy, optimistix, pytest, scipy  # noqa: E401, F401, I001

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("rnn_ode", "tests"):
            shutil.copytree(ROOT / name, copy / name)
        shutil.copy2(ROOT / "pyproject.toml", copy)
        for subject in subjects:
            assert _status(copy, SUBJECTS[subject][1]) == 0, f"the tests of {subject} fail without a change"
        sys.dont_write_bytecode = True  # a file that changes twice in a second would be taken for the same
        turns = zip(*(drawn(subject, 100) for subject in subjects), strict=False)
        for mutant in (mutant for turn in turns for mutant in turn):
            if time.monotonic() - began > seconds:
                break
            print(json.dumps(tried(mutant, copy), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
