"""`python mutants.py FILE COUNT TESTS SUBJECT …`: random wrong changes of the code, one at a time, which tests must notice.

TESTS is `quick`: COUNT changes of each subject are tried with its quick tests; `again`: those that no test has noticed are
tried once more, after tests were added; or `slow`: those are tried with the slow tests. The last two leave out what
`ledger/equivalent.json` names. A line of JSON is appended to FILE for each change. The last one for a change counts, and
`quick` tries no change that FILE has.

The changes are those of Cosmic Ray (`pip install cosmic-ray`, in no extra of the package). Its own runner starts Python anew
for each change. Here a process is forked for each, which has imported everything that does not depend on the subject, and
which reads what XLA has compiled for the unchanged code from a folder. The tests that run the changed line come first. A
change takes 2 to 10 seconds so. Changes in annotations are left out: most of them cannot be imported, and would only look
good.
"""

import ast
import contextlib
import dataclasses
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEED = 17
EQUIVALENT = Path(__file__).parent / "ledger" / "equivalent.json"  # survivors that were read
TURN = 10  # changes of one subject before the next subject's turn

# what is changed, and the tests that must notice
SUBJECTS = {
    "conversions": (["_methods"], ["tests/methods"]),
    "the bridge": (["_bridge"], ["tests/bridge"]),
    "linalg": (["linalg"], ["tests/linalg"]),
    "the verdict": (["linalg/_verdict.py"], ["tests/linalg"]),
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
    """One change: the operator of Cosmic Ray and which of its occurrences in the file. `name` outlives changes elsewhere."""

    name: str
    subject: str
    file: str
    line: int
    operator: str
    occurrence: int


def drawn(subject: str, count: int) -> list[Mutant]:
    """Random changes of a subject: random places, and at each a random change.

    A hash of the seed, the line and the column gives a place its rank, so that work on other lines draws the same places.
    """
    places = [place for file in _files(subject) for place in _places(file)]
    chosen = sorted((_hash(subject, *place[:4]), place) for place in places)[:count]
    return [_mutant(subject, name, place) for name, place in chosen]


def _mutant(subject: str, name: str, place: tuple) -> Mutant:
    file, _, _, _, line, changes = place
    operator, occurrence = min(changes, key=lambda change: _hash(name, change[0]))
    return Mutant(name, subject, file, line, operator, occurrence)


def _hash(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, (SEED, *parts))).encode()).hexdigest()[:16]


def _files(subject: str) -> list[str]:
    package = ROOT / "rnn_ode"
    found = [
        file
        for name in SUBJECTS[subject][0]
        for file in ([package / name] if name[-3:] == ".py" else (package / name).glob("*.py"))
    ]
    return sorted(str(file.relative_to(ROOT)) for file in found if file.name != "__init__.py")


def _places(file: str) -> list[tuple]:
    """The places of a file: (file, text of the line, which line with that text, column, line, changes)."""
    from cosmic_ray.ast import ast_nodes, get_ast

    source = (ROOT / file).read_text(encoding="utf-8")
    lines = [line.strip() for line in source.splitlines()]
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
    return [
        (file, lines[line - 1], lines[: line - 1].count(lines[line - 1]), column, line, changes)
        for (line, column), changes in found.items()
    ]


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


def tried(mutant: Mutant, copy: Path, mark: str, limit: float, first: list[str]) -> dict:
    """Whether the tests of a subject, some of them first, notice a change, which is made in a copy of the package."""
    from cosmic_ray.mutating import mutate_code

    file = copy / mutant.file
    original, kept = file.read_text(encoding="utf-8"), file.with_suffix(".kept")
    shutil.copy2(file, kept)
    changed = mutate_code(original, _operators()[mutant.operator], mutant.occurrence)
    file.write_text(changed, encoding="utf-8")
    status, seconds = _status(copy, _tests(mutant), mark, limit, _First(first))
    os.replace(kept, file)
    outcome = {0: "survived", 1: "failed", None: "out of time"}.get(status, "not importable")
    lines = zip(original.splitlines(), changed.splitlines(), strict=False)
    after = next(after for before, after in lines if before != after)
    return dataclasses.asdict(mutant) | {
        "tests": mark,
        "outcome": outcome,
        "seconds": round(seconds, 1),
        "before": original.splitlines()[mutant.line - 1].strip(),
        "after": after.strip(),
    }


