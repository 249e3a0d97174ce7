"""What came of a call: a documented error, a labelled result, or a fault."""

import dataclasses
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import rnn_ode as ro

PACKAGE = str(Path(ro.__file__).parent)
DOCUMENTED = (ValueError, TypeError, OSError, ImportError)
FLAGS = ("result", "converged", "verdict", "verdicts", "complete")


@dataclass
class Outcome:
    """`fault` is "" where the call ended as documented; `text` is the error's, or says what came back."""

    fault: str
    text: str


def judged(run: Callable[[], Any], arguments: tuple[str, ...] = (), doc: str = "", record: bool = False) -> Outcome:
    """Run a call with a wrong argument and judge how it ends: an error must name one of `arguments`, if there are any.

    A `record` may hold what was put into it.
    """
    try:
        result = run()
        if not record:
            jax.block_until_ready([leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array)])
    except Exception as error:
        return Outcome("", f"refused by its class: {error}") if record else of_error(error, arguments)
    return Outcome("", f"made a {type(result).__name__}") if record else of_result(result, doc)


def of_error(error: Exception, arguments: tuple[str, ...]) -> Outcome:
    text = f"{type(error).__name__}: {error}"
    if (
        type(error).__name__ in ("EquinoxRuntimeError", "XlaRuntimeError", "JaxRuntimeError")
        or "_EquinoxRuntimeError" in text
    ):
        known = any(m and m.split("\n")[0][:40] in text for m in ro.RESULTS._index_to_message)
        return Outcome("" if known else "inside a library", text)
    if _of_the_user(error):
        return Outcome("", f"raised by the caller's own function: {text}")
    if not isinstance(error, DOCUMENTED):
        return Outcome("undocumented kind", f"{_place(error)} {text}")
    if isinstance(error, OSError) and error.filename:
        return Outcome("", text)  # the system's own words, which name the file
    place = _place(error)
    if not place.startswith("rnn_ode/"):
        return Outcome("inside a library", f"{place} {text}")
    if arguments and not any(names(argument, text) for argument in arguments):
        return Outcome("does not name the argument", f"{place} {text}")
    return Outcome("", text)


def names(argument: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(argument)}(?![A-Za-z0-9_])", text) is not None


def _place(error: BaseException) -> str:
    """Where an error was raised, and for another library from where in the package it was called."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"rnn_ode{f.filename[len(PACKAGE) :]}:{f.lineno}" for f in frames if f.filename.startswith(PACKAGE)]
    if frames[-1].filename.startswith(PACKAGE):
        return ours[-1]
    here = f"{frames[-1].filename.split('site-packages/')[-1]}:{frames[-1].lineno}"
    return f"{here} from {ours[-1] if ours else 'outside'}"


def _of_the_user(error: BaseException) -> bool:
    """Whether a function of the example, which the package called, raised the error, or a call that it makes."""
    frames = [f.filename for f in traceback.extract_tb(error.__traceback__)]
    own = [name.startswith("<example") for name in frames if name.startswith((PACKAGE, "<example"))]
    called = False in own and True in own[own.index(False) :]
    return called and (own[-1] or _place(error).startswith("rnn_ode/"))


def of_result(result: Any, doc: str) -> Outcome:
    for where, value, owners in parts(result):
        if _has_nan(value):
            if "NaN" in doc or any(flagged(owner) or "NaN" in (type(owner).__doc__ or "") for owner in owners):
                return Outcome("", f"labelled NaN in {where}")
            return Outcome("silent NaN", f"NaN in {where} of {type(result).__name__}")
    return Outcome("", f"returned {type(result).__name__}")


def _has_nan(value: Any) -> bool:
    if isinstance(value, float | complex):
        return bool(np.isnan(value))
    if isinstance(value, np.ndarray | jax.Array | np.number):
        if isinstance(value, jax.Array) and not jax.numpy.issubdtype(value.dtype, jax.numpy.inexact):
            return False
        array = np.asarray(value)
        return array.dtype.kind in "fcV" and bool(np.isnan(array.astype(complex)).any())
    return False


def parts(
    value: Any, where: str = "result", owners: tuple[Any, ...] = ()
) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """The numbers and arrays of a result, with their places and the results that they are in."""
    if len(owners) > 5:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from parts(item, f"{where}[{key!r}]", owners)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name, item in value._asdict().items():
            yield from parts(item, f"{where}.{name}", (*owners, value))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from parts(item, f"{where}[{i}]", owners)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from parts(getattr(value, field.name, None), f"{where}.{field.name}", (*owners, value))
    else:
        yield where, value, owners


def flagged(result: Any) -> bool:
    """Whether a result says that something went wrong or is not known."""
    if isinstance(result, list | tuple):
        return any(map(flagged, result))
    ended = getattr(result, "result", None)
    if isinstance(ended, ro.RESULTS) and bool(np.any(np.asarray(ended != ro.RESULTS.successful))):
        return True
    if hasattr(result, "converged") and not np.all(np.asarray(result.converged)):
        return True
    for name in ("verdict", "verdicts", "discrete"):
        v = getattr(result, name, None)
        if isinstance(v, ro.Verdict) and bool(np.any(np.asarray(v == ro.Verdict.UNDETERMINED))):
            return True
    return False
