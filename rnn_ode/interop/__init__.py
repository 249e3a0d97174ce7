"""Networks from files and to them, and from PyTorch and back.

Files hold arrays by name (`read_arrays`, `write_arrays`; never a pickle, which runs whatever code its author put into
it). A cell is what one file or one layer makes, a `Network` a cell with its linear readout. JAX makes float64 into
float32 unless `jax_enable_x64` is set.

PyTorch names the arrays of layer k of `torch.nn.RNN`, `GRU` and `LSTM` `weight_ih_lk` (gN, D), `weight_hh_lk` (gN, N),
`bias_ih_lk` and `bias_hh_lk` (gN,), with 1, 3 or 4 gates g, which tell the kind; the module's own name stands before
them (`rec.weight_ih_l0`). Equinox keeps PyTorch's order of gates, reset, update, new for a GRU and input, forget, cell,
output for an LSTM, but holds one bias where PyTorch holds two; a plain RNN's nonlinearity is not among the arrays.
"""

from .._files.arrays import read_arrays as read_arrays
from .._files.arrays import write_arrays as write_arrays
from ._network import Activation as Activation
from ._network import Network as Network
from ._read import read_cell as read_cell
from ._read import read_matrix as read_matrix
from ._read import read_network as read_network
from ._torch import from_torch as from_torch
from ._torch import from_torch_network as from_torch_network
from ._torch import to_torch as to_torch
