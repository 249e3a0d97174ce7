"""Kinds of time: all that differs between a map, which moves by steps, and a flow, which moves continuously.

A system has a `time`, which an analysis asks: what is zero at a fixed point, how a step is made, how an eigenvalue of the
Jacobian is read (|λ| against 1, Re μ against 0), which bifurcations there are. J is the Jacobian of a step of a map, or of
the velocity of a flow.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Inexact

from .._base.checks import as_number, as_numbers, as_step, is_concrete
from .._base.results import RESULTS
from .._base.types import AnyArray
from .._base.verdict import Verdict, which
from ..linalg._eig import Modes, modes
from ..linalg._exponential import exponential, matrix_power
from ..linalg._norms import numerical_abscissa, numerical_radius, spectral_norm
from ..linalg._regions import AbstractRegion, HalfPlane, UnitDisc
from ..linalg._sylvester import lyapunov_continuous, lyapunov_discrete
from ..linalg._verdict import judge
from .stepper import Stepper, as_explicit, step_by

Rule = Callable[..., Array]
"""`rule(k, h, s)` of a system: the state after step k of a map, or dh/dt of a flow a fraction s into its step k."""


class Grain(NamedTuple):
    """The time step at which growth is sampled. A small disturbance is multiplied by `step` (N, N) in `length` time.
    `rate` (N, N), with step = exp(rate · length), is `None` for a map, where nothing happens in between."""

    step: Array
    length: Array
    rate: Array | None


class AbstractTime(eqx.Module):
    """A kind of time: `Discrete(dt)` or `Continuous()`."""

    region: eqx.AbstractClassVar[AbstractRegion]
    """Where eigenvalues of J are stable."""
    own_step: eqx.AbstractClassVar[bool]
    """Whether the length of a step belongs to the system, so that no analysis has to choose it."""
    undefined: eqx.AbstractClassVar[Any]
    """The item of `RESULTS` with which a run ends at a state where the system does not exist."""

    @abc.abstractmethod
    def residual(self, h: Float[Array, " N"], moved: Float[Array, " N"]) -> Float[Array, " N"]:
        """Returns what is zero at a fixed point, where `moved` is what the system's rule returns at h."""

    @abc.abstractmethod
    def stepper(self, rule: Rule, step: Any, solver: diffrax.AbstractSolver | None, parts: Any) -> Stepper:
        """Returns how a system with this rule is carried on. Only in continuous time may there be a `step`, a solver, and
        more than one of `parts`, into which each step is divided and which may be traced."""

    @abc.abstractmethod
    def growth(self, eigenvalues: Inexact[Array, "..."]) -> Float[Array, "..."]:
        """Returns nats per unit time: log|λ|/dt, or Re μ."""

    @abc.abstractmethod
    def rate(self, eigenvalues: Inexact[AnyArray, "..."]) -> Float[AnyArray, "..."]:
        """Returns `growth` of an array of JAX or NumPy, without checks."""

    @abc.abstractmethod
    def propagator(self, J: Float[Array, "N N"], t: Float[Array, ""]) -> Float[Array, "N N"]:
        """Returns what a small disturbance of a fixed point is multiplied by in a time t: Jᵏ, or exp(J t)."""

    @abc.abstractmethod
    def grain(self, J: Float[Array, "N N"]) -> Grain:
        """Returns the time step at which the growth of disturbances has to be sampled."""

    @abc.abstractmethod
    def numerical_range(self, J: Float[Array, "N N"]) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None]:
        """Returns the numerical radius of J and `None`, or `None` and its numerical abscissa."""

    @abc.abstractmethod
    def settled(self, J: Float[Array, "N N"], Q: Float[Array, "N N"]) -> Float[Array, "N N"]:
        """Returns the covariance at which a stable system settles under noise of covariance Q, per step or per unit time."""

    @abc.abstractmethod
    def resolvent_point(self, frequency: Float[Array, ""]) -> tuple[Complex[Array, ""], float]:
        """Returns z for which (z − J)⁻¹ is the response at a frequency, in cycles per unit time; and by what the power of its
        noise is multiplied, to be a density per frequency."""

    @abc.abstractmethod
    def flips(self, eigenvalues: Inexact[AnyArray, "..."]) -> Bool[AnyArray, "..."]:
        """Returns whether a mode changes sides at every step, as that of a negative multiplier does."""

    @abc.abstractmethod
    def bifurcation(self, eigenvalue: complex) -> str:
        """Returns the name of what happens to a fixed point when this eigenvalue crosses the boundary of stability. "fold"
        stands for a fold or a branch point, which the eigenvalue cannot tell apart."""

    def modes(self, J: Float[AnyArray, "N N"]) -> Modes:
        """Returns the eigenvalues of J and what belongs to them, fastest growing first."""
        return modes(J, self.region.extent)

    def verdict(self, J: Float[AnyArray, "N N"], found: Modes) -> Verdict:
        """Returns what the modes of J say about small disturbances."""
        return judge(found.balanced, found.values, found.balanced_condition, (self.region.reading,))[0]

    def judged(
        self, J: Float[AnyArray, "N N"], on_kink: Bool[ArrayLike, ""]
    ) -> tuple[Complex[AnyArray, " N"], Verdict]:
        """Returns the eigenvalues of J, fastest growing first, and what they say about small disturbances: nothing on a kink,
        where J jumps."""
        found = self.modes(J)
        return found.values, self.verdict_off_kink(on_kink, J, found)

    def verdict_off_kink(self, on_kink: Bool[ArrayLike, ""], J: Float[AnyArray, "N N"], found: Modes) -> Verdict:
        """Returns `verdict`, but UNDETERMINED on a kink."""
        on_kink = np.asarray(on_kink) if is_concrete(on_kink) else on_kink
        return which(Verdict, on_kink, Verdict.UNDETERMINED, self.verdict(J, found))


