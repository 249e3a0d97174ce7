"""The conversions, each one a way of taking the logarithm of the step.

With E the operator that applies the network once, the flow behind it is G = log(E) / dt, and a method is a scalar function
g with which it maps a multiplier λ of the step to an exponent μ = g(λ), per step. With Δ = E − 1 and ∇ = 1 − E⁻¹,

    log E = Δ − Δ²/2 + Δ³/3 − …  =  ∇ + ∇²/2 + ∇³/3 + …  =  2 artanh((E − 1)/(E + 1)).

The same g of a matrix makes the generator: g(W) is the system's matrix, and the top-right block of g([[W, u], [0, 1]]) is
φ(W) u with φ(z) = g(z)/(z − 1), what the drive u of h ↦ W h + u becomes (Higham, "Functions of Matrices", 2008).
"""

import abc
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float

from ._balance import balanced, balancing
from ._errors import as_matrix, check_count, check_flag, is_concrete
from ._linalg import column_lengths, eig, inv, logm, solve
from ._verdict import Rounding, float64_hint, reach


class AbstractMethod(eqx.Module):
    """A conversion of a step into a flow. All of it is per step; `to_ode` divides by dt.

    `exponent(multiplier)` is g, elementwise on complex numbers; `generator(W)` is g of a matrix.
    """

    label: eqx.AbstractVar[str]
    """The name in tables and on the command line, such as "forward:3"."""
    input_lead: eqx.AbstractVar[float]
    """How far ahead of the state a smooth input is read, in steps."""
    inverts: ClassVar[bool] = False
    """Whether the method needs the inverse of the step."""
    pole: ClassVar[float | None] = None
    """The multiplier at which g is infinite, if there is one."""

    @property
    def adds_equilibria(self) -> bool:
        """Whether the flow of a nonlinear cell may rest where the network does not: φ(z) = g(z)/(z − 1) has zeros."""
        return True

    def exponent(self, multiplier) -> Complex[Array, "..."]:
        """g(λ), elementwise: complex in, complex out; never raises (a pole gives an infinity or NaN)."""
        multiplier = jnp.asarray(multiplier)
        return self._g(multiplier.astype(jnp.result_type(multiplier, jnp.complex64)))

    @abc.abstractmethod
    def _g(self, z: Complex[Array, "..."]) -> Complex[Array, "..."]: ...

    def contour(self, multiplier: Complex[Array, "..."], level: Float[Array, ""]) -> Complex[Array, "..."]:
        """For each multiplier a point near it where Re g = `level`. By Newton's method, which may fail to find one."""

        def step(_, z):
            value, slope = jax.jvp(self._g, (z,), (jnp.ones_like(z),))
            moved = z - (value.real - level) / slope
            return jnp.where(jnp.isfinite(moved), moved, z)

        return jax.lax.fori_loop(0, 20, step, multiplier)

    def generator(self, W: ArrayLike | Sequence) -> Array:
        """g(W) (N, N) of a real matrix W. Raises `ValueError` for what is not one, or where g(W) is seen not to exist."""
        W = as_matrix("W", W)
        if self.pole is not None and is_concrete(W) and (why := obstacle(W, self)):
            raise ValueError(f"{self.label} does not exist for this W: {why.text}.")
        return self.of_matrix(W)

    @abc.abstractmethod
    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        """g(W) (N, N) of a real matrix, without a look at it: NaN or infinite where it does not exist."""

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Array:
        """φ(J) v (N,) with φ(z) = g(z)/(z − 1)."""
        return self.affine_generator(J, v[:, None])[1][:, 0]

    def affine_generator(self, J: Float[Array, "N N"], V: Float[Array, "N M"]) -> tuple[Array, Array]:
        """g(J) (N, N) and φ(J) V (N, M), the upper blocks of g([[J, V], [0, 1]]).

        The second is linear in V, whose columns are brought to length 1 for it: a long one would cost g(J) its digits.
        """
        n, m = V.shape
        lengths = jax.lax.stop_gradient(column_lengths(V))
        bottom = jnp.concatenate([jnp.zeros((m, n), J.dtype), jnp.eye(m, dtype=J.dtype)], axis=1)
        blocks = self.of_matrix(jnp.concatenate([jnp.concatenate([J, V / lengths[None]], axis=1), bottom]))
        return blocks[:n, :n], blocks[:n, n:] * lengths[None]

    def excluded(self, multiplier, tolerance):
        """Whether a multiplier, within a tolerance, forbids the method; of NumPy's arrays and of JAX's."""
        return abs(multiplier) < 0

    def fault_of(self, multiplier: complex, tolerance: float) -> str:
        """What is wrong with an excluded multiplier, in words that follow "its multiplier −1 is"."""
        if self.pole is not None and abs(multiplier - self.pole) <= tolerance:
            return f"a pole of {self.label}"
        return "zero to within rounding" if abs(multiplier) <= tolerance else f"excluded by {self.label}"

    @abc.abstractmethod
    def series_ratio(self, multiplier: Complex[Array, "..."]) -> Float[Array, "..."]:
        """Modulus of the quantity in whose powers the method's series runs: it converges below 1."""

    @abc.abstractmethod
    def neglected(self, multiplier: Complex[Array, "..."]) -> Complex[Array, "..."]:
        """The first term of the series that the method leaves out, per step."""


