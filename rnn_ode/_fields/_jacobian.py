from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from .._cells import initial_state
from .._paths import read
from .._types import Cell


class JacobianField(eqx.Module):
    """dh/dt = φ(J) (cell(x, h) − h) / dt with J = ∂cell/∂h at the state, φ(z) = g(z)/(z − 1).

    φ(J) v is the top-right block of g([[J, v], [0, 1]]), so nothing is divided by J − I. Every fixed point of the network is
    one of the field, with exponents g(λ). `matrix_function` is g of a matrix; the input is read `lead` ahead of the state.

    With `anchored`, `anchor` gives the field of one step, with J (and the affine map it belongs to) taken where that step
    starts; `integrate` asks for it at every step. Called as it is, the field takes J at the state it is called with.
    """

    cell: Cell
    matrix_function: Callable[[Array], Array]
    dt: float = eqx.field(static=True)
    lead: float = eqx.field(static=True)
    anchored: bool = eqx.field(static=True, default=False)

    @property
    def partial(self) -> bool:
        """Whether there may be states where the field does not exist: J without a logarithm or an inverse."""
        return True

    def _local(self, t, h, path):
        """Image (M,) and Jacobian (M, M) of the cell at a state, and the flat state and its inverse map."""
        flat, unravel = ravel_pytree(h)
        x = read(path, t, self.lead)

        def step(v):
            return ravel_pytree(self.cell(x, unravel(v)))[0]

        return step(flat), jax.jacfwd(step)(flat), flat, unravel

    def __call__(self, t, h, path):
        image, J, flat, unravel = self._local(t, jax.tree.map(jnp.real, h), path)
        _, velocity = self._flow(J, image - flat)
        return unravel(velocity) if jnp.isrealobj(velocity) else _unravel_complex(unravel, velocity)

    def generator(self, t, h, path):
        """g(J)/dt at the state: what linearly implicit and exponential schemes use."""
        image, J, flat, _ = self._local(t, h, path)
        return self._flow(J, image - flat)[0]

    def _flow(self, J, displacement):
        n = J.shape[0]
        top = jnp.concatenate([J, displacement[:, None]], axis=1)
        bottom = jnp.zeros((1, n + 1), J.dtype).at[0, n].set(1)
        generator = self.matrix_function(jnp.concatenate([top, bottom])) / self.dt
        return generator[:n, :n], generator[:n, n]

    def anchor(self, t, h, path) -> "AnchoredField":
        """The affine flow of the step that starts at (t, h): g(J)/dt (h − h₀) + φ(J)(cell(x, h₀) − h₀)/dt."""
        image, J, flat, unravel = self._local(t, jax.tree.map(jnp.real, h), path)
        generator, velocity = self._flow(J, image - flat)
        return AnchoredField(generator, velocity, flat, unravel)

    def initial_state(self):
        return initial_state(self.cell)


class AnchoredField(eqx.Module):
    """dh/dt = A (h − h₀) + v during one step."""

    A: Array
    velocity: Array
    origin: Array
    unravel: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, t, h, path):
        flat = ravel_pytree(h)[0]
        rate = self.A @ (flat - self.origin.astype(flat.dtype)) + self.velocity
        return self.unravel(rate) if jnp.isrealobj(rate) else _unravel_complex(self.unravel, rate)


def _unravel_complex(unravel, flat):
    """A complex vector in the shape of a real state."""
    return jax.tree.map(lambda a, b: a + 1j * b, unravel(flat.real), unravel(flat.imag))