def _tests(mutant: Mutant) -> list[str]:
    """The tests of a subject, first those of the changed file."""
    folder = SUBJECTS[mutant.subject][1][0]
    own = f"{folder}/test_{Path(mutant.file).stem.strip('_')}.py"
    return [*([own] if (ROOT / own).exists() else []), *SUBJECTS[mutant.subject][1]]


class _First:
    """A plugin of pytest: some tests come first."""

    def __init__(self, tests: list[str]):
        self.tests = set(tests)

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: item.nodeid not in self.tests)


class _Lines:
    """A plugin of pytest, which writes to a file what tests run each line of some files."""

    def __init__(self, copy: Path, files: list[str], out: Path):
        self.files, self.out = {str(copy / file): file for file in files}, out
        self.found: dict[str, list[str]] = {}

    def pytest_runtest_logstart(self, nodeid):
        def in_file(frame, event, arg):
            tests = self.found.setdefault(f"{self.files[frame.f_code.co_filename]}:{frame.f_lineno}", [])
            if nodeid not in tests[-1:]:
                tests.append(nodeid)
            return in_file

        sys.settrace(lambda frame, event, arg: in_file if frame.f_code.co_filename in self.files else None)

    def pytest_sessionfinish(self):
        sys.settrace(None)
        self.out.write_text(json.dumps(self.found), encoding="utf-8")


def _status(copy: Path, tests: list[str], mark: str, limit: float, *plugins) -> tuple[int | None, float]:
    """The status of pytest in a fork, `None` if it takes more than `limit` seconds of the processor; and these seconds."""
    child = os.fork()
    if child == 0:
        os.setpgrp()
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
        _silence()
        os.chdir(copy)
        import pytest

        marked = ["-m", "(slow or gate) and not thorough" if mark == "slow" else "not slow"]
        quiet = [
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]  # pytest wants to be first; the fork has more imported
        with contextlib.suppress(BaseException):
            options = ["-q", "-x", "-p", "no:cacheprovider", *marked, *quiet, *tests]
            os._exit(int(pytest.main(options, list(plugins))))
        os._exit(3)
    deadline = time.monotonic() + 20 * limit  # for a change that waits for ever
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return (None if code < 0 else code), used.ru_utime + used.ru_stime
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, limit
        time.sleep(0.05)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _in_a_fork(function, *args) -> None:
    """Call a function in a fork, so that what it imports is forgotten."""
    child = os.fork()
    if child == 0:
        function(*args)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("a process ended badly")


def _turn(mutants: list[Mutant], copy: Path, mark: str, limit: float, file: Path) -> None:
    """Try some changes of one subject, after everything is imported that does not depend on it."""
    import jax

    _preload(copy, mutants[0].subject)
    sys.dont_write_bytecode = True  # a file that changes twice in a second would be taken for the same
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)  # read what is compiled, and write nothing
    lines = _lines(mutants[0].subject, copy) if mark == "quick" else {}
    for mutant in mutants:
        _append(file, tried(mutant, copy, mark, limit, lines.get(f"{mutant.file}:{mutant.line}", [])))


def _lines(subject: str, copy: Path) -> dict[str, list[str]]:
    """What quick tests of a subject run each line of it, as `file:line`."""
    out = copy / f"{subject}.json"
    if not out.exists():
        _status(copy, SUBJECTS[subject][1], "quick", 1800, _Lines(copy, _files(subject), out))
    return json.loads(out.read_text(encoding="utf-8"))


