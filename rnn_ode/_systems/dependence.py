"""Whether what a function returns depends on one of its arguments, read from the program that it is traced to.

An operation depends on the argument if any of its inputs does. Programs inside (of `jit`, `scan`, `cond`, custom
derivatives) are looked into, so that an argument which is handed on and not used does not count. An argument that is
multiplied by zero still counts as used.
"""

from collections.abc import Callable
from typing import Any

import jax


def depends_on_first(function: Callable, first: Any, *others: Any) -> bool:
    """Whether any output of the function depends on the first argument; nothing is computed."""
    program = jax.make_jaxpr(function)(first, *others).jaxpr
    marked = len(jax.tree.leaves(first))
    return any(_outputs(program, [i < marked for i in range(len(program.invars))]))


def _outputs(program, marks: list[bool]) -> list[bool]:
    """Which outputs of a program depend on the marked inputs."""
    seen = {variable for variable, mark in zip(program.invars, marks, strict=True) if mark}

    def is_marked(atom) -> bool:
        return not hasattr(atom, "val") and atom in seen  # a literal has a value

    for equation in program.eqns:
        inputs = [is_marked(atom) for atom in equation.invars]
        if any(inputs):
            after = _of_equation(equation, inputs)
            seen |= {variable for variable, mark in zip(equation.outvars, after, strict=True) if mark}
    return [is_marked(atom) for atom in program.outvars]


def _of_equation(equation, inputs: list[bool]) -> list[bool]:
    """Which outputs of one operation depend on the marked inputs. All of them, if its inner programs are not looked into."""
    name, parameters, count = equation.primitive.name, equation.params, len(equation.outvars)
    if name == "scan":
        return _of_scan(equation, inputs)
    if name == "cond":
        branches = [_outputs(_opened(branch), inputs[1:]) for branch in parameters["branches"]]
        return [inputs[0] or any(marks) for marks in zip(*branches, strict=True)]
    inner = _opened(parameters.get("jaxpr") or parameters.get("call_jaxpr"))
    if inner is None or (len(inner.invars), len(inner.outvars)) != (len(inputs), count):
        return [True] * count
    return _outputs(inner, inputs)


def _of_scan(equation, inputs: list[bool]) -> list[bool]:
    """Which outputs of a scan depend on the marked inputs. A scan maps constants, a carry and rows to a carry and rows."""
    body = _opened(equation.params["jaxpr"])
    scanned, carried = (
        sum(len(outer.aval.shape) - len(inner.aval.shape) == rows for outer, inner in zip(*pair, strict=True))
        for rows, pair in ((1, (equation.invars, body.invars)), (0, (equation.outvars, body.outvars)))
    )
    constants = len(inputs) - carried - scanned
    marks = list(inputs)
    while True:
        after = _outputs(body, marks)
        carry = [a or b for a, b in zip(marks[constants : constants + carried], after, strict=False)]
        if carry == marks[constants : constants + carried]:
            return carry + after[carried:]
        marks[constants : constants + carried] = carry


def _opened(program):
    """A program without the constants that may be closed over with it."""
    return getattr(program, "jaxpr", program)
