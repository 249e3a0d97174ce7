"""The first difference between two descriptions of models, in words."""

from typing import Any

_KINDS = {"array", "key", "class", "function", "tuple", "dict", "default"}


def difference(stored: Any, here: Any, where: str = "model") -> str | None:
    """Say where the description in a file first differs from the one of this run, or return `None`."""
    if isinstance(stored, dict) and isinstance(here, dict) and stored.keys() & _KINDS == here.keys() & _KINDS:
        for one, other, text in ((stored, here, "in the file only"), (here, stored, "in this run only")):
            if one.keys() - other.keys():
                return f"{_place(where, min(one.keys() - other.keys()))} is {text}"
        if _is_array(stored) and _is_array(here):
            return None if stored == here else _unlike(where, stored, here)
        pairs = [(_place(where, key), stored[key], here[key]) for key in stored]
        return next(filter(None, (difference(a, b, place) for place, a, b in pairs)), None)
    if isinstance(stored, list) and isinstance(here, list) and len(stored) == len(here):
        found = (difference(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(stored, here, strict=True)))
        return next(filter(None, found), None)
    return None if stored == here else _unlike(where, stored, here)


def _unlike(where: str, stored: Any, here: Any) -> str:
    return f"{where} is {_in_short(stored)} in the file and {_in_short(here)} in this run"


def _place(where: str, key: str) -> str:
    # the key of a model that is one array is empty
    return (
        where
        if key in ("fields", "dict", "tuple", "class")
        else f"{where}{'' if key[:1] in ('', '.', '[') else '.'}{key}"
    )


def _is_array(data: Any) -> bool:
    """Whether it describes an array or random keys, and not a dictionary with a part of such a name."""
    return isinstance(data, dict) and (data.keys() == {"array", "dtype"} or data.keys() == {"key", "kind"})


def _in_short(data: Any) -> str:
    if _is_array(data):
        return f"{data['dtype']}{data['array']}" if "array" in data else f"{data['kind']} key{data['key']}"
    if isinstance(data, dict):
        return str(data.get("class") or data.get("function") or ", ".join(data))
    return f"{len(data)} items" if isinstance(data, list) else repr(data)
