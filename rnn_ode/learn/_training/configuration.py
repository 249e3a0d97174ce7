"""A model as data: which classes it is made of, their settings, and the shapes of its arrays, in JSON and without pickle.

What is read back names classes and functions, and may name only those of the libraries that a network is made of
(`LIBRARIES`) and what the reader was given by hand: a file from a stranger can build a network and do nothing else.
"""

import dataclasses
import importlib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..._bridge.jacobian import AnchoredField, JacobianField
from ..._bridge.linear import LinearField
from ..._bridge.series import SeriesField
from ..._bridge.to_rnn import SchemeCell
from ..._paths.sampled import Constant

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

_DEFAULT = {"default": True}

_KINDS = {"array", "key", "class", "function", "tuple", "dict", "default"}


def describe(tree: PyTree, where: str = "model") -> Any:
    """A pytree of modules, arrays, numbers, texts, functions, tuples, lists and dictionaries, as JSON; `TypeError` for a
    part that is none of these, with its place in the tree."""
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if is_typed_key(tree):
        return {"key": list(tree.shape), "kind": str(jax.random.key_impl(tree))}
    if isinstance(tree, jax.Array | np.ndarray) and _is_numeric(tree.dtype):
        return {"array": list(tree.shape), "dtype": str(tree.dtype)}
    if isinstance(tree, eqx.Module):
        return {"class": _name_of(type(tree), where), "fields": dict(_fields(tree, where))}
    if isinstance(tree, list):
        return [describe(item, f"{where}[{i}]") for i, item in enumerate(tree)]
    if type(tree) is tuple:
        return {"tuple": [describe(item, f"{where}[{i}]") for i, item in enumerate(tree)]}
    if isinstance(tree, dict) and all(isinstance(key, str) for key in tree):
        return {"dict": {key: describe(item, f"{where}[{key!r}]") for key, item in tree.items()}}
    if callable(tree):
        return {"function": _name_of(tree, where)}
    raise TypeError(
        f"{where} cannot be stored as data: it is {tree!r}. A model may hold modules, arrays, numbers, texts, named "
        "functions, and tuples, lists and dictionaries of these."
    )


def build(description: Any, known: Iterable[Any] = ()) -> PyTree:
    """The pytree that was described, its arrays zeros of NumPy's, which `known` classes and functions of the reader's own
    may be part of; `ValueError` for anything else that no library of `LIBRARIES` or JAX has."""
    names = {f"{item.__module__}:{item.__qualname__}": item for item in known}

    def part(data):
        if isinstance(data, list):
            return [part(item) for item in data]
        if not isinstance(data, dict):
            return data
        if "array" in data:
            dtype = _dtype(data["dtype"])
            # NumPy's files do not know bfloat16, which Equinox writes and reads as JAX's arrays
            return (np.zeros if dtype.isbuiltin == 1 else jnp.zeros)(data["array"], dtype)
        if "key" in data:
            return _no_key(data["key"], data["kind"])
        if "tuple" in data:
            return tuple(part(item) for item in data["tuple"])
        if "dict" in data:
            return {key: part(item) for key, item in data["dict"].items()}
        if "function" in data:
            return _find(data["function"], names, _is_function)
        cls = _find(data["class"], names, _is_module)
        fields = {name: part(value) for name, value in data["fields"].items() if value != _DEFAULT}
        return _instance(cls, fields | {name: _default(cls, name) for name in data["fields"].keys() - fields.keys()})

    return part(description)


def _fields(module: eqx.Module, where: str) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(module):
        value = getattr(module, field.name)
        # Equinox's MLP ends in a function without a name unless it is told otherwise
        unnamed = "<" in getattr(value, "__qualname__", "") and value is _default(type(module), field.name)
        yield field.name, _DEFAULT if unnamed else describe(value, f"{where}.{field.name}")


def _default(cls: type, name: str) -> Any:
    """What the constructor takes for the parameter of that name where it is not given."""
    parameter = inspect.signature(cls.__init__).parameters.get(name)
    return None if parameter is None else parameter.default