def check_method(name: str, value) -> AbstractMethod:
    """A method as it is, `TypeError` for anything else."""
    if not isinstance(value, AbstractMethod):
        raise TypeError(f"{name} must be one of rnn_ode's methods, such as Forward(1) or Exact(); got {value!r}.")
    return value


class Textbook(AbstractMethod):
    """The published equation, verbatim: dh/dt = x'(t) + W_h h with x'(t) = W_h⁻¹ (W_x x(t) + b). g(λ) = λ.

    It is no truncation of the logarithm: for λ = ½ the network decays and exp(W_h t) grows, for λ = −2 the reverse.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Textbook().exponent(0.5).item()
    (0.5+0j)

    ```
    """

    label: ClassVar[str] = "textbook"
    input_lead: ClassVar[float] = 0.0
    inverts: ClassVar[bool] = True

    def _g(self, z):
        return z

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        return W

    def excluded(self, multiplier, tolerance):
        return abs(multiplier) <= tolerance

    def series_ratio(self, multiplier):
        return jnp.full(jnp.shape(multiplier), jnp.inf, jnp.real(multiplier).dtype)

    def neglected(self, multiplier):
        return jnp.log(multiplier) - multiplier


class Forward(AbstractMethod):
    """The forward series Δ − Δ²/2 + … up to `order`: applications of the cell only, so it serves any cell.

    g(λ) = Σₖ (−1)ᵏ⁺¹ (λ−1)ᵏ / k; converges to log λ for |λ − 1| < 1. Raises for an order that is not a whole number ≥ 1.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Forward(2).exponent(0.5).item()
    (-0.625+0j)

    ```
    """

    order: int = eqx.field(static=True)

    def __init__(self, order: int = 1):
        check_count("order", order)
        self.order = int(order)

    @property
    def label(self) -> str:
        return f"forward:{self.order}"

    input_lead: ClassVar[float] = 1.0

    def _g(self, z):
        delta = z - 1
        total = jnp.zeros_like(z)
        for k in range(self.order, 0, -1):
            total = delta * ((-1) ** (k + 1) / k + total)
        return total

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        eye = jnp.eye(W.shape[0], dtype=W.dtype)
        delta = W - eye
        total = jnp.zeros_like(W)
        for k in range(self.order, 0, -1):
            total = delta @ ((-1) ** (k + 1) / k * eye + total)
        return total

    def series_ratio(self, multiplier):
        return jnp.abs(multiplier - 1)

    def neglected(self, multiplier):
        k = self.order + 1
        return (-1) ** (k + 1) * (multiplier - 1) ** k / k


class Backward(AbstractMethod):
    """The backward series ∇ + ∇²/2 + … up to `order`: the Taylor expansion of h(t − dt), inverted. It needs W_h⁻¹.

    g(λ) = Σₖ (1 − 1/λ)ᵏ / k; converges to log λ for Re λ > ½. `Backward(1)` is what the textbook derivation gives when it
    is done with care: h' = (I − W⁻¹) h + W⁻¹ (W_x x + b). Raises for an order that is not a whole number ≥ 1.

    ```python
    >>> import rnn_ode as ro
    >>> ro.Backward(1).exponent(0.5).real.item()
    -1.0

    ```
    """

    order: int = eqx.field(static=True)

    def __init__(self, order: int = 1):
        check_count("order", order)
        self.order = int(order)

    @property
    def label(self) -> str:
        return f"backward:{self.order}"

    inverts: ClassVar[bool] = True

    @property
    def adds_equilibria(self) -> bool:
        return self.order > 1

    @property
    def input_lead(self) -> float:
        """0 for order 1, whose own error of half a step it cancels; ½ beyond, where g approaches the logarithm."""
        return 0.0 if self.order == 1 else 0.5

    pole: ClassVar[float | None] = 0.0

    def _g(self, z):
        return -Forward(self.order)._g(1 / z)

    def contour(self, multiplier, level):
        return 1 / Forward(self.order).contour(1 / multiplier, -level)

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        return -Forward(self.order).of_matrix(inv(W))

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Array:
        term = total = solve(J, v)
        for k in range(2, self.order + 1):
            term = term - solve(J, term)
            total = total + term / k
        return total

    def excluded(self, multiplier, tolerance):
        return abs(multiplier) <= tolerance

    def series_ratio(self, multiplier):
        return jnp.abs(1 - 1 / multiplier)

    def neglected(self, multiplier):
        return (1 - 1 / multiplier) ** (self.order + 1) / (self.order + 1)


