"""Names of classes and functions in a file, and which of them a reader accepts."""

import importlib
from typing import Any

from ..._bridge.jacobian import AnchoredField, JacobianField
from ..._bridge.linear import LinearField
from ..._bridge.series import SeriesField
from ..._bridge.to_rnn import SchemeCell
from ..._paths.base import Constant

LIBRARIES = ("rnn_ode", "equinox", "diffrax", "lineax", "optimistix")

# where a class or a function is looked for first, so that a file names it as its users do
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

# Parts of models that have no public name. A file names them `rnn_ode:<class>`, wherever they are defined; version 0.1.0
# wrote the module in which they were, which is not looked at.
_PARTS = {cls.__name__: cls for cls in (SchemeCell, AnchoredField, JacobianField, LinearField, SeriesField, Constant)}


def renamed(description: Any) -> Any:
    """The same with the names that files have today, for what an earlier version wrote."""
    if isinstance(description, list):
        return [renamed(item) for item in description]
    if not isinstance(description, dict):
        return description
    items = {key: renamed(value) for key, value in description.items()}
    library, _, name = str(items.get("class")).partition(":")
    return items | {"class": f"rnn_ode:{name}"} if library.split(".")[0] == "rnn_ode" and name in _PARTS else items


def name_of(thing: Any, where: str) -> str:
    """`module:name` from which the thing can be found again."""
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


def find_named(name: str, known: dict[str, Any], suits) -> Any:
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
    # what a library has merely imported, such as a file system, is none of its parts
    home = str(getattr(thing, "__module__", "")).split(".")[0]
    if home not in (*LIBRARIES, "jax", "jaxlib") or not suits(thing):
        raise ValueError(
            f"the model has a part {name!r}, which is not in rnn_ode, Equinox, diffrax or JAX. Where it is your own, give "
            "its class or function: known=(…,)."
        )
    return thing