def _preload(copy: Path, subject: str) -> None:
    sys.path.insert(0, str(copy))
    from jaxtyping import install_import_hook
    from test_layout import FLOOR, INSIDE, MODULES, imports

    import rnn_ode

    assert Path(rnn_ode.__file__).is_relative_to(copy)
    install_import_hook("rnn_ode", "beartype.beartype")
    rnn_ode.__all__ = []  # of what does depend on the subject, conftest.py would import more than the tests need
    needs = {name: imports()[name] | {name[:k] for k in range(1, len(name))} for name in INSIDE}
    late = {name for name in INSIDE if str(Path("rnn_ode") / MODULES[name]) in _files(subject)}
    while more := {name for name in INSIDE if name not in late and needs[name] & late}:
        late |= more
    for name in INSIDE:
        if name not in late and FLOOR[name[0]] <= FLOOR["_reports"]:  # what is above, few tests need
            importlib.import_module(".".join(("rnn_ode", *name)))


def _unchanged(subject: str, copy: Path, mark: str, file: Path) -> float:
    """The seconds that the tests take without a change. They must pass. FILE remembers that they did."""
    name = _hash("unchanged", subject, mark, *(path.read_bytes() for path in _sources(subject)))
    if name not in stored(file):
        reading, writing = os.pipe()

        def run():
            _preload(copy, subject)
            status, seconds = _status(copy, SUBJECTS[subject][1], mark, 1800)
            assert status in (0, 5), f"the {mark} tests of {subject} fail without a change"  # 5: there are none
            os.write(writing, str(seconds).encode())

        _in_a_fork(run)
        seconds = float(os.read(reading, 100))
        _append(file, {"name": name, "outcome": "unchanged", "tests": mark, "seconds": seconds})
    return stored(file)[name]["seconds"]


def _sources(subject: str) -> list[Path]:
    """The package, and the tests of a subject with what they import."""
    tests = [path for name in SUBJECTS[subject][1] for path in ([ROOT / name, *(ROOT / name).rglob("*.py")])]
    found = [*(ROOT / "rnn_ode").rglob("*.py"), *(ROOT / "tests").glob("*.py"), *tests]
    return sorted({path for path in found if path.is_file() and path != Path(__file__)})


def _append(file: Path, line: dict) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line, ensure_ascii=False) + "\n")


def stored(file: Path) -> dict[str, dict]:
    """The last line of each change, with what came of it when it was `first` tried."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = {}
    for one in map(json.loads, lines):
        found[one["name"]] = one | {"first": found.get(one["name"], {"first": one["outcome"]})["first"]}
    return found


def equivalent() -> dict[tuple[str, str], str]:
    """Why a change, told by its file and by its line after the change, makes no difference."""
    listed = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {(one["file"], one["after"]): one["why"] for one in listed}


def _wanted(subject: str, count: int, tests: str, done: dict[str, dict]) -> list[Mutant]:
    alive = {name for name, one in done.items() if one["outcome"] == "survived"}
    alive -= {name for name in alive if (done[name]["file"], done[name]["after"]) in equivalent()}
    if tests == "slow":
        alive -= {name for name in alive if done[name]["tests"] == "slow"}
    return [one for one in drawn(subject, count) if (one.name not in done if tests == "quick" else one.name in alive)]


def main(file: Path, count: int, tests: str, subjects: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/compiled")
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
        import conftest, diffrax, hypothesis, optimistix, pytest, scipy  # noqa: E401, F401, I001

        copy, mark = Path(folder), "slow" if tests == "slow" else "quick"
        for name in ("rnn_ode", "tests"):
            shutil.copytree(ROOT / name, copy / name)
        shutil.copy2(ROOT / "pyproject.toml", copy)
        wanted = {subject: _wanted(subject, count, tests, stored(file)) for subject in subjects}
        limits = {subject: 10 + 3 * _unchanged(subject, copy, mark, file) for subject in subjects if wanted[subject]}
        for start in range(0, count, TURN):
            for subject, mutants in wanted.items():
                if turn := mutants[start : start + TURN]:
                    _in_a_fork(_turn, turn, copy, mark, limits[subject], file)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), int(sys.argv[2]), sys.argv[3], sys.argv[4:] or list(SUBJECTS))
