"""What a swept function returns: arrays by name, and how the member ended."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array

from .._analyses.fixed_points_kinds import Kind
from .._base.checks import brief
from .._base.results import RESULTS
from .._base.verdict import Verdict

OUTCOME = "outcome"
"""The variable that says how each member ended. Its codes are those of `RESULTS`, 0 for success, or these:"""
NOT_COMPUTED, NOT_A_NUMBER, RAISED = -1, -2, -3

_ITEM = type(Verdict.DECAYS)
_ENDS = (RESULTS, diffrax.RESULTS, optimistix.RESULTS)
# an item of an enumeration is known by its structure, which no two enumerations share
_ENUMERATIONS = {jax.tree.structure(kind.successful): kind for kind in _ENDS}
_ENUMERATIONS |= {jax.tree.structure(item): kind for kind, item in ((Verdict, Verdict.DECAYS), (Kind, Kind.NODE))}


@dataclasses.dataclass(frozen=True)
class Output:
    """A variable of a sweep: its name, its shape and type for one member, and the meanings of its codes if it is labels."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    meanings: dict[int, str] = dataclasses.field(default_factory=dict)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of its own axes, behind those of the grid."""
        return tuple(f"{self.name}_{k}" for k in range(len(self.shape)))

    @property
    def attributes(self) -> dict[str, Any]:
        """What a file tells of it: the meanings of codes."""
        return {"meanings": {str(code): text for code, text in self.meanings.items()}} if self.meanings else {}

    @property
    def missing(self) -> Any:
        """What stands where nothing was computed."""
        if self.meanings:
            return self.dtype.type(NOT_COMPUTED)
        return self.dtype.type(np.nan if self.dtype.kind in "fc" else 0)


def named(value: Any) -> dict[str, Array]:
    """What a function returned for one member as arrays by name, with the outcome, while JAX traces it.

    A dictionary, a tuple or a module names its parts, with "." between the levels; a single array is `value`. A part that
    says how a run ended (of `RESULTS`) becomes the outcome. Without one, the outcome tells whether there is a NaN.
    """
    found, ends = {}, []
    for name, part, kind in _parts(value):
        if kind in _ENDS:
            ends.append(jax.tree.leaves(part if kind is RESULTS else RESULTS.promote(part))[0])
        else:
            found[name] = jnp.asarray(jax.tree.leaves(part)[0])
    nan = [jnp.any(jnp.isnan(part)) for part in found.values() if jnp.issubdtype(part.dtype, jnp.inexact)]
    outcome = jnp.zeros((), jnp.int16)
    if nan and not ends:
        outcome = jnp.where(jnp.any(jnp.stack(nan)), jnp.int16(NOT_A_NUMBER), outcome)
    for end in ends:
        outcome = jnp.where(outcome == 0, jnp.max(end).astype(jnp.int16), outcome)
    return found | {OUTCOME: outcome}


def outputs_of(member: Callable[[Any], Any], example: dict[str, Any]) -> tuple[Output, ...]:
    """The variables of a sweep, the outcome last, by tracing `member(example)`. Nothing is computed."""
    try:
        value = jax.eval_shape(member, example)
    except TypeError as error:
        if "JAX type" not in str(error):
            raise
        raise TypeError(f"f must return numbers, arrays, or a result that holds them: {brief(error)}") from error
    meanings = {name: _meanings(kind) for name, _, kind in _parts(value) if kind not in (None, *_ENDS)}
    found = []
    for name, leaf in jax.eval_shape(named, value).items():
        if name in example:
            raise ValueError(f"f must not return a part that has the name of an axis; got {name!r}.")
        if name != OUTCOME:
            found.append(_output(name, leaf, meanings.get(name, {})))
    if not found:
        raise ValueError("f must return at least one array.")
    return (*found, Output(OUTCOME, (), np.dtype(np.int16), _endings()))


def code_of(text: str) -> int:
    """The code of the outcome of a member whose function raised this text."""
    known = (k for k in range(1, len(RESULTS)) if (words := _text(RESULTS, k)) and words in text)
    return next(known, RAISED)


def _parts(value: Any) -> Iterator[tuple[str, Any, Any]]:
    """The arrays and items of enumerations in a value: name, part, and its enumeration if we know it."""
    for path, part in jax.tree_util.tree_flatten_with_path(value, is_leaf=lambda part: isinstance(part, _ITEM))[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "value"
        if name == OUTCOME:
            raise ValueError(f"f must not return a part of the name {OUTCOME!r}, which says how each member ended.")
        yield name, part, _ENUMERATIONS.get(jax.tree.structure(part)) if isinstance(part, _ITEM) else None


def _output(name: str, leaf: Any, meanings: dict[int, str]) -> Output:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) or np.dtype(leaf.dtype).kind not in "biufc":
        raise TypeError(f"f must return arrays of NumPy's numbers; {name} is {leaf.dtype}.")
    if 0 in leaf.shape:
        raise ValueError(f"f must return arrays that are not empty; {name} has shape {leaf.shape}.")
    return Output(name, leaf.shape, np.dtype(leaf.dtype), meanings)


def _meanings(kind: Any) -> dict[int, str]:
    """The codes of an enumeration whose texts begin with names."""
    return {NOT_COMPUTED: "not computed", **{k: _text(kind, k).partition(":")[0] for k in range(len(kind))}}


def _endings() -> dict[int, str]:
    """The codes of the outcome. A text of `RESULTS` is cut after its first sentence."""
    ends = {k: _text(RESULTS, k).partition(".")[0].strip() for k in range(1, len(RESULTS))}
    ours = {NOT_COMPUTED: "not computed", NOT_A_NUMBER: "a result is NaN", RAISED: "the function raised an error"}
    return {**ours, 0: "successful", **ends}


def _text(kind: Any, code: int) -> str:
    item = next(structure for structure, one in _ENUMERATIONS.items() if one is kind)
    return kind[jax.tree.unflatten(item, [jnp.asarray(code, jnp.int32)])]
