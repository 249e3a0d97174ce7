"""A model as data: its classes, their settings, and the shapes of its arrays, in JSON and without pickle.

A description names classes and functions. `build` accepts those of the libraries that networks are made of, and those that
the reader gave (`names.py`). So a file from a stranger can build a network and do nothing else.
"""

import dataclasses
import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..._base.checks import brief
from .names import find_named, is_module, name_of

_KEY_BYTES = 8  # the least that a random key takes
_DEFAULT = {"default": True}  # describes a field that holds what the class takes by default


def describe(tree: PyTree, where: str = "model") -> Any:
    """Return a pytree as JSON data, arrays as their shapes and types.

    It may hold modules, arrays, numbers, texts, functions, tuples, lists and dictionaries. `TypeError` for any other part,
    with its place in the tree.
    """
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if is_typed_key(tree):
        return {"key": list(tree.shape), "kind": str(jax.random.key_impl(tree))}
    if isinstance(tree, jax.Array | np.ndarray) and _is_numeric(tree.dtype):
        return {"array": list(tree.shape), "dtype": str(tree.dtype)}
    if isinstance(tree, eqx.Module):
        return {"class": name_of(type(tree), where), "fields": dict(_described_fields(tree, where))}
    if isinstance(tree, list):
        return [describe(item, f"{where}[{i}]") for i, item in enumerate(tree)]
    if type(tree) is tuple:
        return {"tuple": [describe(item, f"{where}[{i}]") for i, item in enumerate(tree)]}
    if isinstance(tree, dict) and all(isinstance(key, str) for key in tree):
        return {"dict": {key: describe(item, f"{where}[{key!r}]") for key, item in tree.items()}}
    if callable(tree):
        return {"function": name_of(tree, where)}
    raise TypeError(
        f"{where} cannot be stored as data: it is {tree!r}. A model may hold modules, arrays, numbers, texts, named "
        "functions, and tuples, lists and dictionaries of these."
    )


def build(description: Any, known: Iterable[Any] = ()) -> PyTree:
    """Return the pytree that was described, with NumPy arrays of zeros.

    `known` are classes and functions of the reader's own. `ValueError` for a name that is neither among them nor in one of
    the libraries.
    """
    names = {
        name: item for item in known for name in (f"{item.__module__}:{item.__qualname__}", name_of(item, "known"))
    }

    def part(data: Any) -> Any:
        if isinstance(data, list):
            return [part(item) for item in data]
        if not isinstance(data, dict):
            return data
        if "array" in data:
            dtype = _dtype(data["dtype"])
            # NumPy's files do not know bfloat16; Equinox writes and reads it as JAX arrays
            return (np.zeros if dtype.isbuiltin == 1 else jnp.zeros)(data["array"], dtype)
        if "key" in data:
            return _key_of_zeros(data["key"], data["kind"])
        if "tuple" in data:
            return tuple(part(item) for item in data["tuple"])
        if "dict" in data:
            return {key: part(item) for key, item in data["dict"].items()}
        if "function" in data:
            return find_named(data["function"], names, callable)
        cls = find_named(data["class"], names, is_module)
        fields = {name: part(value) for name, value in data["fields"].items() if value != _DEFAULT}
        defaults = {name: _default(cls, name) for name in data["fields"].keys() - fields.keys()}
        return _instance(cls, fields | defaults)

    return part(description)


def declared_bytes(description: Any) -> int:
    """How many bytes the arrays of a description have, before any of them is made. `ValueError` for sizes that are none."""
    if isinstance(description, list):
        return sum(map(declared_bytes, description))
    if not isinstance(description, dict):
        return 0
    if "array" in description or "key" in description:
        shape = description["array"] if "array" in description else description["key"]
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"an array has the shape {brief(shape)}.")
        return math.prod(shape) * (_dtype(description["dtype"]).itemsize if "array" in description else _KEY_BYTES)
    if "tuple" in description:
        return declared_bytes(description["tuple"])
    parts = description.get("dict", description.get("fields", {}))
    return sum(map(declared_bytes, parts.values()))


def is_typed_key(leaf: Any) -> bool:
    """Whether it is an array of random keys with a type of their own, as `jax.random.key` makes them."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _described_fields(module: eqx.Module, where: str) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(module):
        value = getattr(module, field.name)
        # Equinox's MLP has by default a final activation that is a function without a name
        unnamed = "<" in getattr(value, "__qualname__", "") and value is _default(type(module), field.name)
        yield field.name, _DEFAULT if unnamed else describe(value, f"{where}.{field.name}")


def _default(cls: type, name: str) -> Any:
    """The default of the constructor's parameter of that name, or `None`."""
    parameter = inspect.signature(cls.__init__).parameters.get(name)
    return None if parameter is None else parameter.default


def _instance(cls: type, fields: dict[str, Any]) -> eqx.Module:
    """A module with these fields. Its `__init__` does not run, as in `jax.tree.unflatten`: it ran when the module was made.

    A field that is not in the file, since a later version added it, has its default.
    """
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


def _key_of_zeros(shape: list[int], kind: str) -> Array:
    """Random keys of that shape and kind whose numbers are zeros."""
    try:
        numbers = jax.random.key_data(jax.random.key(0, impl=kind)).shape
    except (TypeError, ValueError) as error:
        raise ValueError(f"{kind!r} is no kind of random key that this JAX knows ({error}).") from None
    return jax.random.wrap_key_data(jnp.zeros((*shape, *numbers), jnp.uint32), impl=kind)


def _dtype(name: str) -> np.dtype:
    dtype = jnp.dtype(name)
    if not _is_numeric(dtype):
        raise ValueError(f"an array of dtype {name!r} is no array of numbers.")
    return dtype


def _is_numeric(dtype: np.dtype) -> bool:
    return jnp.issubdtype(dtype, np.number) or dtype.kind == "b"