class Discrete(AbstractTime):
    """The time of a map, which moves in steps: disturbances decay where |λ| < 1.

    **Arguments:**

    - `dt`: length of a step, in time. Default 1.

    **Raises:** `ValueError` or `TypeError` for a `dt` that is not a positive, finite number.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> time = ro.Discrete(0.5)  # two steps in a unit of time
    >>> time == ro.Map(lambda x, h: h, dt=0.5).time, round(float(time.growth(jnp.array(0.5))), 3)
    (True, -1.386)

    ```
    """

    dt: float = eqx.field(static=True)

    region: ClassVar[AbstractRegion] = UnitDisc()
    own_step: ClassVar[bool] = True
    undefined: ClassVar[Any] = RESULTS.not_a_number

    def __init__(self, dt: float = 1.0):
        self.dt = as_step("dt", dt)

    def residual(self, h: Float[Array, " N"], moved: Float[Array, " N"]) -> Float[Array, " N"]:
        return moved - h

    def stepper(self, rule: Rule, step: Any, solver: diffrax.AbstractSolver | None, parts: Any) -> Stepper:
        if solver is not None or (step is not None and as_number("step", step) != self.dt) or parts != 1:
            raise ValueError(
                f"a map has its own step, {self.dt:g}, and no solver; got step={step!r}, solver={solver!r}."
            )
        return Stepper(rule, self.dt)

    def growth(self, eigenvalues: Inexact[Array, "..."]) -> Float[Array, "..."]:
        """Returns log|λ|/dt, nats per unit time: −∞ for zero, and NaN for NaN."""
        return self.rate(as_numbers("eigenvalues", eigenvalues))

    def rate(self, eigenvalues: Inexact[AnyArray, "..."]) -> Float[AnyArray, "..."]:
        return eigenvalues.__array_namespace__().log(abs(eigenvalues)) / self.dt

    def propagator(self, J: Float[Array, "N N"], t: Float[Array, ""]) -> Float[Array, "N N"]:
        return matrix_power(J, jnp.round(t / self.dt).astype(int))

    def grain(self, J: Float[Array, "N N"]) -> Grain:
        return Grain(J, jnp.asarray(self.dt, J.dtype), None)

    def numerical_range(self, J: Float[Array, "N N"]) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None]:
        return numerical_radius(J), None

    def settled(self, J: Float[Array, "N N"], Q: Float[Array, "N N"]) -> Float[Array, "N N"]:
        return lyapunov_discrete(J, Q)

    def resolvent_point(self, frequency: Float[Array, ""]) -> tuple[Complex[Array, ""], float]:
        angle = 2 * jnp.pi * frequency * self.dt
        return jax.lax.complex(jnp.cos(angle), jnp.sin(angle)), self.dt

    def flips(self, eigenvalues: Inexact[AnyArray, "..."]) -> Bool[AnyArray, "..."]:
        return eigenvalues.real < 0

    def bifurcation(self, eigenvalue: complex) -> str:
        return "neimark-sacker" if eigenvalue.imag else "flip" if eigenvalue.real < 0 else "fold"


