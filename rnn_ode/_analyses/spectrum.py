"""What the eigenvalues of W_h predict, for the network and for each of its counterparts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Inexact

from .._base.checks import as_matrix, in_single, is_concrete
from .._base.shown import ShownArrays, Variables
from .._base.states import of_each
from .._base.text import Table, plain
from .._base.verdict import Verdict, float64_hint, verdict_name
from .._methods.base import AbstractMethod, check_method
from .._methods.catalogue import CONVERSIONS
from .._methods.closed import Textbook
from .._methods.existence import may_hide, nearly_singular
from ..linalg._balance import balanced
from ..linalg._eig import modes
from ..linalg._regions import UnitDisc
from ..linalg._verdict import eigenvalue_reach, judge
from .spectrum_table import spectrum_tables

_of_each = of_each("multipliers", ndim=1)


class Spectrum(ShownArrays, eqx.Module):
    """The eigenvalues of a step matrix W (N, N) and what they say of h ↦ W h and of its continuous counterparts.

    All of it is about the linear part, with held input: a network with a nonlinearity has the Jacobian W at one state only.

    **Fields:**

    - `matrix`: W (N, N).
    - `multipliers`: the eigenvalues λ (N,), complex, largest modulus first.
    - `condition`: their condition numbers (N,): 1 for a normal matrix, infinite for a defective one.
    - `balanced_condition`: the condition numbers (N,) of the balanced matrix, by which rounding is judged.

    `table()` has a row for each conversion and for `Textbook()`, and one for each of the largest multipliers; `to_dict()` has
    all of them. For a batch of matrices, as `vmap` returns it, every property and method returns a batch of answers.

    ```python
    >>> import rnn_ode as ro
    >>> s = ro.spectrum([[0.0, -0.9], [0.9, 0.0]])
    >>> print(s.multipliers.imag.round(2), s.frequencies, f"{s.rate():.3f}")
    [ 0.9 -0.9] [ 0.25 -0.25] -0.105

    ```
    """

    matrix: Float[Array, "N N"]
    multipliers: Complex[Array, " N"]
    condition: Float[Array, " N"]
    balanced_condition: Float[Array, " N"]

    _alone = "multipliers", 1

    @property
    @_of_each
    def radius(self) -> Float[Array, ""]:
        """Spectral radius: the largest |λ|."""
        return jnp.max(jnp.abs(self.multipliers))

    @property
    @_of_each
    def abscissa(self) -> Float[Array, ""]:
        """Spectral abscissa: the largest Re λ."""
        return jnp.max(self.multipliers.real)

    @property
    @_of_each
    def reach(self) -> Float[Array, " N"]:
        """How far each true eigenvalue may be from the computed one, for rounding."""
        return _reach(self, balanced(self.matrix))

    @property
    def hint(self) -> str:
        """What to try if rounding leaves the network's verdict or a timescale open. Empty in float64, and where neither is
        open. Runs on the host."""
        open_ = np.any(np.isinf(self.timescales)) or np.any(np.asarray(self.discrete == Verdict.UNDETERMINED))
        return float64_hint(self.matrix.dtype) if open_ else ""

    @property
    def discrete(self) -> Verdict:
        """The verdict on the network's linear part h ↦ W h, by |λ| against 1."""
        return self.verdicts()[0]

    def continuous(self, method: AbstractMethod) -> Verdict:
        """The verdict on the method's flow of h ↦ W h, by Re g(λ) against 0. For `Textbook()` it is the verdict on
        exp(W_h t). It uses g alone; `exists(method)` says whether the method may be used. At a pole of g the verdict is
        UNDETERMINED.
        """
        return self.verdicts(check_method("method", method))[1]

    @_of_each
    def verdicts(self, *methods: AbstractMethod) -> tuple[Verdict, ...]:
        """`discrete`, then `continuous` of each method; this is cheaper than one by one."""
        return _verdicts(self, balanced(self.matrix), tuple(check_method("methods", method) for method in methods))

    def plot(self, *methods: AbstractMethod):
        """The multipliers, with each method's border of decay. A matplotlib figure (needs the `app` extra).

        **Arguments:** `methods`, the conversions. Default: `Textbook()`, `Forward(1)`, `Backward(1)`, `Tustin()`, `Exact()`.
        """
        from ..plot import spectrum as draw

        return draw(self, methods or (Textbook(), *CONVERSIONS[:4]))

    @_of_each
    def exists(self, method: AbstractMethod) -> Bool[Array, ""]:
        """Whether the method may be used on this matrix, to within rounding. `Exact()`, for one, needs every multiplier off
        (−∞, 0], and a matrix so well conditioned that rounding does not hide its logarithm."""
        check_method("method", method)
        open_ = ~jnp.any(method.excluded(self.multipliers, self.reach))
        if method.inverts:
            open_ &= ~nearly_singular(self.matrix)
        asked = open_ & jnp.any(may_hide(self.multipliers, self.reach))
        if is_concrete(asked):  # so that nothing is compiled for most matrices
            return open_ & ~method.hides(self.matrix) if bool(asked) else open_
        return open_ & ~jax.lax.cond(asked, method.hides, lambda W: jnp.zeros((), bool), self.matrix)

    @_of_each
    def rate(self, method: AbstractMethod | None = None) -> Float[Array, ""]:
        """Growth of the linear part in nats per step: the largest log |λ|, or with a method the largest Re g(λ)."""
        if method is None:
            return jnp.log(self.radius)
        return jnp.max(check_method("method", method).exponent(self.multipliers).real)

    @property
    @_of_each
    def timescales(self) -> Float[Array, " N"]:
        """Steps in which each mode of the network falls, or grows (negative), by a factor e: −1 / log |λ|.

        It is +∞ where rounding leaves open whether |λ| is above or below 1, and 0 where λ = 0.
        """
        return _timescales(self.multipliers, self.reach)

    @property
    @_of_each
    def frequencies(self) -> Float[Array, " N"]:
        """Cycles per step of each mode of the network: arg λ / 2π, in (−½, ½]. It is 0 or ½ where rounding leaves open
        whether λ is real, and 0 where it leaves open whether λ is zero."""
        return _frequencies(self.multipliers, self.reach)

    @_of_each
    def series_converges(self, method: AbstractMethod) -> Bool[Array, ""]:
        """Whether the series of which the method keeps the first terms converges to log W. `False` also where rounding leaves
        it open.

        It converges for `Forward` if every |λ − 1| < 1, for `Backward` if every Re λ > ½, and for `Tustin`, the first term of
        an artanh, if every Re λ > 0. `True` for `Exact`, which neglects nothing; `False` for `Textbook`, which does not come
        from such a series.
        """
        return _series_converges(self, self.reach, check_method("method", method))

    @_of_each
    def neglected(self, method: AbstractMethod) -> Float[Array, ""]:
        """The first term that the method leaves out, relative to what it keeps: the largest |term| / |g(λ)| of all λ."""
        kept = jnp.abs(check_method("method", method).exponent(self.multipliers))
        term = jnp.abs(method.neglected(self.multipliers))
        return jnp.max(jnp.where(term == 0, 0.0, term / kept))

    def predictions(self, *methods: AbstractMethod) -> "tuple[Verdict, list[Prediction]]":
        """The verdict on the network, and a `Prediction` for each method; this is cheaper than one by one."""
        network, *verdicts = _verdicts(self, balanced(self.matrix), methods)
        return network, _predictions(self, self.reach, tuple(verdicts), methods)

    def _tables(self) -> tuple[Table, ...]:
        return spectrum_tables(self._report())

    def _data(self) -> dict[str, Any]:
        return plain(self._report())

    def _report(self) -> dict[str, Any]:
        """What `to_dict` returns, with the infinities for which JSON has no number."""
        network, *verdicts = self.verdicts(*_METHODS)
        predictions, numbers = _everything(self, self.reach, tuple(verdicts), _METHODS)
        W, multipliers = np.asarray(self.matrix), np.asarray(self.multipliers)
        obstacles = [m.obstacle(W) for m in _METHODS]
        return {
            "size": len(W),
            "network": {"verdict": verdict_name(network), "says": Verdict[network], "rate": float(numbers["rate"])},
            "radius": float(numbers["radius"]),
            "abscissa": float(numbers["abscissa"]),
            "condition_number": float(np.linalg.cond(W)),
            "multipliers": [
                {
                    "re": float(z.real),
                    "im": float(z.imag),
                    "modulus": float(abs(z)),
                    "timescale": float(timescale),
                    "frequency": float(frequency),
                    "condition": float(condition),
                }
                for z, timescale, frequency, condition in zip(
                    multipliers,
                    np.asarray(numbers["timescales"]),
                    np.asarray(numbers["frequencies"]),
                    np.asarray(self.condition),
                    strict=True,
                )
            ],
            "methods": [
                {
                    "method": m.label,
                    "verdict": verdict_name(said.verdict),
                    "rate": float(said.rate),
                    "exists": obstacle is None,
                    "why_not": obstacle and obstacle.text,
                    "series_converges": bool(said.series_converges),
                }
                for m, said, obstacle in zip(_METHODS, predictions, obstacles, strict=True)
            ],
        }

    def _variables(self) -> Variables:
        return {
            "matrix": (("row", "column"), self.matrix, ""),
            "multipliers": (("mode",), self.multipliers, "per step"),
            "condition": (("mode",), self.condition, ""),
            "timescales": (("mode",), self.timescales, "steps"),
            "frequencies": (("mode",), self.frequencies, "cycles per step"),
        }