class Tustin(AbstractMethod):
    """The Cayley transform, or bilinear rule: g(λ) = 2(λ − 1)/(λ + 1), the first term of 2 artanh((λ − 1)/(λ + 1)).

    Its flow decays exactly where the network does, |λ| < 1. The series it begins converges for Re λ > 0. Source: Tustin 1947.

    ```python
    >>> import rnn_ode as ro
    >>> round(ro.Tustin().exponent(0.5).real.item(), 4)
    -0.6667

    ```
    """

    label: ClassVar[str] = "tustin"
    input_lead: ClassVar[float] = 0.5
    adds_equilibria: ClassVar[bool] = False

    pole: ClassVar[float | None] = -1.0

    def _g(self, z):
        return 2 * (z - 1) / (z + 1)

    def contour(self, multiplier, level):
        half = (level + 1j * self._g(multiplier).imag) / 2
        return (1 + half) / (1 - half)

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        eye = jnp.eye(W.shape[0], dtype=W.dtype)
        return 2 * solve(W + eye, W - eye)

    def phi(self, J: Float[Array, "N N"], v: Float[Array, " N"]) -> Array:
        return 2 * solve(J + jnp.eye(J.shape[0], dtype=J.dtype), v)

    def excluded(self, multiplier, tolerance):
        return abs(multiplier + 1) <= tolerance

    def fault_of(self, multiplier, tolerance):
        return "a pole of the Cayley transform"

    def series_ratio(self, multiplier):
        return jnp.abs((multiplier - 1) / (multiplier + 1)) ** 2

    def neglected(self, multiplier):
        return 2 / 3 * ((multiplier - 1) / (multiplier + 1)) ** 3


class Exact(AbstractMethod):
    """The logarithm itself, g(λ) = log λ: the flow meets an affine network at every sample, for a held input.

    **Arguments:** `complex` serves negative multipliers with a complex logarithm (affine or anchored cells), whose solution
    is real at the samples; `anchored` takes the Jacobian of a cell that is not affine at the state where the step starts, so
    that the flow meets the samples of any cell whose Jacobian has a logarithm (for ReLU networks the construction of
    Monfared & Durstewitz, ICML 2020). A zero multiplier destroys information and no flow does that.

    ```python
    >>> import rnn_ode as ro
    >>> round(ro.Exact().exponent(0.5).real.item(), 4)
    -0.6931

    ```
    """

    complex: bool = eqx.field(static=True)
    anchored: bool = eqx.field(static=True)

    def __init__(self, complex: bool = False, anchored: bool = False):
        check_flag("complex", complex)
        check_flag("anchored", anchored)
        self.complex = complex
        self.anchored = anchored

    @property
    def label(self) -> str:
        return ":".join(["exact", *["complex"] * self.complex, *["anchored"] * self.anchored])

    input_lead: ClassVar[float] = 0.5
    inverts: ClassVar[bool] = True
    adds_equilibria: ClassVar[bool] = False
    pole: ClassVar[float | None] = 0.0

    def _g(self, z):
        return jnp.log(z)

    def contour(self, multiplier, level):
        return jnp.exp(level + 1j * jnp.angle(multiplier))

    def of_matrix(self, W: Float[Array, "N N"]) -> Array:
        return _complex_logm(W) if self.complex else logm(W)

    def excluded(self, multiplier, tolerance):
        zero = abs(multiplier) <= tolerance
        if self.complex:
            return zero
        return zero | ((multiplier.real < 0) & (abs(multiplier.imag) <= tolerance))

    def fault_of(self, multiplier, tolerance):
        return "negative" if multiplier.real < -tolerance else "zero to within rounding"

    def series_ratio(self, multiplier):
        return jnp.zeros(jnp.shape(multiplier), jnp.real(multiplier).dtype)

    def neglected(self, multiplier):
        return jnp.zeros_like(multiplier)


