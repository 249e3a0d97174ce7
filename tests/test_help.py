"""What `help` says of every public name: each argument by its name, what comes back, and an example that runs."""

import inspect
import re

import pytest

import rnn_ode

MODULES = {"": rnn_ode, **{f"{name}.": getattr(rnn_ode, name) for name in rnn_ode._MODULES}}
NAMES = {f"{place}{name}": getattr(module, name) for place, module in MODULES.items() for name in module.__all__}
THINGS = {name: thing for name, thing in NAMES.items() if inspect.isclass(thing) or inspect.isroutine(thing)}


def parameters(thing) -> list[str]:
    """The names of the arguments of a function, or of the call that makes an instance of a class."""
    if isinstance(thing, type(rnn_ode.Verdict)) or inspect.isabstract(thing):
        return []
    variadic = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [p.name for p in inspect.signature(thing).parameters.values() if p.kind not in variadic]


def missing(thing) -> list[str]:
    """What the docstring of a public name lacks."""
    text = inspect.getdoc(thing) or ""
    heads = "Fields|Arguments" if inspect.isclass(thing) else "Arguments"
    names = parameters(thing)
    lines = re.findall(r"^- .*?(?=^- |^\*\*|^$)", text + "\n\n", re.M | re.S)
    told = set(re.findall(r"`(\w+)`", " ".join(lines)))
    lacks = [f"`{name}` on a line of its own" for name in names if name not in told]
    if names and not re.search(rf"^\*\*({heads}):\*\*", text, re.M):
        lacks.append(f"**{heads}:**")
    returns = not inspect.isclass(thing) and inspect.signature(thing).return_annotation not in (None, "None")
    if returns and "**Returns:**" not in text:
        lacks.append("**Returns:**")
    if not re.search(r"```python\n(.*\n)*?>>> ", text):
        lacks.append("an example")
    return lacks


@pytest.mark.parametrize("name", sorted(THINGS))
def test_help_names_every_argument_and_has_an_example(name):
    assert missing(THINGS[name]) == []


def test_what_is_missing_is_found():
    def bare(x, y):
        """Do something.

        **Arguments:**

        - `x`: a number, unlike `y`.

        Not `y` either.
        """
        return x, y

    assert missing(bare) == ["**Returns:**", "an example"]
    bare.__doc__ = "Do something with `x` and `y`."
    assert missing(bare) == [
        "`x` on a line of its own",
        "`y` on a line of its own",
        "**Arguments:**",
        "**Returns:**",
        "an example",
    ]
