"""A field as a network."""

import equinox as eqx
from jaxtyping import Array

from .._base.checks import as_step, check_callable
from .._base.protocol import input_width
from .._base.types import Field
from .._cells.protocol import initial_state, output_of
from .schemes import AbstractScheme
from .to_ode import _half_precision


class SchemeCell(eqx.Module):
    """A field advanced by one step of a scheme, as a cell."""

    field: Field
    scheme: AbstractScheme
    dt: float = eqx.field(static=True)

    @property
    def input_size(self) -> int | None:
        """That of the field, where it has one."""
        return input_width(self.field)

    def __call__(self, x: Array, h):
        return self.scheme.step(self.field, x, h, self.dt)

    def initial_state(self):
        return initial_state(self.field)

    def output(self, h):
        """What the field's state hands to a layer above."""
        return output_of(self.field, h)


def to_rnn(field: Field, scheme: AbstractScheme, dt: float = 1.0) -> SchemeCell:
    """A network from a field: the cell whose step is one step of the scheme, with the input constant during it.

    **Arguments:** `field` any callable `field(t, h, path)` that does not depend on t but through the path; `scheme` one of
    `Euler()`, `BackwardEuler()`, `Trapezoidal()`, `ExponentialEuler()`, `RungeKutta(solver, substeps)`; `dt` the step, time.

    **Returns:** a cell `cell(x, h)`. **Raises:** `ValueError` for dt ≤ 0; `TypeError` for a scheme that is none, and for a
    field in half precision.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> again = ro.to_rnn(ro.to_ode(cell, ro.Tustin()), ro.Trapezoidal())
    >>> round(again(jnp.ones(1), jnp.ones(1)).item(), 5), cell(jnp.ones(1), jnp.ones(1)).item()
    (1.5, 1.5)

    ```
    """
    if not isinstance(scheme, AbstractScheme):
        raise TypeError(f"scheme must be one of rnn_ode's schemes, such as Euler(); got {scheme!r}.")
    check_callable("field", field, "field(t, h, path)")
    if half := _half_precision(field):
        raise TypeError(
            f"a step adds a small change to the state, which wants a field of float32 or wider; this one has {half}."
        )
    return SchemeCell(field, scheme, as_step("dt", dt))
