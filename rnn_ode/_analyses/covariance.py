"""What noise makes of a system at a stable fixed point: the covariance of its states, and their spectrum.

Near a fixed point with the Jacobian J a map under noise of covariance Q per step is h ↦ J h + ξ, and a flow under noise of
covariance Q per unit time is dh = J h dt + dB. Both settle at the covariance X of a Lyapunov equation,

    X = J X Jᵀ + Q    and    J X + X Jᵀ + Q = 0.

The spectral density, of which X is the integral over all frequencies, is (z − J)⁻¹ Q (z − J)⁻ᴴ with z = e^{2πi f dt}, times
dt, and z = 2πi f (Gardiner, "Handbook of Stochastic Methods", 2004, 4.4).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from .._base.checks import as_floats, check_finite, is_concrete
from .._base.compiled import compiled
from .._run.noise import as_spread, covariance_of
from .._systems.base import AbstractSystem, check_system
from ..linalg._norms import batched_map
from ..linalg._solve import nan_unless, solve


def covariance(system: AbstractSystem, at: Any, noise: ArrayLike | list) -> Float[Array, "N N"]:
    """The covariance at which the states of a system settle under small noise around a stable fixed point.

    **Arguments:**

    - `system`: a `Map` or `Flow` with a constant input.
    - `at`: the fixed point, a pytree or flat (N,).
    - `noise`: σ, of a step of a `Map`, as `iterate` takes it, or in a unit of time of a `Flow`, as `integrate` does: a
      number, (N,), or a matrix (N, M).

    **Returns:** the covariance (N, N) of the linearised system. Of a linear system it is exact for any noise. It is
    differentiable by the system and the noise. NaN for a traced system without a stable fixed point there.

    **Raises:** `ValueError` for a state that is no fixed point, with its speed; for a system that is not stable there, with
    the eigenvalue; for an input that is not constant, and a state or noise that does not fit. A state counts as fixed if it
    moves by at most √ε of its size in the time unit of the Jacobian, or by ε^¼ of what the noise moves it.

    Source: Lyapunov's equations; Gardiner, "Handbook of Stochastic Methods", 2004, 4.4.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> flow = ro.Flow(lambda t, h, path: -0.5 * h)
    >>> ro.covariance(flow, jnp.zeros(1), 1.0).tolist()
    [[1.0]]

    ```
    """
    h, spread = _arguments("covariance", system, at, noise)
    X, near = _covariance(system, h, spread)
    near.require("covariance")
    return X


def spectral_density(
    system: AbstractSystem, at: Any, noise: ArrayLike | list, frequencies: ArrayLike | list
) -> Complex[Array, "F N N"]:
    """The spectral density of a system's states under small noise around a stable fixed point.

    **Arguments:**

    - `system`, `at`, `noise`: as `covariance` takes them.
    - `frequencies`: (F,), in cycles per unit of time.

    **Returns:** the two-sided cross-spectral density (F, N, N) at each frequency. Its diagonal is the power of each number of
    the state, per unit of frequency. Its integral over all frequencies, for a `Map` from −1/(2 dt) to 1/(2 dt), is the
    `covariance`. It is differentiable by all arguments.

    **Raises:** as `covariance`; `ValueError` or `TypeError` for frequencies that are not finite numbers (F,).

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> flow = ro.Flow(lambda t, h, path: -0.5 * h)
    >>> ro.spectral_density(flow, jnp.zeros(1), 1.0, [0.0]).real.tolist()  # 1/(0.25 + (2πf)²)
    [[[4.0]]]

    ```
    """
    h, spread = _arguments("spectral_density", system, at, noise)
    frequencies = as_floats("frequencies", frequencies, ("F",))
    density, near = _density(system, h, spread, frequencies.astype(h.dtype))
    near.require("spectral_density")
    return density


def _arguments(name: str, system: AbstractSystem, at: Any, noise: Any) -> tuple[Array, Array]:
    check_system("system", system)
    system.require_constant(name)
    h = system.as_point("at", at)
    system.require_constant(name, h)
    spread = as_spread("noise", noise, h)
    check_finite("the square of noise", spread**2)
    return h, spread


class _Linear(NamedTuple):
    """A system near a state: its Jacobian, the covariance of the noise, the eigenvalue that grows fastest, its growth, how
    fast the state moves, and the speed up to which it counts as a fixed point."""

    J: Array
    Q: Array
    leading: Array
    growth: Array
    speed: Array
    limit: Array

    def settles(self) -> Array:
        return (self.growth < 0) & (self.speed <= self.limit)

    def require(self, name: str) -> None:
        """Raises `ValueError` for a state that is no stable fixed point, unless it is traced."""
        if not is_concrete(self):
            return
        if not self.speed <= self.limit:
            raise ValueError(
                f"{name} needs at to be a fixed point; there the state moves by {float(self.speed):.3g} per step of a map or "
                "per unit time of a flow. Find a fixed point with fixed_points."
            )
        if not self.growth < 0:
            value = complex(np.asarray(self.leading))
            raise ValueError(
                f"{name} needs a stable fixed point, around which the states settle; at this state the Jacobian has the "
                f"eigenvalue {value.real:.6g}{value.imag:+.6g}j, which grows by {float(self.growth):.3g} nats per unit time. "
                "Find a stable point with fixed_points."
            )


def _linearised(system: AbstractSystem, h: Array, spread: Array) -> _Linear:
    J = system.jacobian(h)
    Q = covariance_of(spread, J)
    fixed = jax.lax.stop_gradient(J)
    leading = system.time.modes(fixed).values[0]
    # at least 1 for a map; of a flow twice the size of J
    rate = jnp.linalg.norm(fixed) + jnp.linalg.norm(
        jax.vmap(system.time.residual)(jnp.eye(len(h), dtype=J.dtype), fixed)
    )
    # a state that moves much less than the noise moves it serves as well, as a root at 0 that is found to rounding
    eps = jnp.finfo(J.dtype).eps
    limit = eps**0.5 * rate * jnp.linalg.norm(h) + eps**0.25 * jnp.sqrt(rate * jnp.trace(Q))
    speed = jnp.linalg.norm(system.residual(h))
    return _Linear(J, Q, leading, system.time.growth(leading), *jax.lax.stop_gradient((speed, limit)))


@compiled
def _covariance(system: AbstractSystem, h: Array, spread: Array) -> tuple[Array, _Linear]:
    near = _linearised(system, h, spread)
    X = system.time.settled(near.J, near.Q)
    return nan_unless(near.settles(), (X + X.T) / 2), near


@compiled
def _density(system: AbstractSystem, h: Array, spread: Array, frequencies: Array) -> tuple[Array, _Linear]:
    near = _linearised(system, h, spread)
    J = near.J

    def at(frequency):
        z, unit = system.time.resolvent_point(frequency)
        with jax.default_matmul_precision("highest"):
            M = z * jnp.eye(J.shape[0], dtype=z.dtype) - J
            half = solve(M, near.Q.astype(z.dtype))
            density = solve(M, half.conj().T)
            return unit * (density + density.conj().T) / 2

    found = batched_map(at, frequencies, J.shape[0]) if len(frequencies) else jnp.zeros((0, *J.shape), h.dtype) + 0j
    return nan_unless(near.settles(), found), near
