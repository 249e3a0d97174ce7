"""The field of a method that uses the Jacobian of the cell."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from .._base.protocol import input_width
from .._base.states import is_finite
from .._base.types import Cell
from .._cells.protocol import initial_state, output_of
from .._fields.base import AbstractField
from .._paths.base import read


@runtime_checkable
class Conversion(Protocol):
    """What the field asks a method for: g(J), and φ(J) v with φ(z) = g(z)/(z − 1)."""

    def of_matrix(self, W: Array) -> Array: ...

    def phi(self, J: Array, v: Array) -> Array: ...

    def affine_generator(self, J: Array, V: Array) -> tuple[Array, Array]: ...


class JacobianField(AbstractField):
    """dh/dt = φ(J) (cell(x, h) − h) / dt with J = ∂cell/∂h at the state, and φ(z) = g(z)/(z − 1) of the method.

    φ(J) is computed without division by J − I. Every fixed point of the network is therefore an equilibrium of the field,
    with exponents g(λ). The input is read `lead` ahead of the state, in time.

    If `anchored`, `integrate` asks at the start of each step of the input's samples for the field of that step, by `anchor`:
    its J, and the affine map with that J, are those of the state where the step starts. Outside the samples it asks at the
    times that were given. Called directly, the field takes J at the state it is called with.
    """

    cell: Cell
    method: Conversion
    dt: float = eqx.field(static=True)
    lead: float = eqx.field(static=True)
    anchored: bool = eqx.field(static=True)

    @property
    def input_size(self) -> int | None:
        return input_width(self.cell)

    @property
    def partial(self) -> bool:
        """True: the field does not exist at states where J has no logarithm or no inverse."""
        return True

    def _local(self, t, h, path):
        """Return at a state the Jacobian of the cell (M, M), cell(x, h) − h and the flat state (M,), and its inverse map."""
        flat, unravel = ravel_pytree(jax.tree.map(jnp.real, h))
        x = read(path, t, self.lead)

        def step(v):
            return ravel_pytree(self.cell(x, unravel(v)))[0]

        return jax.jacfwd(step)(flat), step(flat) - flat, flat, unravel

    def __call__(self, t, h, path):
        # the stages of a trial step that is rejected may be infinite: neither their rates nor their gradients count
        finite = is_finite(h)
        safe = jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0), h)
        J, displacement, _, unravel = self._local(t, safe, path)
        return _unravel(unravel, jnp.where(finite, self.method.phi(J, displacement) / self.dt, jnp.nan))

    def generator(self, t, h, path):
        """Return g(J)/dt at the state, which linearly implicit and exponential schemes use."""
        return self.method.of_matrix(self._local(t, h, path)[0]) / self.dt

    @property
    def equation(self) -> Callable | None:
        """Return cell(x, h) − h if φ has no zeros, else `None`. It is zero where the field is zero, and it needs no
        logarithm."""
        return None if getattr(self.method, "adds_equilibria", True) else self._displacement

    @property
    def jacobian_at_rest(self) -> Callable | None:
        """Return the field's Jacobian at a zero of the field, if φ has no zeros, else `None`. It is g(J)/dt, as
        φ(J)(J − I) = g(J)."""
        return None if self.equation is None else self.generator

    def _displacement(self, t, h, path):
        return self._local(t, h, path)[1]

    def anchor(self, t, h, path) -> "AnchoredField":
        """Return the affine field of the step that starts at (t, h₀): g(J)/dt (h − h₀) + φ(J)(cell(x, h₀) − h₀)/dt."""
        J, displacement, flat, unravel = self._local(t, h, path)
        generator, velocity = self.method.affine_generator(J, displacement[:, None])
        return AnchoredField(generator / self.dt, velocity[:, 0] / self.dt, flat, unravel)

    def initial_state(self):
        return initial_state(self.cell)

    def output(self, h):
        """Return what a layer above reads of the cell's state."""
        return output_of(self.cell, h)


class AnchoredField(AbstractField):
    """dh/dt = A (h − h₀) + v during one step."""

    A: Array
    velocity: Array
    origin: Array
    unravel: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, t, h, path):
        flat = ravel_pytree(h)[0]
        rate = self.A @ (flat - self.origin.astype(flat.dtype)) + self.velocity
        return _unravel(self.unravel, rate)


def _unravel(unravel, flat):
    """Return a real or complex vector in the structure of a real state."""
    if jnp.isrealobj(flat):
        return unravel(flat)
    return jax.tree.map(lambda a, b: a + 1j * b, unravel(flat.real), unravel(flat.imag))
