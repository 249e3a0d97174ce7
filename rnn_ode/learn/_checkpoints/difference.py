"""The first difference between two descriptions of models, in words."""

from typing import Any

_KINDS = {"array", "key", "class", "function", "tuple", "dict", "default"}


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
