"""One valid call, or several, of every public function and method: those of the examples in the docstrings.

Each public name has an example that runs (`tests/test_help.py`), so a new name is walked as soon as it is public.
"""

import ast
import contextlib
import copy
import doctest
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import equinox as eqx
import jax

import rnn_ode

MODULES = {"": rnn_ode, **{f"{name}.": getattr(rnn_ode, name) for name in rnn_ode._MODULES}}
THINGS = {
    f"{place}{name}": getattr(module, name)
    for place, module in MODULES.items()
    for name in module.__all__
    if inspect.isclass(getattr(module, name)) or inspect.isroutine(getattr(module, name))
}


@dataclass
class Call:
    """A call that the example of a public name makes, with its arguments by parameter."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    parameters: dict[str, inspect.Parameter] = field(repr=False, default_factory=dict)

    def __call__(self, **changed: Any) -> Any:
        """The call with some arguments replaced."""
        given = self.arguments | changed
        positional, by_name = [], {}
        for name, parameter in self.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                positional += given.get(name, ())
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                by_name |= given.get(name, {})
            elif name in given and (
                parameter.kind is inspect.Parameter.POSITIONAL_ONLY
                or (self._has_variadic() and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
            ):
                positional.append(given[name])
            elif name in given:
                by_name[name] = given[name]
        return self._fresh()(*positional, **by_name)

    def _has_variadic(self) -> bool:
        return any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in self.parameters.values())

    def _fresh(self) -> Callable[..., Any]:
        """The function; a method of an object that keeps what it is told is one of a copy."""
        owner = getattr(self.function, "__self__", None)
        keeps = owner is not None and not inspect.isclass(owner) and not isinstance(owner, eqx.Module)
        return getattr(copy.deepcopy(owner), self.function.__name__) if keeps else self.function


class _Recorded(ast.NodeTransformer):
    """Every call `f(x)` becomes `_call(f, x)`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(ast.Call(ast.Name("_call", ast.Load()), [node.func, *node.args], node.keywords), node)


def examples(thing: Any) -> str:
    """The statements of the example in a docstring."""
    text = inspect.getdoc(thing) or ""
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    return "".join(e.source for block in blocks for e in doctest.DocTestParser().get_examples(textwrap.dedent(block)))


def calls(name: str) -> dict[str, Call]:
    """The first call of the public name and of each method of the package that its example uses, by their names."""
    thing, found = THINGS[name], {}
    source = examples(thing)

    def record(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        called = _named(function, name, thing)
        known = not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        if called is not None and called not in found and known:
            with contextlib.suppress(TypeError, ValueError):
                signature = inspect.signature(function)
                bound = signature.bind(*args, **kwargs)
                call = Call(called, function, dict(bound.arguments), dict(signature.parameters))
                call.function = call._fresh()
                found[called] = call
        return function(*args, **kwargs)

    tree = ast.fix_missing_locations(_Recorded().visit(ast.parse(source)))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(tree, f"<example of {name}>", "exec"), {"_call": record, "__name__": "example"})
    return found


def _named(function: Any, name: str, thing: Any) -> str | None:
    """How to name a called function, if it is the public thing or a method of one of its objects."""
    if function is thing or getattr(function, "__wrapped__", None) is thing:
        return name
    if isinstance(function, FunctionType):  # such as what vmap makes of a method, whose arguments JAX checks first
        return None
    owner = getattr(function, "__self__", None)
    kind = owner if inspect.isclass(owner) else type(owner)
    if owner is not None and kind.__module__.startswith("rnn_ode") and not kind.__name__.startswith("Page"):
        return f"{kind.__name__}.{function.__name__}"
    return None


def walk(names: list[str]) -> Iterator[Call]:
    """The calls of many public names, each once."""
    seen = set()
    for name in names:
        for called, call in calls(name).items():
            if called not in seen:
                seen.add(called)
                yield call