class Prediction(NamedTuple):
    """What the eigenvalues say of a method's flow: see the methods of `Spectrum`. `rate` is in nats per step."""

    verdict: Verdict
    rate: Float[Array, ""]
    series_converges: Bool[Array, ""]
    neglected: Float[Array, ""]


_METHODS = (*CONVERSIONS, Textbook())


# B is the balanced matrix. It is computed outside of these programs: on the host, where the matrix is known.


@eqx.filter_jit
def _everything(
    s: Spectrum, reach: Float[Array, " N"], verdicts: tuple[Verdict, ...], methods: tuple[AbstractMethod, ...]
) -> tuple[list[Prediction], dict[str, Array]]:
    """Everything else that `to_dict` tells, in one program."""
    return _predictions(s, reach, verdicts, methods), {
        "rate": s.rate(),
        "radius": s.radius,
        "abscissa": s.abscissa,
        "timescales": _timescales(s.multipliers, reach),
        "frequencies": _frequencies(s.multipliers, reach),
    }


@eqx.filter_jit
def _predictions(
    s: Spectrum, reach: Float[Array, " N"], verdicts: tuple[Verdict, ...], methods: tuple[AbstractMethod, ...]
) -> list[Prediction]:
    return [
        Prediction(verdict, s.rate(m), _series_converges(s, reach, m), s.neglected(m))
        for m, verdict in zip(methods, verdicts, strict=True)
    ]