class Continuous(AbstractTime):
    """The time of a flow, which moves continuously: disturbances decay where Re μ < 0.

    It has no arguments. Exponents are in nats per unit of time.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> time = ro.Continuous()
    >>> time == ro.Flow(lambda t, h, path: -h).time, time.growth(jnp.array([-0.5 + 2j])).tolist()
    (True, [-0.5])

    ```
    """

    region: ClassVar[AbstractRegion] = HalfPlane()
    own_step: ClassVar[bool] = False
    undefined: ClassVar[Any] = RESULTS.field_undefined

    def residual(self, h: Float[Array, " N"], moved: Float[Array, " N"]) -> Float[Array, " N"]:
        return moved

    def stepper(self, rule: Rule, step: Any, solver: diffrax.AbstractSolver | None, parts: Any) -> Stepper:
        solver = None if solver is None else as_explicit(solver)
        unit = 1.0 if step is None else as_step("step", step)

        def advance(k, h):
            # not the difference of two times, which would lose the digits of the step's length
            length = jnp.asarray(unit, h.dtype) / jnp.asarray(parts, h.dtype)
            return step_by(lambda s, v: length * rule(k, v, s), h, solver)

        return Stepper(advance, unit / parts, rule)

    def growth(self, eigenvalues: Inexact[Array, "..."]) -> Float[Array, "..."]:
        """Returns Re μ, nats per unit time: NaN for NaN."""
        return self.rate(as_numbers("eigenvalues", eigenvalues))

    def rate(self, eigenvalues: Inexact[AnyArray, "..."]) -> Float[AnyArray, "..."]:
        return eigenvalues.real

    def propagator(self, J: Float[Array, "N N"], t: Float[Array, ""]) -> Float[Array, "N N"]:
        return exponential(J * t)

    def grain(self, J: Float[Array, "N N"]) -> Grain:
        size = jax.lax.stop_gradient(spectral_norm(J))
        length = 0.5 / jnp.where(size == 0, 1, size)
        return Grain(exponential(J * length), length, J)

    def numerical_range(self, J: Float[Array, "N N"]) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None]:
        return None, numerical_abscissa(J)

    def settled(self, J: Float[Array, "N N"], Q: Float[Array, "N N"]) -> Float[Array, "N N"]:
        return lyapunov_continuous(J, Q)

    def resolvent_point(self, frequency: Float[Array, ""]) -> tuple[Complex[Array, ""], float]:
        angle = 2 * jnp.pi * frequency
        return jax.lax.complex(jnp.zeros_like(angle), angle), 1.0

    def flips(self, eigenvalues: Inexact[AnyArray, "..."]) -> Bool[AnyArray, "..."]:
        return eigenvalues.__array_namespace__().zeros(eigenvalues.shape, bool)

    def bifurcation(self, eigenvalue: complex) -> str:
        return "hopf" if eigenvalue.imag else "fold"
