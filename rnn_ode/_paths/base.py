"""Inputs as functions of time.

Sample k drives step k, from t = k·dt to (k+1)·dt, and is stamped at its end, so that the equation
h(t) = f(W_h h(t−dt) + W_x x(t) + b) holds as it is printed. A *held* input (`Hold`) is constant during each step. The
samples of a *smooth* input (`Linear`, `Cubic`, `BandLimited`) are readings of a signal at their stamps.

Inside, a time is a pair: whole steps since the start and a fraction of a step (see `times`).
"""

import abc
import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._base.checks import as_floats, as_number, as_numbers, as_step
from .._base.protocol import input_width
from .times import split


class AbstractInput(eqx.Module):
    """An input as a function of time; `path(t, after=s)` is the input s time units later, without adding floats of time."""

    @abc.abstractmethod
    def __call__(self, t: Any, after: Any = 0.0) -> Array: ...


class AbstractPath(AbstractInput):
    """An input given by samples that are equally far apart.

    **Arguments:**

    - `xs`: samples (T, …), T ≥ 1, of any shape; finite.
    - `dt`: the sampling interval, in time. Default 1.
    - `t0`: the stamp of the first sample, in time. Default `dt`, so that the first step begins at 0.

    Sampling interval k ends at the stamp of sample k. A path of your own extends this class by one member:

    - `within(step, fraction)`: the input in sampling interval `step`, a `fraction` of it after its beginning, in [0, 1). At
      fraction 0 a smooth input is the sample before. Both are scalars of JAX; `sample(k)` is xs[k], the end values outside.

    and may say more:

    - `degree`: of the polynomial in t that the input is within an interval; 0 for a *held* input, which is constant there.
      Default `None`, no polynomial. Linear fields are then solved without a formula.
    - `beyond`: how many samples after the end of an interval count within it. Default `None`, not known.

    Before the first stamp and after the last one the end values hold. A path with a parameter of its own writes `__init__`,
    which sets the parameter and calls `super().__init__(xs, dt, t0)`.

    **Raises:** `ValueError` for an empty or non-finite xs, for dt ≤ 0 and for a t0 that is not finite; `TypeError` for
    samples that are no real numbers.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> class Smoothstep(ro.AbstractPath):  # from sample to sample without a kink
    ...     degree = 3
    ...     def within(self, step, fraction):
    ...         part = fraction**2 * (3 - 2 * fraction)
    ...         return (1 - part) * self.sample(step - 1) + part * self.sample(step)
    >>> path = Smoothstep(jnp.array([[1.0], [2.0]]))
    >>> [path(t).item() for t in (0.0, 1.0, 1.5, 5.0)]
    [1.0, 1.0, 1.5, 2.0]

    ```
    """

    xs: Float[Array, "T ..."]
    dt: float = eqx.field(static=True, default=1.0)
    t0: float | None = eqx.field(static=True, default=None)

    degree: ClassVar[int | None] = None
    """The degree of the polynomial in t that the input is between two stamps; 0 for a held input."""

    def __init__(self, xs, dt: float = 1.0, t0: float | None = None):
        self.xs = as_floats("xs", xs)
        self.dt = as_step("dt", dt)
        self.t0 = None if t0 is None else _as_stamp(t0)

    def __check_init__(self):
        if self.xs.ndim == 0 or self.xs.shape[0] == 0:
            raise ValueError(f"xs must hold at least one sample, time first: (T, D) with T ≥ 1; got {self.xs.shape}.")

    @abc.abstractmethod
    def within(self, step: Int[Array, ""], fraction: Float[Array, ""]) -> Array:
        """The input (…) in sampling interval `step`, a `fraction` in [0, 1) of it after its beginning."""

    @property
    def beyond(self) -> int | None:
        """How many samples after the end of an interval count within it; `None` where the path does not say."""
        return None

    @property
    def reach(self) -> float | None:
        """How far after a time the newest sample lies that counts in a reading there, at most, in time; half_width·dt of a
        `BandLimited`. A reading at a stamp may need no other sample. `None` where the path does not say."""
        return None if self.beyond is None else (self.beyond + 1) * self.dt

    def sample(self, index: Int[Array, "..."]) -> Array:
        """xs[index], the first or last sample beyond the ends."""
        return taken(self.xs, index)

    @property
    def start(self) -> float:
        """When the first step begins: t0 − dt, which is 0 unless t0 is given."""
        return 0.0 if self.t0 is None else self.t0 - self.dt

    @property
    def stamps(self) -> Float[Array, " T"]:
        return self.time(jnp.arange(1, self.xs.shape[0] + 1), 0.0)

    @property
    def times(self) -> Float[Array, " n"]:
        """When the first step begins, and every stamp."""
        return jnp.concatenate([jnp.full(1, self.start, jnp.result_type(float)), self.stamps])

    def time(self, whole: Int[Array, "..."], fraction: Any) -> Array:
        """The float of a time given as whole steps since the start and a fraction of a step."""
        return self.start + (whole + jnp.asarray(fraction, jnp.result_type(float))) * self.dt

    def split(self, t: Any) -> tuple[Int[Array, "..."], Float[Array, "..."]]:
        """A float of time as whole steps since the start and a fraction in [0, 1)."""
        t = jnp.asarray(t)
        kind = jnp.result_type(float)
        eps = jnp.finfo(t.dtype if jnp.issubdtype(t.dtype, jnp.floating) else kind).eps
        return split(t.astype(kind), self.start, self.dt, float(eps))

    def __call__(self, t: Any, after: Any = 0.0) -> Array:
        """The input at a time.

        **Arguments:**

        - `t`: a time (), in the unit of `dt`. `jax.vmap(path)(ts)` reads many times (n,).
        - `after`: how much later (), in the same unit, to read a smooth input, without the rounding of t + after. A held
          input ignores it. Default 0.

        **Returns:** the input (…), of the shape of one sample: (D,) for samples (T, D). Outside the stamps the end values
        hold.

        ```python
        >>> import jax, jax.numpy as jnp, rnn_ode as ro
        >>> path = ro.Linear(jnp.array([[1.0, 10.0], [2.0, 20.0]]), dt=0.5)  # stamped 0.5 and 1
        >>> path(0.75).tolist(), jax.vmap(path)(jnp.array([0.5, 0.75, 1.0])).shape
        ([1.5, 15.0], (3, 2))

        ```
        """
        return _value(self, t, after)

    def at(self, whole: Int[Array, ""], fraction: Float[Array, ""], after: Any = 0.0) -> Array:
        """The input (…) at a time given exactly, `after` time units later; a held input ignores `after`."""
        if is_held(self):
            return self.within(jnp.clip(whole, 0, self.xs.shape[0] - 1), fraction)
        step, fraction = self.place(whole, fraction, after)
        fraction = jnp.where(self.between(step), fraction, 0.0).astype(self.xs.dtype)
        return self.within(jnp.clip(step, 1, self.xs.shape[0]), fraction)

    def ahead(self, whole: Int[Array, ""], fraction: Float[Array, ""], after: Any, step: float, count: int) -> Array:
        """The inputs (count, …) at a time given exactly, `after` time units later, and every `step` from there on."""
        return jax.vmap(lambda j: self.at(whole, fraction, after + j * step))(jnp.arange(count))

    def piece(self, whole: Int[Array, ""]) -> "Constant | Piece":
        """The input during step `whole`, both ends included."""
        return Constant(self.at(whole, jnp.zeros((), self.xs.dtype))) if is_held(self) else Piece(self, whole)

    def place(self, whole: Int[Array, ""], fraction: Float[Array, ""], after: Any) -> tuple[Array, Array]:
        """The interval and the fraction of it `after` time units past a time, as if there were samples everywhere."""
        steps = after / self.dt
        whole_steps = jnp.floor(steps)
        fraction = fraction + (steps - whole_steps)
        carry = jnp.floor(fraction)
        return whole + (whole_steps + carry).astype(int), fraction - carry

    def between(self, step: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether an interval has a sample at both of its ends."""
        return (step >= 1) & (step < self.xs.shape[0])


class Constant(AbstractInput):
    """An input (D,) that never changes: one step's piece of a held input."""

    x: Array

    def __call__(self, t: Any, after: Any = 0.0) -> Array:
        return self.x

    def moment(self, t: Any, fraction: Any) -> "Constant":
        return self


class Piece(AbstractInput):
    """A smooth input during one step, whose number is known exactly."""

    path: AbstractPath
    whole: Int[Array, ""]

    def moment(self, t: Any, fraction: Any) -> "Moment":
        return Moment(self, t, fraction)

    def __call__(self, t: Any, after: Any = 0.0) -> Array:
        return self.path(t, after)


class Moment(AbstractInput):
    """A smooth input near an instant known exactly, whose float is `t`: other times are read by their distance from it."""

    piece: Piece
    t: Array
    fraction: Array

    def __call__(self, t: Any, after: Any = 0.0) -> Array:
        path = self.piece.path
        return path.at(self.piece.whole, self.fraction + (t - self.t) / path.dt, after)


def is_held(path: Any) -> bool:
    """Whether an input is given by samples and constant between its stamps."""
    return isinstance(path, AbstractPath) and path.degree == 0


def check_path_width(path: Any, owner: Any, kind: str) -> None:
    """`ValueError` for samples of another width than the owner, a "cell" or a "field", declares."""
    width = input_width(owner)
    if isinstance(path, AbstractPath) and width is not None and path.xs.shape[1:] != (width,):
        raise ValueError(f"path must have samples of shape ({width},) for this {kind}; they are {path.xs.shape[1:]}.")


def check_reading(path: Any, owner: Any, kind: str) -> None:
    """`ValueError` for a function of time that returns another width than the owner, a "cell" or a "field", declares."""
    width = input_width(owner)
    if width is None or isinstance(path, AbstractPath) or not callable(path):
        return
    shape = jax.eval_shape(lambda: read(path, jnp.zeros(()))).shape
    if shape != (width,):
        raise ValueError(f"path(t) must return an input of shape ({width},) for this {kind}; it returns {shape}.")


def read(path: Any, t: Any, after: Any = 0.0) -> Array:
    """The input `after` time units past t, of one of our paths or of any other function of time."""
    return path(t, after) if isinstance(path, AbstractInput) else as_numbers("path(t)", path(t + after))


def taken(rows: Array, index: Int[Array, "..."]) -> Array:
    """Rows by number, the first or last one beyond the ends (`mode="clip"` alone counts −1 from the end)."""
    return rows[jnp.clip(index, 0, rows.shape[0] - 1)]


@jax.jit
def _value(path: AbstractPath, t: Any, after: Any) -> Array:
    return path.at(*path.split(t), after)


def _as_stamp(t0: Any) -> float:
    stamp = as_number("t0", t0)
    if not math.isfinite(stamp):
        raise ValueError(f"t0 must be finite, the first sample's stamp; got {stamp}.")
    return stamp
