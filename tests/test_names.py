"""The public names of 0.1.0 and their parameters, which scripts rely on: none goes, and what is new has a default.

`python tests/test_names.py FILE` writes the names of this version, for the next release to be held to.
"""

import importlib
import inspect
import json
import sys
from pathlib import Path

import pytest

import rnn_ode

MODULES = ("", "audio", "bench", "datasets", "initializers", "interop", "learn", "plot")
ELSEWHERE = {"read_arrays", "write_arrays"}  # public in interop, defined in a private folder
RELEASED = Path(__file__).parent / "data" / "0.1.0" / "names.json"
# Members of a system that served our analyses and that no page told of; now members of its `time`.
OF_TIME = (
    "bifurcation flips grain growth linear modes numerical_range outside own_step position propagator reading undefined "
    "verdict"
)
MOVED = {f"{system}.{name}" for system in ("Map", "Flow") for name in OF_TIME.split()}
# a step of three schemes' private base, which no caller needs
MOVED |= {f"{scheme}.increment" for scheme in ("BackwardEuler", "Trapezoidal", "ExponentialEuler")}


def described(default) -> str | None:
    """A default value as text that is the same in every process; `None` where there is no default."""
    if default is inspect.Parameter.empty:
        return None
    return getattr(default, "__name__", type(default).__name__) if callable(default) else repr(default)


def parameters(thing) -> list | str:
    """[name, kind, default] of every parameter of a function or class; a word for anything else."""
    if not callable(thing):
        return "value"
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "callable"
    return [[p.name, p.kind.name.lower(), described(p.default)] for p in signature.parameters.values()]


def members(cls: type) -> list[str]:
    """The public attributes that a class of ours has, its own and those of its bases."""
    ours = [base for base in cls.__mro__ if base.__module__.split(".")[0] == "rnn_ode"]
    fields = [name for base in ours for name in inspect.get_annotations(base)]
    return sorted({name for base in ours for name in base.__dict__} | set(fields))


def names() -> dict[str, list | str]:
    found = {}
    for place in MODULES:
        module = importlib.import_module(".".join(filter(None, ["rnn_ode", place])))
        for name in sorted(rnn_ode.__all__ if not place else vars(module)):
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "rnn_ode") or "rnn_ode"
            own = home.startswith(f"rnn_ode.{place}") or name in ELSEWHERE
            if name.startswith("_") or inspect.ismodule(thing) or not own:
                continue
            key = ".".join(filter(None, [place, name]))
            found[key] = parameters(thing)
            if inspect.isclass(thing):
                public = [member for member in members(thing) if not member.startswith("_")]
                found |= {f"{key}.{member}": parameters(getattr(thing, member, None)) for member in public}
    return found


def misses(old: list | str, new: list | str) -> str:
    """The first difference that breaks a call with the old parameters, in words; empty if there is none."""
    if isinstance(old, str) or isinstance(new, str):
        return "" if type(old) is type(new) else f"was {old}, is {new}"
    now = {name: (place, kind, default) for place, (name, kind, default) in enumerate(new)}
    for place, (name, kind, default) in enumerate(old):
        if name not in now:
            return f"{name} is gone"
        if kind != "keyword_only" and now[name][:2] != (place, kind):
            return f"{name} is elsewhere, or of another kind"
        if default != now[name][2] and default is not None:
            return f"the default of {name} was {default}"
    added = [name for name, kind, default in new if default is None and "var" not in kind]
    needed = [name for name in added if name not in {name for name, *_ in old}]
    return f"{needed[0]} must be given now" if needed else ""


NAMES = json.loads(RELEASED.read_text(encoding="utf-8")) if RELEASED.exists() else {}


@pytest.fixture(scope="module")
def ours():
    return names()


def test_no_public_name_is_gone(ours):
    assert NAMES.keys() - ours.keys() - MOVED == set()


def test_all_take_the_parameters_that_they_took(ours):
    told = {name: misses(old, ours[name]) for name, old in NAMES.items() if name in ours}
    assert {name: text for name, text in told.items() if text} == {}


def test_removed_and_changed_parameters_are_reported():
    x, y = ["x", "positional_or_keyword", None], ["y", "keyword_only", "1"]
    assert misses([x, y], [x, y]) == misses([x], [x, y]) == misses([x, y], [x, ["z", "keyword_only", "2"], y]) == ""
    assert misses([x, y], [x]) == "y is gone"
    assert misses([x], [["z", "positional_or_keyword", "0"], x]) == "x is elsewhere, or of another kind"
    assert misses([x], [x, ["z", "positional_or_keyword", None]]) == "z must be given now"
    assert misses([y], [["y", "keyword_only", "2"]]) == "the default of y was 1"
    assert misses("value", [x]).startswith("was value")


if __name__ == "__main__":
    found = names()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    Path(sys.argv[1]).write_text("{\n" + lines + "\n}\n", encoding="utf-8")
