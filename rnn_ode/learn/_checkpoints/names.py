"""How a file names a class or a function, and which names a reader accepts.

A name is `module:qualified name`. A part of rnn_ode is named by the module from which users import it, so that files do not
depend on where it is defined.
"""

import importlib
from collections.abc import Callable
from typing import Any

from ..._bridge.jacobian import AnchoredField, JacobianField
from ..._bridge.linear import LinearField
from ..._bridge.series import SeriesField
from ..._bridge.to_rnn import SchemeCell
from ..._paths.base import Constant

LIBRARIES = ("rnn_ode", "equinox", "diffrax", "lineax", "optimistix")

# The modules from which users import. A class or function is named by the first of them that has it.
_PUBLIC = (
    "rnn_ode",
    "rnn_ode.learn",
    "rnn_ode.interop",
    "equinox.nn",
    "equinox",
    "diffrax",
    "jax.nn",
    "jax.numpy",
    "jax.lax",
)

# Parts of models without a public name. A file names them `rnn_ode:<class>`, wherever they are defined. Version 0.1.0 wrote
# the module that defined them; `find_named` ignores that module.
_PARTS = {cls.__name__: cls for cls in (SchemeCell, AnchoredField, JacobianField, LinearField, SeriesField, Constant)}


def name_of(thing: Any, where: str) -> str:
    """The name by which a file refers to a class or function; `TypeError` if it cannot be found again by a name."""
    name = getattr(thing, "__name__", "")
    if _PARTS.get(name) is thing:
        return f"rnn_ode:{name}"
    for module in _PUBLIC:
        if getattr(importlib.import_module(module), name or " ", None) is thing:
            return f"{module}:{name}"
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "<unnamed>")
    if module is None or "<" in name:
        raise TypeError(f"{where} cannot be stored as data: {thing!r} has no name by which to find it again.")
    return f"{module}:{name}"


def find_named(name: str, known: dict[str, Any], suits: Callable[[Any], bool]) -> Any:
    """The class or function of that name: one of `known`, by name, or a suitable one of the libraries; else `ValueError`."""
    if name in known:
        return known[name]
    module, _, path = name.partition(":")
    library = module.split(".")[0]
    thing = _PARTS.get(path) if library == "rnn_ode" else None
    if thing is None and (library in LIBRARIES or module in _PUBLIC):
        try:
            thing = importlib.import_module(module)
            for attribute in path.split("."):
                thing = getattr(thing, attribute)
        except (ImportError, AttributeError):
            thing = None
    # a library also holds names that it only imported, such as `os`: those are refused
    home = str(getattr(thing, "__module__", "")).split(".")[0]
    if home not in (*LIBRARIES, "jax", "jaxlib") or not suits(thing):
        raise ValueError(
            f"the model has a part {name!r}, which is not in rnn_ode, Equinox, diffrax or JAX. If it is your own, give its "
            "class or function: known=(…,)."
        )
    return thing


def renamed(description: Any) -> Any:
    """A description with the names that files have today in place of those that version 0.1.0 wrote."""
    if isinstance(description, list):
        return [renamed(item) for item in description]
    if not isinstance(description, dict):
        return description
    items = {key: renamed(value) for key, value in description.items()}
    library, _, name = str(items.get("class")).partition(":")
    return items | {"class": f"rnn_ode:{name}"} if library.split(".")[0] == "rnn_ode" and name in _PARTS else items
