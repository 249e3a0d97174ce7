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


def judged(run: Callable[[], Any], argument: str | None, doc: str = "") -> Outcome:
    """Run a call with a wrong `argument` and judge how it ends."""
    try:
        result = run()
        jax.block_until_ready([leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, jax.Array)])
    except Exception as error:
        return of_error(error, argument)
    return of_result(result, doc)


def of_error(error: Exception, argument: str | None) -> Outcome:
    text = f"{type(error).__name__}: {error}"
    if (
        type(error).__name__ in ("EquinoxRuntimeError", "XlaRuntimeError", "JaxRuntimeError")
        or "_EquinoxRuntimeError" in text
    ):
        known = any(m and m.split("\n")[0][:40] in text for m in ro.RESULTS._index_to_message)
        return Outcome("" if known else "inside a library", text)
    if not isinstance(error, DOCUMENTED):
        return Outcome("undocumented kind", f"{_place(error)} {text}")
    place = _place(error)
    if not place.startswith("rnn_ode/"):
        return Outcome("inside a library", f"{place} {text}")
    if argument is not None and not names(argument, text):
        return Outcome("does not name the argument", f"{place} {text}")
    return Outcome("", text)


def names(argument: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(argument)}(?![A-Za-z0-9_])", text) is not None


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    name = last.filename
    if name.startswith(PACKAGE):
        return f"rnn_ode{name[len(PACKAGE) :]}:{last.lineno}"
    ours = [f for f in frames if f.filename.startswith(PACKAGE)]
    short = name.split("site-packages/")[-1]
    return f"{short}:{last.lineno} from {'rnn_ode' + ours[-1].filename[len(PACKAGE) :] + ':' + str(ours[-1].lineno) if ours else 'outside'}"


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
    if hasattr(result, "result") and isinstance(result.result, ro.RESULTS):
        if bool(np.any(np.asarray(result.result != ro.RESULTS.successful))):
            return True
    if hasattr(result, "converged") and not np.all(np.asarray(result.converged)):
        return True
    for name in ("verdict", "verdicts", "discrete"):
        v = getattr(result, name, None)
        if isinstance(v, ro.Verdict) and bool(np.any(np.asarray(v == ro.Verdict.UNDETERMINED))):
            return True
    return False
