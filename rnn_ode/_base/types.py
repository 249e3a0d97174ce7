"""Types in signatures: states, cells, fields, paths."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, PyTree

State = PyTree[Array]

# An array of JAX or of NumPy. A function of such arrays asks them for their module, `__array_namespace__()`.
if TYPE_CHECKING:
    AnyArray = Any
else:
    AnyArray = Array | np.ndarray | np.generic


@runtime_checkable
class Cell(Protocol):
    """One step of a recurrent network: `cell(x, h)` is the next state; x (D,), h any pytree, LSTM's is (h, c)."""

    def __call__(self, x: Array, h: Any, /) -> Any: ...


@runtime_checkable
class Field(Protocol):
    """A vector field: `field(t, h, path)` is dh/dt at time t, in the shape of h. `diffrax.ODETerm` takes the same."""

    def __call__(self, t: Any, h: Any, path: Any, /) -> Any: ...


@runtime_checkable
class Path(Protocol):
    """An input as a function of time: `path(t)` is the input (D,) at time t."""

    def __call__(self, t: Any, /) -> Array: ...
