"""The names that PyTorch gives to the arrays of recurrent layers, such as `rec.weight_hh_l0`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._files.arrays import as_host_floats, shape_of, shapes_of

PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
GATES = {1: "RNN", 3: "GRU", 4: "LSTM"}  # number of gates of a kind of layer

_KEY = re.compile(
    r"(?P<prefix>.*)(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(?P<layer>0|[1-9][0-9]{0,2})(?P<backward>_reverse)?"
)


def layer_keys(arrays: Mapping[str, Any], prefix: str | None = None) -> list[re.Match[str]]:
    """The names of recurrent layers, taken apart into prefix, layer and backward; those under one prefix if it is given."""
    matches = [match for match in map(_KEY.fullmatch, arrays) if match]
    return matches if prefix is None else [match for match in matches if match["prefix"] == prefix]


def plain_names(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays by the names that a plain module has.

    What wrappers of a module write before its names is left out (`_orig_mod.`, and `module.` at the beginning). Arrays of a
    cell, such as `weight_hh`, get the names of a layer, `weight_hh_l0`. Weights that are computed from others, by a weight
    norm or a spectral norm, are computed.
    """
    named = {plain_name(key): value for key, value in arrays.items()}
    if len(named) < len(arrays):
        named = dict(arrays)  # two names would become one
    for key in list(named):
        if key in named and (computed := _computed(named, key)):
            name, parts, value = computed
            # in the place of the first of its parts, as the order of the names counts
            named = {
                (name if other == key else other): named[other] for other in named if other == key or other not in parts
            }
            named[name] = value
    cells = {key.removesuffix("weight_hh") for key in named if _last(key) == "weight_hh"}
    ends = {prefix + part: f"{prefix}{part}_l0" for prefix in cells for part in PARTS}
    return {ends.get(key, key): value for key, value in named.items()}


def plain_name(name: str) -> str:
    """The name, or the prefix of names, without what wrappers of a module put before it."""
    while name.startswith("module."):
        name = name.removeprefix("module.")
    return name.replace("_orig_mod.", "")


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _computed(arrays: Mapping[str, Any], key: str) -> tuple[str, tuple[str, ...], np.ndarray] | None:
    """A weight of which `key` is a part: its name, the names of its parts, and its value. `None` for another key.

    A weight norm (Salimans & Kingma 2016) is g v/‖v‖ along rows, a spectral norm (Miyato et al. 2018) W / uᵀ W v.
    """
    for pattern, parts, value in _PARTS_OF:
        match = re.fullmatch(pattern, key)
        if match is None:
            continue
        names = tuple(match["path"] + part.format(match["name"]) for part in parts)
        if all(name in arrays for name in names):
            return (
                match["path"] + match["name"],
                names,
                value(*(as_host_floats(f"key {name!r}", arrays[name]) for name in names)),
            )
    return None


def _weight_norm(g: np.ndarray, v: np.ndarray) -> np.ndarray:
    if g.ndim not in (0, v.ndim) or any(n not in (1, m) for n, m in zip(g.shape, v.shape, strict=False)):
        raise ValueError(f"a weight norm's lengths {g.shape} do not fit its directions {v.shape}.")
    axes = tuple(axis for axis in range(v.ndim) if g.ndim == 0 or g.shape[axis] == 1)
    return g * v / np.sqrt(np.sum(v**2, axis=axes, keepdims=True))


def _spectral_norm(W: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    if u.shape != W.shape[:1] or v.shape != (W[0].size,):
        raise ValueError(f"a spectral norm's vectors {u.shape} and {v.shape} do not fit its weight {W.shape}.")
    return W / (u @ W.reshape(len(W), -1) @ v)


_SET = r"(?P<path>.*)parametrizations\.(?P<name>[^.]+)\."
_PARTS_OF = (
    (_SET + "original[01]", ("parametrizations.{}.original0", "parametrizations.{}.original1"), _weight_norm),
    (
        _SET + r"(original|0\._[uv])",
        tuple(f"parametrizations.{{}}.{part}" for part in ("original", "0._u", "0._v")),
        _spectral_norm,
    ),
    (r"(?P<path>(.*\.)?)(?P<name>[^.]+)_[gv]", ("{}_g", "{}_v"), _weight_norm),
    (r"(?P<path>(.*\.)?)(?P<name>[^.]+)_(orig|u|v)", ("{}_orig", "{}_u", "{}_v"), _spectral_norm),
)


def read_names(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a state dictionary by their `plain_names`. `ValueError` if one is computed in a way that is not known."""
    arrays = plain_names(state_dict)
    for key in arrays:
        if match := re.fullmatch(_SET + "(.*)", key):
            raise ValueError(
                f"key {key!r}: {match['path'] + match['name']!r} is computed by a parametrization; of these weight_norm and "
                "spectral_norm are read. In PyTorch call torch.nn.utils.parametrize.remove_parametrizations(layer, "
                f"{match['name']!r}) first, or give the module itself to interop.from_torch_network."
            )
    return arrays


def only_prefix(arrays: Mapping[str, Any]) -> str:
    """The prefix of the recurrent network. `ValueError` if there are several networks, or none."""
    prefixes = sorted({match["prefix"] for match in layer_keys(arrays)})
    if len(prefixes) == 1:
        return prefixes[0]
    raise ValueError(several(prefixes) if prefixes else none(arrays))


def several(prefixes: Sequence[str]) -> str:
    """The text of an error: there are several recurrent networks, which are not in sequence."""
    return (
        f"one recurrent network is wanted, or several of which each takes what the one before it gives; there are several, "
        f"{', '.join(map(repr, prefixes))}. Write a file of one of them. Or choose in Python: "
        f"interop.read_network(path, prefix={prefixes[0]!r}, readout=None) reads that one and leaves all other arrays out, "
        f"and prefix={tuple(prefixes)} reads them in that order."
    )


def none(arrays: Mapping[str, Any]) -> str:
    """The text of an error: there is no recurrent network."""
    return (
        "no recurrent network: its arrays are named W_h, W_x, b; or A, W, W_x, b; or weight_ih_l0, weight_hh_l0, bias_ih_l0, "
        f"bias_hh_l0 as in PyTorch, after any prefix. There are {shapes_of(arrays)}."
    )


def initial_states(arrays: Mapping[str, Any]) -> dict[str, int]:
    """The names of learnt initial states, such as `h0` and `rec.c0`, each with 0 for h and 1 for the c of an LSTM."""
    found = {}
    for key in arrays:
        word = _last(key).lower()
        rest = re.sub(r"init(ial)?|states?|learn(ed|t|able)?|start|param(eter)?|[_0-9]", "", word)
        starts = re.search(r"init|state|start", word) if not rest else rest != word.replace("_", "")
        if rest in _STATES and starts and shape_of(arrays[key]):
            found[key] = _STATES[rest]
    return found


_STATES = {"": 0, "h": 0, "hx": 0, "hidden": 0, "c": 1, "cx": 1, "cell": 1}
