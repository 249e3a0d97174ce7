"""How a file names a class or a function, and which names a reader accepts.

A name is `module:qualified name`. A part of rnn_ode is named by the module from which users import it, so that files do not
depend on where it is defined.

A file comes from anybody, and its names become the parts of a model that is called later. So a reader accepts what computes
and nothing else: the classes of modules that the libraries offer, and the functions in a list (`allowed.py`). Functions that
write files, open ports or change settings, such as `jax.numpy.save`, are not in it. No module is imported because a file
names it, but those of this package that hold parts of models.
"""

import importlib
from collections.abc import Callable
from typing import Any

import equinox as eqx

from ..._bridge.jacobian import AnchoredField, JacobianField
from ..._bridge.linear import LinearField
from ..._bridge.series import SeriesField
from ..._bridge.to_rnn import SchemeCell
from ..._paths.base import Constant
from .allowed import CLASSES, FUNCTIONS, PRIVATE, UNFIT

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
    """The class or function of that name: one of `known`, by name, or a suitable one that is allowed; else `ValueError`."""
    if not isinstance(name, str):
        raise ValueError(f"a part of the model has the name {name!r}, which is no text.")
    if name in known:
        return known[name]
    module, _, path = name.partition(":")
    thing = _PARTS.get(path) if module.partition(".")[0] == "rnn_ode" else None
    if thing is None:
        thing = _allowed_function(module, path) or _allowed_class(module, path)
    if thing is None or not suits(thing):
        raise ValueError(
            f"the model has a part {name!r}, which is not in the list of what a file may name: what computes in rnn_ode, "
            "Equinox, diffrax and JAX. If it is your own, or you trust it, give its class or function: known=(…,)."
        )
    return thing


def _allowed_function(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name, None) if name in FUNCTIONS.get(module, "").split() else None


def _allowed_class(module: str, name: str) -> Any:
    """The class of modules of that name, which a library offers to its users or which is a private part of this package.

    Older files name the file of a library that defines the class; its users' name is then looked up.
    """
    library = module.partition(".")[0]
    offered = [module] if module in CLASSES else [m for m in CLASSES if m.partition(".")[0] == library]
    for home in [*offered, *([module] if module.startswith(PRIVATE) else [])]:
        thing = _class_in(home, name)
        if thing is not None and f"{library}:{name}" not in UNFIT:
            return thing
    return None


def _class_in(module: str, name: str) -> Any:
    """The class of modules of that name in a file, made by the file's own library; else `None`."""
    try:
        thing = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    own = str(getattr(thing, "__module__", "")).partition(".")[0] == module.partition(".")[0]
    return thing if own and is_module(thing) else None


def is_module(thing: Any) -> bool:
    """Whether it is a class of `equinox.Module`."""
    return isinstance(thing, type) and issubclass(thing, eqx.Module)


def renamed(description: Any) -> Any:
    """A description with the names that files have today in place of those that version 0.1.0 wrote."""
    if isinstance(description, list):
        return [renamed(item) for item in description]
    if not isinstance(description, dict):
        return description
    items = {key: renamed(value) for key, value in description.items()}
    library, _, name = str(items.get("class")).partition(":")
    return items | {"class": f"rnn_ode:{name}"} if library.split(".")[0] == "rnn_ode" and name in _PARTS else items
