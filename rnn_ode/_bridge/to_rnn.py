"""`to_rnn`: a field as a network."""

import equinox as eqx
from jaxtyping import Array

from .._base.callables import check_field
from .._base.checks import as_step, brief
from .._base.protocol import input_width
from .._base.types import Field
from .._cells.protocol import initial_state, output_of
from .schemes import AbstractScheme
from .to_ode import half_precision


class SchemeCell(eqx.Module):
    """A field advanced by one step of a scheme, as a cell."""

    field: Field
    scheme: AbstractScheme
    dt: float = eqx.field(static=True)

    @property
    def input_size(self) -> int | None:
        """The field's width of the input; `None` if it does not tell one."""
        return input_width(self.field)

    def __call__(self, x: Array, h):
        return self.scheme.step(self.field, x, h, self.dt)

    def initial_state(self):
        return initial_state(self.field)

    def output(self, h):
        """Return what a layer above reads of the field's state."""
        return output_of(self.field, h)


def to_rnn(field: Field, scheme: AbstractScheme, dt: float = 1.0) -> SchemeCell:
    """Make a network from a field: the cell whose step is one step of the scheme, with the input constant during it.

    **Arguments:**

    - `field`: any callable `field(t, h, path)` that depends on t only through the path.
    - `scheme`: `Euler()`, `BackwardEuler()`, `Trapezoidal()`, `ExponentialEuler()`, `RungeKutta(solver, substeps)`, or your
      own `AbstractScheme`.
    - `dt`: length of a step, in time. Default 1.

    **Returns:** a cell `cell(x, h) -> h`.

    **Raises:** `ValueError` for dt ≤ 0; `TypeError` if `scheme` is not a scheme, and for a field in half precision.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> again = ro.to_rnn(ro.to_ode(cell, ro.Tustin()), ro.Trapezoidal())
    >>> round(again(jnp.ones(1), jnp.ones(1)).item(), 5), cell(jnp.ones(1), jnp.ones(1)).item()
    (1.5, 1.5)

    ```
    """
    if not isinstance(scheme, AbstractScheme):
        raise TypeError(f"scheme must be one of rnn_ode's schemes, such as Euler(); got {brief(scheme)}.")
    check_field("field", field)
    if half := half_precision(field):
        raise TypeError(
            f"field must be in float32 or wider, since a step adds a small change to the state; it holds {half}. "
            "Convert its arrays to float32."
        )
    return SchemeCell(field, scheme, as_step("dt", dt))
