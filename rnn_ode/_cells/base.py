"""What a cell may tell of itself."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float


class AffineMap(NamedTuple):
    """h ↦ W h + W_x x + b, with W (N, N), W_x (N, D), b (N,)."""

    W: Float[Array, "N N"]
    W_x: Float[Array, "N D"]
    b: Float[Array, " N"]


class Pieces(NamedTuple):
    """A network that is linear between kinks, under a constant input: z' = A z + W relu(z) + c, in float64 on the host.

    `A`, `W` (N, N); `c` (N,). The network's state is z, or relu(z) where `rectified`.
    """

    A: np.ndarray
    W: np.ndarray
    c: np.ndarray
    rectified: bool


class AbstractCell(eqx.Module):
    """The base class of a cell of your own, h' = cell(x, h).

    Only `__call__(x, h)` is required: x (D,) is the input, h the state (an array or a pytree of arrays), and the result has
    the structure, shapes and type of h. Any other callable of this form is a cell too. The base class says what else the
    package asks of a cell, each with an answer that is right for any cell:

    - `initial_state()`: the state from which a run starts unless `h0` is given. Without it, `h0` must be given.
    - `input_size`: the width D of the input, for checks; `None` if any width fits.
    - `output(h)`: the part of a state that a layer above reads. The state itself if there is no such method.
    - `linear_part`: the matrix (N, N) whose eigenvalues `compare` and `gradient_flow` show, and `linear_part_name`, what
      tables call it. Where it is `None`, the default, they take the Jacobian at a state of the run.
    - `gain`: a bound of ‖∂h'/∂h‖₂ that holds at every state and input. NaN, the default, where none is known.
    - `affine`: (W, W_x, b) of a cell that is h' = W h + W_x x + b; `preactivation`: (W, W_x, b) of a cell that is
      h' = f(W h + W_x x + b). `None` by default. Methods convert such a cell as a whole.
    - `pieces(x)`: (A, W, c, rectified) of a cell that is piecewise linear under the constant input x (D,), in NumPy: the step
      is z ↦ A z + W relu(z) + c, and h is z, or relu(z) where `rectified`. `None` by default. `cycles` needs it.
    - `drive(x)` and `step(drive, h)`, with cell(x, h) = step(drive(x), h): what needs no state is then computed for many
      steps at once. By default `drive(x)` is x.
    - `recurrence`: the step as one matrix product between two functions, for speed. `None` by default.

    Each may be a field of the dataclass, a property or a method; these names have no other meaning.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> class Leaky(ro.AbstractCell):
    ...     W: jnp.ndarray
    ...     rate: float
    ...
    ...     def __call__(self, x, h):
    ...         return (1 - self.rate) * h + self.rate * jnp.tanh(self.W @ h + x)
    ...
    ...     def initial_state(self):
    ...         return jnp.zeros(len(self.W))
    >>> cell = Leaky(jnp.array([[2.0]]), 0.5)
    >>> [round(h, 3) for h in ro.iterate(cell, jnp.ones((2, 1))).states[:, 0].tolist()]
    [0.0, 0.381, 0.662]

    ```
    """

    @abc.abstractmethod
    def __call__(self, x: Any, h: Any, /) -> Any:
        """The next state."""

    def initial_state(self) -> Any:
        raise ValueError(
            f"h0=None starts from the cell's initial state, and {type(self).__name__} has no method `initial_state()`. "
            "Give h0, or give the cell that method."
        )

    def pieces(self, x: Any) -> Any:
        """The network under the constant input x (D,), as `Pieces` or a tuple of the same; `None` for another network."""
        return None

    def drive(self, x: Any) -> Any:
        """What the input contributes to the step before the state is known."""
        return x

    def step(self, drive: Any, h: Any) -> Any:
        """The next state."""
        return self(drive, h)