def _verdicts(s: Spectrum, B: Float[Array, "N N"], methods: tuple[AbstractMethod, ...]) -> tuple[Verdict, ...]:
    readings = UnitDisc().reading, *(method.reading for method in methods)
    return judge(B, s.multipliers, s.balanced_condition, readings)


def _reach(s: Spectrum, B: Float[Array, "N N"]) -> Float[Array, " N"]:
    return jax.lax.stop_gradient(eigenvalue_reach(B, s.balanced_condition, s.multipliers))


def _series_converges(s: Spectrum, reach: Float[Array, " N"], method: AbstractMethod) -> Bool[Array, ""]:
    around = s.multipliers[None] + reach[None] * jnp.array([0, 1, -1, 1j, -1j])[:, None]
    return jnp.all(method.series_ratio(around) < 1)


@jax.jit
def _timescales(multipliers: Complex[Array, " N"], reach: Float[Array, " N"]) -> Float[Array, " N"]:
    modulus = jnp.abs(multipliers)
    open = jnp.abs(modulus - 1) <= reach
    return jnp.where(open, jnp.inf, -1 / jnp.log(jnp.where(open, 2, modulus)))


@jax.jit
def _frequencies(multipliers: Complex[Array, " N"], reach: Float[Array, " N"]) -> Float[Array, " N"]:
    turns = jnp.abs(multipliers.imag) > reach
    angle = jnp.angle(jnp.where(turns, multipliers, 1j))
    return jnp.where(turns, angle / (2 * jnp.pi), jnp.where(multipliers.real < -reach, 0.5, 0.0))


def spectrum(W: ArrayLike | Sequence) -> Spectrum:
    """The eigenvalues of a step matrix, their condition numbers, and the verdicts that follow.

    Eigenvalues come from LAPACK or cuSOLVER, and from a shifted QR iteration in plain lax where the backend has neither.

    **Arguments:**

    - `W`: a matrix (N, N), such as a network's W_h.

    **Returns:** a `Spectrum`.

    **Raises:** `ValueError` for a matrix that is not square or not finite.

    ```python
    >>> import rnn_ode as ro
    >>> s = ro.spectrum([[0.5]])
    >>> bool(s.discrete == ro.Verdict.DECAYS), bool(s.continuous(ro.Textbook()) == ro.Verdict.GROWS)
    (True, True)

    ```
    """
    return spectrum_of(as_matrix("W", W))


def spectrum_of(W: Inexact[Array, "N N"]) -> Spectrum:
    """As `spectrum`, of a matrix whose entries need not be finite: its verdicts are undetermined then."""
    W = in_single(W)
    found = modes(W)
    return Spectrum(W, found.values, found.condition, found.balanced_condition)