def renamed(description: Any) -> Any:
    """The same with the names that files have today, for what an earlier version wrote."""
    if isinstance(description, list):
        return [renamed(item) for item in description]
    if not isinstance(description, dict):
        return description
    items = {key: renamed(value) for key, value in description.items()}
    library, _, name = str(items.get("class")).partition(":")
    return items | {"class": f"rnn_ode:{name}"} if library.split(".")[0] == "rnn_ode" and name in _PARTS else items


def difference(stored: Any, here: Any, where: str = "model") -> str | None:
    """The first difference between two descriptions, in words, or `None`."""
    if isinstance(stored, dict) and isinstance(here, dict) and stored.keys() & _KINDS == here.keys() & _KINDS:
        for one, other, text in ((stored, here, "there and not here"), (here, stored, "here and not there")):
            if one.keys() - other.keys():
                return f"{_place(where, min(one.keys() - other.keys()))} is {text}"
        if _is_leaf(stored) and _is_leaf(here):
            return None if stored == here else f"{where} is {_shape(stored)} there and {_shape(here)} here"
        pairs = [(_place(where, key), stored[key], here[key]) for key in stored]
        return next(filter(None, (difference(a, b, place) for place, a, b in pairs)), None)
    if isinstance(stored, list) and isinstance(here, list) and len(stored) == len(here):
        found = (difference(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(stored, here, strict=True)))
        return next(filter(None, found), None)
    return None if stored == here else f"{where} is {_brief(stored)} there and {_brief(here)} here"


def _place(where: str, key: str) -> str:
    return where if key in ("fields", "dict", "tuple", "class") else f"{where}{'' if key[0] in '.[' else '.'}{key}"


def _is_leaf(data: Any) -> bool:
    """Whether it describes an array or random keys, not a dictionary that has a part of such a name."""
    return isinstance(data, dict) and (data.keys() == {"array", "dtype"} or data.keys() == {"key", "kind"})


def _shape(array: dict) -> str:
    return f"{array['dtype']}{array['array']}" if "array" in array else f"{array['kind']} key{array['key']}"


def _brief(data: Any) -> str:
    if _is_leaf(data):
        return _shape(data)
    if isinstance(data, dict):
        return str(data.get("class") or data.get("function") or ", ".join(data))
    return f"{len(data)} items" if isinstance(data, list) else repr(data)


def _name_of(thing: Any, where: str) -> str:
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


def _find(name: str, known: dict[str, Any], suits) -> Any:
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


def _is_module(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, eqx.Module)


def _is_function(thing: Any) -> bool:
    return callable(thing)


def _dtype(name: str) -> np.dtype:
    dtype = jnp.dtype(name)
    if not _is_numeric(dtype):
        raise ValueError(f"an array of dtype {name!r} is no array of numbers.")
    return dtype


def is_typed_key(leaf: Any) -> bool:
    """Whether it is an array of random keys with a type of their own, as `jax.random.key` makes them."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _no_key(shape: list[int], kind: str) -> Array:
    """Random keys of that shape and kind whose numbers are zeros."""
    try:
        numbers = jax.random.key_data(jax.random.key(0, impl=kind)).shape
    except (TypeError, ValueError) as error:
        raise ValueError(f"{kind!r} is no kind of random key that this JAX knows ({error}).") from None
    return jax.random.wrap_key_data(jnp.zeros((*shape, *numbers), jnp.uint32), impl=kind)


def _is_numeric(dtype) -> bool:
    return jnp.issubdtype(dtype, np.number) or dtype.kind == "b"


def _instance(cls: type, fields: dict[str, Any]) -> eqx.Module:
    """A module with these fields, made as `jax.tree.unflatten` makes it: its checks ran when it was first built. A field
    that a later version added has its default."""
    wanted = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
    defaults = {field.name: field.default for field in wanted if field.default is not dataclasses.MISSING}
    fields = defaults | fields
    names = [field.name for field in wanted]
    if set(names) != fields.keys():
        raise ValueError(f"a {cls.__name__} has the fields {', '.join(names)}; the file has {', '.join(fields)}.")
    module = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module
