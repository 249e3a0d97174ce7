"""The json files of GuitarML and Proteus: PyTorch's arrays under `state_dict`, and what else there is under `model_data`."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._base.checks import about, brief
from .._base.protocol import input_width
from .._cells.stacked import StackedCell
from .._cells.vanilla import VanillaCell
from .._files.arrays import PathLike, as_host_floats
from .._files.atomic import as_path, written_beside
from ._layer_list import sampling_rate
from ._network import Network
from ._to_torch import to_torch
from ._torch_names import GATES


def as_described(network: Network, about: Any, arrays: Mapping[str, np.ndarray], skips: bool) -> Network:
    """The network of the arrays of such a file, with what the object `about` under `model_data` says besides.

    `skips` tells whether to look at its `skip`.

    `ValueError` if it says another kind of network than the arrays make, or a `skip` that has no meaning here.
    """
    if not isinstance(about, Mapping):
        return network
    for key, of_arrays in _told_by(arrays).items():
        if str(about.get(key, of_arrays)).upper() != str(of_arrays):
            raise ValueError(
                f"key 'model_data': {key} is {brief(about[key])}, but the arrays are those of {of_arrays}."
            )
    skip = about.get("skip", 0) if skips else 0
    if skip not in (0, network.output_size):
        raise ValueError(
            "key 'model_data': skip, the number of inputs that are added to the output, must be 0 or that of outputs, "
            f"{network.output_size}; got {skip!r}. Say whether it is added: residual=True or False in Python, --residual or "
            "--no-residual in a terminal."
        )
    rate = about.get("sample_rate")
    rate = None if rate is None else sampling_rate("sample_rate", rate)
    return dataclasses.replace(network, residual=bool(skip), rate=rate)


def _told_by(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the arrays `rec.…` of such a file tell about the network."""
    weight = arrays.get("rec.weight_hh_l0")
    if weight is None:
        return {}
    size = weight.shape[1]
    layers = sum(key.startswith("rec.weight_hh_l") for key in arrays)
    return {"unit_type": GATES.get(weight.shape[0] // size), "hidden_size": size, "num_layers": layers}


def write_network(path: PathLike, network: Network) -> None:
    """Write a network with its readout to a json file that GuitarML's and Proteus's programs read, and `read_network`.

    The file says whether the input is added to the output (`skip`), which the arrays of `to_torch` do not. A network's
    initial state and its rate are written too. Those programs do not know the two, and start from zeros.

    The file is written under another name and then renamed: `path` is always the complete old file or the complete new one.

    **Arguments:**

    - `path`: the file, with a name that ends in `.json`.
    - `network`: a `Network` of cells that `to_torch` writes, a plain one with tanh, and a linear readout.

    **Raises:** `ValueError` or `TypeError` for what such a file cannot hold: another cell, several layers in the readout, an
    input that is multiplied before it is added; `OSError` if the file cannot be written.

    ```python
    >>> import pathlib, tempfile
    >>> import equinox as eqx, jax
    >>> from rnn_ode import interop
    >>> keys = jax.random.split(jax.random.key(0))
    >>> network = interop.Network(eqx.nn.LSTMCell(1, 4, key=keys[0]), eqx.nn.Linear(4, 1, key=keys[1]), residual=True)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "amplifier.json"
    >>> interop.write_network(path, network)
    >>> interop.read_network(path).residual
    True

    ```
    """
    path = as_path("path", path)
    if path.suffix.lower() != ".json":
        raise ValueError(f"{path}: networks are written to .json files; write_arrays writes their arrays to others.")
    if not isinstance(network, Network):
        raise TypeError(f"network must be an interop.Network; got {brief(network)}.")
    if network.residual not in (True, False):
        raise ValueError(
            f"{path}: the input is multiplied by {network.residual} before it is added; the file holds 1 or 0."
        )
    cells = network.cell.cells if isinstance(network.cell, StackedCell) else (network.cell,)
    if any(
        isinstance(cell, VanillaCell) and cell.activation not in (jnp.tanh, jax.nn.tanh, jax.lax.tanh) for cell in cells
    ):
        raise ValueError(f"{path}: the file does not say the activation of a plain network, which must be tanh.")
    with about("network"):
        arrays = {
            key: as_host_floats(f"{path}, key {key!r}", array)
            for key, array in to_torch(network, "rec.", "lin.").items()
        }
    told = _told_by(arrays)
    model_data = {
        "model": "SimpleRNN",
        "input_size": input_width(network.cell),
        "output_size": network.output_size,
        **told,
        "skip": network.output_size if network.residual else 0,
        "bias_fl": "rec.bias_ih_l0" in arrays,
    }
    if network.rate is not None:
        model_data["sample_rate"] = network.rate
    if network.initial is not None:
        states = network.initial if len(cells) > 1 else (network.initial,)
        parts = zip(*[jax.tree.leaves(state) for state in states], strict=True)
        arrays |= {f"rec.{name}": np.stack(rows) for name, rows in zip(("h0", "c0"), parts, strict=False)}
    content = {"model_data": model_data, "state_dict": {key: array.tolist() for key, array in arrays.items()}}
    with written_beside(path) as beside:
        beside.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
