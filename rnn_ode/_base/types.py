"""Types in signatures: states, cells, fields, paths."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, PyTree

State = PyTree[Array]


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
