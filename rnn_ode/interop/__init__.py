"""Networks from files and to files, and from PyTorch and back.

Files hold arrays by name (`read_arrays`, `write_arrays`). A pickle is never read, since it runs whatever code its author put
into it. One file or one layer makes a cell; a `Network` is a cell with its linear readout. JAX makes float64 into float32
unless `jax_enable_x64` is set.

PyTorch's names for the arrays of layer k of `torch.nn.RNN`, `GRU` and `LSTM` are `weight_ih_lk` (gN, D), `weight_hh_lk`
(gN, N), `bias_ih_lk` and `bias_hh_lk` (gN,). The number of gates g is 1, 3 or 4 and tells the kind. The name of the module
stands before them (`rec.weight_ih_l0`). Equinox has PyTorch's order of gates: reset, update, new for a GRU, and input,
forget, cell, output for an LSTM. It has one bias where PyTorch has two. The nonlinearity of a plain RNN is not among the
arrays.
"""

from .._files.arrays import read_arrays as read_arrays
from .._files.arrays import write_arrays as write_arrays
from ._flax import from_flax as from_flax
from ._from_torch import from_torch as from_torch
from ._from_torch import from_torch_network as from_torch_network
from ._guitarml import write_network as write_network
from ._keras import from_keras as from_keras
from ._network import Activation as Activation
from ._network import Network as Network
from ._read import read_cell as read_cell
from ._read import read_matrix as read_matrix
from ._read import read_network as read_network
from ._to_torch import to_torch as to_torch

__all__ = [
    "Activation",
    "Network",
    "from_flax",
    "from_keras",
    "from_torch",
    "from_torch_network",
    "read_arrays",
    "read_cell",
    "read_matrix",
    "read_network",
    "to_torch",
    "write_arrays",
    "write_network",
]


def __dir__() -> list[str]:
    return __all__
