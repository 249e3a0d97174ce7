"""The layout: which folder may import which. DESIGN section 4 in the same order."""

import ast
from functools import cache
from pathlib import Path

import pytest

import rnn_ode

PACKAGE = Path(rnn_ode.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

# From the ground up. What is on one line may not import each other, unless it is a folder, whose files may.
FLOORS = (
    "_base",
    "_files",
    "linalg",
    "plot",
    "_paths _cells",
    "_methods",
    "initializers datasets audio",
    "interop",
    "_fields",
    "_run",
    "_bridge",
    "_resampling",
    "_systems",
    "_analyses",
    "_reports",
    "learn",
    "_sweep _explore",
    "bench",
    "cli",
    "__main__",
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
MOST_LINES = 400


def module(file: Path) -> tuple[str, ...]:
    """`_cells/base.py` is ("_cells", "base"), `learn/__init__.py` ("learn",)."""
    parts = file.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module(file): file for file in FILES}


def imported(file: Path, text: str) -> set[tuple[str, ...]]:
    """The modules of the package that a file's statements import: at the top, in functions and for type checkers."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = ("rnn_ode", *file.parent.parts)
            start = here[: len(here) + 1 - node.level] if node.level else ()
            base = (*start, *(node.module.split(".") if node.module else ()))
            # `from .x import y` imports the module x.y where there is one, and otherwise x
            names = [(*base, alias.name) if (*base, alias.name)[1:] in MODULES else base for alias in node.names]
        else:
            continue
        found |= {name[1:] for name in names if name[0] == "rnn_ode"}
    return found


INSIDE = [name for name in MODULES if name]


@cache
def imports() -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """What every file but the root's own imports. It is read when the first test asks, not by every worker."""
    return {name: imported(MODULES[name], (PACKAGE / MODULES[name]).read_text(encoding="utf-8")) for name in INSIDE}


def test_every_file_has_a_place_in_the_layout():
    assert {name[0] for name in INSIDE} - FLOOR.keys() == set(), "give the new folder or file a floor"


@pytest.mark.parametrize("name", INSIDE, ids=".".join)
def test_imports_come_from_lower_floors(name):
    assert () not in imports()[name], "nobody inside the package imports its root"
    for other in imports()[name] - {()}:
        assert other[0] == name[0] or FLOOR[other[0]] < FLOOR[name[0]], f"{'.'.join(other)} is on no floor below"


def test_no_imports_make_a_circle():
    todo, done = dict(imports()), {()}
    while free := [name for name, others in todo.items() if others - {name} <= done]:
        done.update(free)
        for name in free:
            del todo[name]
    assert todo == {}, "these import each other"


@pytest.mark.parametrize("name", MODULES, ids=".".join)
def test_files_are_short(name):
    assert len((PACKAGE / MODULES[name]).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_imports_are_understood():
    def modules(file, text):
        return imported(Path(file), text)

    assert modules("_run/scan.py", "from .._base.types import Cell") == {("_base", "types")}
    assert modules("_run/scan.py", "from .._base import types, nothing") == {("_base", "types"), ("_base",)}
    assert modules("_run/scan.py", "from . import iterate") == {("_run", "iterate")}
    assert modules("_run/scan.py", "def f():\n    from .iterate import iterate") == {("_run", "iterate")}
    assert modules("_run/scan.py", "from .. import plot, iterate") == {("plot",), ()}
    assert modules("learn/__init__.py", "from ._training.fit import fit") == {("learn", "_training", "fit")}
    assert modules("cli/_app.py", "import rnn_ode as ro, numpy") == {()}
    assert modules("cli/_app.py", "import rnn_ode.plot") == {("plot",)}
    assert modules("cli/_app.py", "from rnn_ode.learn import fit") == {("learn",)}
    assert modules("cli/_app.py", "from numpy import linalg") == set()
