"""The fields of methods that ask the cell for its Jacobian."""

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
    """What the field needs of a method: g(J), and φ(J) v with φ(z) = g(z)/(z − 1)."""

    def of_matrix(self, W: Array) -> Array: ...

    def phi(self, J: Array, v: Array) -> Array: ...

    def affine_generator(self, J: Array, V: Array) -> tuple[Array, Array]: ...


class JacobianField(AbstractField):
    """dh/dt = φ(J) (cell(x, h) − h) / dt with J = ∂cell/∂h at the state, φ(z) = g(z)/(z − 1) of the method.

    Nothing is divided by J − I, so that every fixed point of the network is one of the field, with exponents g(λ). The
    input is read `lead` ahead of the state.

    With `anchored`, `anchor` gives the field of one step, with J (and the affine map it belongs to) taken where that step
    starts; `integrate` asks for it at every step of the input's samples, and beyond them only at the times asked for.
    Called as it is, the field takes J at the state it is called with.
    """

    cell: Cell
    method: Conversion
    dt: float = eqx.field(static=True)
    lead: float = eqx.field(static=True)
    anchored: bool = eqx.field(static=True, default=False)

    @property
    def input_size(self) -> int | None:
        return input_width(self.cell)

    @property
    def partial(self) -> bool:
        """Whether there may be states where the field does not exist: J without a logarithm or an inverse."""
        return True

    def _local(self, t, h, path):
        """Jacobian (M, M) of the cell at a state, displacement by the cell and flat state (M,), and the inverse map."""
        flat, unravel = ravel_pytree(jax.tree.map(jnp.real, h))
        x = read(path, t, self.lead)

        def step(v):
            return ravel_pytree(self.cell(x, unravel(v)))[0]

        return jax.jacfwd(step)(flat), step(flat) - flat, flat, unravel

    def __call__(self, t, h, path):
        # a stage of a trial step that failed may be anywhere; nothing of it is used, no gradient of it either
        finite = is_finite(h)
        safe = jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0), h)
        J, displacement, _, unravel = self._local(t, safe, path)
        return _unravel(unravel, jnp.where(finite, self.method.phi(J, displacement) / self.dt, jnp.nan))

    def generator(self, t, h, path):
        """g(J)/dt at the state: what linearly implicit and exponential schemes use."""
        return self.method.of_matrix(self._local(t, h, path)[0]) / self.dt

    @property
    def equation(self) -> Callable | None:
        """What is zero exactly where the field is, cell(x, h) − h, if φ has no zeros: its derivative costs no logarithm's."""
        return None if getattr(self.method, "adds_equilibria", True) else self._displacement

    @property
    def jacobian_at_rest(self) -> Callable | None:
        """The field's Jacobian where it is zero, if φ has no zeros: g(J)/dt, since φ(J)(J − I) = g(J)."""
        return None if self.equation is None else self.generator

    def _displacement(self, t, h, path):
        return self._local(t, h, path)[1]

    def anchor(self, t, h, path) -> "AnchoredField":
        """The affine flow of the step that starts at (t, h): g(J)/dt (h − h₀) + φ(J)(cell(x, h₀) − h₀)/dt."""
        J, displacement, flat, unravel = self._local(t, h, path)
        generator, velocity = self.method.affine_generator(J, displacement[:, None])
        return AnchoredField(generator / self.dt, velocity[:, 0] / self.dt, flat, unravel)

    def initial_state(self):
        return initial_state(self.cell)

    def output(self, h):
        """What the cell's state hands to a layer above."""
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
    """A real or complex vector in the shape of a real state."""
    if jnp.isrealobj(flat):
        return unravel(flat)
    return jax.tree.map(lambda a, b: a + 1j * b, unravel(flat.real), unravel(flat.imag))
