"""Whether a method exists for a matrix."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._base.verdict import float64_hint
from ..linalg._balance import balanced, host_balancing
from ..linalg._verdict import Rounding, reach


class Obstacle(NamedTuple):
    """Why a method does not exist for a matrix, and whether a zero multiplier is the reason."""

    text: str
    zero: bool


class NoSuchFlow(ValueError):
    """A method does not exist for a network's matrix; `obstacle` says why."""

    def __init__(self, text: str, obstacle: Obstacle):
        super().__init__(text)
        self.obstacle = obstacle


def with_hint(text: str, W: np.ndarray) -> str:
    """The text, with the advice to use float64 if W is in float32."""
    hint = float64_hint(W.dtype).removesuffix(".")
    return f"{text}; {hint}" if hint else text


def multipliers_of(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues of a concrete matrix and `eigenvalue_reach`, in NumPy, so that JAX may be tracing something else."""
    B = _balanced(W)
    multipliers, vectors = np.linalg.eig(B.astype(complex))
    try:
        with np.errstate(over="ignore"):  # of a defective matrix it may be infinite
            condition = np.linalg.norm(np.linalg.inv(vectors), axis=1)
    except np.linalg.LinAlgError:
        condition = np.full(len(B), np.inf)
    eps = np.finfo(W.dtype).eps
    largest = np.max(np.abs(B)) or 1  # so that squares do not overflow
    rounding = Rounding.from_norms(eps, *(largest * np.linalg.norm(B / largest, kind) for kind in ("fro", 2)))
    return multipliers, reach(np, rounding, eps, condition, multipliers)


def may_hide(multipliers: Any, reach: Any) -> Any:
    """Whether rounding may hide a function of a matrix with these eigenvalues, elementwise: NumPy's or JAX's arrays.

    It hid none of 290 logarithms where it moved every eigenvalue by less than 2.5e-3 of its size."""
    return reach > 1e-4 * abs(multipliers)


def hidden(W: np.ndarray) -> Obstacle:
    """That rounding hides the generator of a concrete matrix."""
    why = f"its matrix is so ill-conditioned that rounding in {W.dtype} hides the generator"
    return Obstacle(with_hint(why, W), zero=False)


def _balanced(W: np.ndarray) -> np.ndarray:
    """`balanced` of a concrete matrix, on the host."""
    e = host_balancing(W)
    return np.ldexp(W, e[None, :] - e[:, None])


def singular(W: np.ndarray) -> str | None:
    """Why a concrete W (N, N) has no inverse, or `None`: the balanced matrix must have a condition number below 1/(N u)."""
    condition = np.linalg.cond(_balanced(W))
    if condition * len(W) * np.finfo(W.dtype).eps < 1:
        return None
    return with_hint(
        f"W_h is singular or nearly so, a multiplier zero to within rounding (condition number {condition:.3g})", W
    )


def nearly_singular(W: Float[Array, "N N"]) -> Bool[Array, ""]:
    """Whether W is singular to within rounding, by the criterion of `singular`; W may be traced."""
    s = jnp.linalg.svd(balanced(W), compute_uv=False)
    return s[-1] <= W.shape[0] * jnp.finfo(W.dtype).eps * s[0]