def _complex_logm(W: Float[Array, "N N"]) -> Complex[Array, "N N"]:
    """A logarithm of a real matrix that may have negative eigenvalues: log(e^{−iθ} W) + iθ.

    The rotation by θ takes the negative axis, where the principal branch ends, into an arc with no eigenvalue in it. The
    arc is the one next to the axis if it is wider than 1e-3, and then the logarithm is the principal one; otherwise the
    next one wide enough, and eigenvalues within that angle of the axis take the neighbouring branch. Any of them has
    exp(log W) = W.
    """
    angles = jnp.angle(eig(W)[0])
    on_axis = jnp.abs(jnp.abs(angles) - jnp.pi) <= 64 * jnp.finfo(W.dtype).eps
    below = jnp.where(on_axis, jnp.pi, jnp.minimum(angles, 0) + jnp.pi)  # angle past the negative axis, in [0, π]
    ladder = jnp.sort(jnp.concatenate([jnp.zeros(1, below.dtype), below]))
    wide = jnp.diff(ladder) > 1e-3
    first = jnp.argmax(wide)
    theta = (ladder[first] + ladder[first + 1]) / 2
    # a multiplier on the positive axis leaves the whole half-turn free; stay well inside it
    theta = jnp.minimum(theta, ladder[first] + 0.5)
    turn = jnp.exp(-1j * theta)
    return logm(turn * W) + 1j * theta * jnp.eye(W.shape[0], dtype=turn.dtype)


class Obstacle(NamedTuple):
    """Why a method does not exist for a matrix, and whether a zero multiplier is the reason."""

    text: str
    zero: bool


def obstacle(W, method: AbstractMethod) -> Obstacle | None:
    """Why the method does not exist for a concrete matrix W (N, N), or `None`. It runs on the host, in NumPy."""
    W = np.asarray(W)
    if not np.isfinite(W).all():
        return Obstacle("its Jacobian is not finite", zero=False)
    if method.inverts and (why := singular(W)):
        return Obstacle(why, zero=True)
    multipliers, reach = _multipliers(W)
    bad = np.flatnonzero(method.excluded(multipliers, reach))
    if not len(bad):
        return None
    value, within = complex(multipliers[bad[0]]), float(reach[bad[0]])
    shown = f"{value.real:.6g}" if abs(value.imag) <= within else f"{value:.6g}"
    text = f"its multiplier {shown} is {method.fault_of(value, within)}"
    certain = abs(value) > within and method.excluded(np.array([value]), np.zeros(1))[0]
    return Obstacle(text if certain else _with_hint(text, W), zero=abs(value) <= within)


def _with_hint(text: str, W: np.ndarray) -> str:
    hint = float64_hint(W.dtype).removesuffix(".")
    return f"{text}; {hint}" if hint else text


def _multipliers(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues and `_verdict.eigenvalue_reach`, in NumPy: a concrete matrix may be asked about while something else
    is traced."""
    B = _balanced(W)
    multipliers, vectors = np.linalg.eig(B.astype(complex))
    try:
        condition = np.linalg.norm(np.linalg.inv(vectors), axis=1)
    except np.linalg.LinAlgError:
        condition = np.full(len(B), np.inf)
    eps = np.finfo(W.dtype).eps
    largest = np.max(np.abs(B)) or 1  # so that squares do not overflow
    rounding = Rounding.from_norms(eps, *(largest * np.linalg.norm(B / largest, kind) for kind in ("fro", 2)))
    return multipliers, reach(np, rounding, eps, condition, multipliers)


def _balanced(W: np.ndarray) -> np.ndarray:
    """`_balance.balanced` of a concrete matrix, also while something else is traced."""
    with jax.ensure_compile_time_eval():
        e = np.asarray(balancing(jnp.asarray(W)))
    return np.ldexp(W, e[None, :] - e[:, None])


def singular(W: np.ndarray) -> str | None:
    """Why a concrete W (N, N) cannot be inverted, if it cannot: the condition number of the balanced matrix is above
    1/(N u)."""
    condition = np.linalg.cond(_balanced(W))
    if condition * len(W) * np.finfo(W.dtype).eps < 1:
        return None
    return _with_hint(
        f"W_h is singular or nearly so, a multiplier zero to within rounding (condition number {condition:.3g})", W
    )


def nearly_singular(W: Float[Array, "N N"]) -> Bool[Array, ""]:
    """Whether W cannot be told from a singular matrix, as `singular` has it; traceable."""
    s = jnp.linalg.svd(balanced(W), compute_uv=False)
    return s[-1] <= W.shape[0] * jnp.finfo(W.dtype).eps * s[0]
