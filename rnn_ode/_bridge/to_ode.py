"""`to_ode`: a network as a field."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._base.callables import check_cell
from .._base.checks import as_step, is_concrete
from .._base.types import Cell, Field
from .._cells.base import AffineMap
from .._cells.protocol import affine_map, preactivation
from .._cells.vanilla import VanillaCell
from .._methods.base import AbstractMethod, check_method
from .._methods.catalogue import CONVERSIONS
from .._methods.existence import NoSuchFlow, Obstacle, hidden, singular
from ..linalg._solve import inv, solve
from .jacobian import JacobianField
from .linear import LinearField
from .series import SeriesField


def to_ode(cell: Cell, method: AbstractMethod, *, dt: float = 1.0) -> Field:
    """Return the flow behind a network: a field dh/dt whose step of dt is the cell, to the accuracy of the method.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `method`: `Textbook()`, `Forward(order)`, `Backward(order)`, `Tustin()`, `Exact(complex=False, anchored=False)`, or your
      own `AbstractMethod`.
    - `dt`: length of the network's step, in time: the exponents per unit time are g(λ)/dt. Default 1.

    **Returns:** a callable `field(t, h, path)`, for `integrate` and `diffrax.ODETerm`. The fixed points of the network are
    equilibria of the field, except with `Textbook`. `Forward(order)` with order > 1 may add others.

    **Raises:** `ValueError` if the method does not exist for the cell's matrix (singular W_h for `Textbook` and `Backward`; a
    multiplier that is zero or negative for `Exact`, −1 for `Tustin`), with the methods that exist; `TypeError` for a method
    that does not serve this kind of cell. Traced weights are not checked.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> field = ro.to_ode(cell, ro.Backward(1))
    >>> field(0.0, jnp.array([1.0]), lambda t: jnp.zeros(1)).tolist()
    [-1.0]

    ```
    """
    dt = as_step("dt", dt)
    check_cell("cell", cell)
    check_method("method", method)
    if method.forward_differences:
        return SeriesField(cell, method.forward_differences, dt)
    _require_single(cell, method)
    whole = _converted_map(cell, method)
    if whole is not None:
        require_method(whole.W, method)
        if method.backward_differences:
            return SeriesField(_inverse(whole), method.backward_differences, dt, reverse=True)
        return _finite(_affine(whole, method, dt), whole, method, dt)
    if method.ignores_activation:
        raise TypeError(f"{method.call} is written for VanillaCell, h' = f(W_h h + W_x x + b); got {_name(cell)}.")
    if method.affine_only:
        raise TypeError(
            f"{method.call} serves affine cells alone; got {_name(cell)}. Between samples its states are complex, and a "
            "cell takes real states. Exact(complex=True, anchored=True) serves other cells."
        )
    inner = preactivation(cell)
    if inner is not None and method.inverts:
        _require_invertible(inner.W, method)
    return JacobianField(cell, method, dt, method.input_lead * dt, method.anchored)


def _converted_map(cell: Cell, method: AbstractMethod) -> AffineMap | None:
    """Return the affine map that the method converts as a whole, if there is one: the cell, or its activation's argument."""
    return preactivation(cell) if method.ignores_activation else affine_map(cell)


@eqx.filter_jit
def _affine(whole: AffineMap, method: AbstractMethod, dt: float) -> LinearField:
    """Return the field with g(W) for the state and φ(W) (W_x, b) for the input and the constant."""
    kind = jnp.result_type(*whole)
    inputs = jnp.concatenate([whole.W_x, whole.b[:, None]], axis=1).astype(kind)
    A, B = method.affine_generator(whole.W.astype(kind), inputs)
    return LinearField(A / dt, B[:, :-1] / dt, B[:, -1] / dt, method.input_lead * dt)


@eqx.filter_jit
def _inverse(whole: AffineMap) -> VanillaCell:
    """Return the affine network h(t) ↦ h(t − dt), the inverse of one step."""
    inverse = inv(whole.W)
    return VanillaCell(inverse, -inverse @ whole.W_x, -inverse @ whole.b, activation=None)


def existing(W: Array) -> list[AbstractMethod]:
    """Return all existing methods for a concrete matrix W except Textbook, which does not approximate the logarithm."""
    return [method for method in CONVERSIONS if method.obstacle(W) is None]


def require_method(W: Array, method: AbstractMethod) -> None:
    """Raise `ValueError`, with the methods that exist, if the method does not exist for a concrete W."""
    if is_concrete(W):
        _refuse(W, method, method.obstacle(W))


def _require_single(cell: Cell, method: AbstractMethod) -> None:
    if half := half_precision(cell):
        raise TypeError(
            f"cell must have weights of float32 or wider for {method.call}, which solves linear systems; they are {half}. "
            "Convert them to float32, or use Forward(order)."
        )


def half_precision(tree: Any) -> str | None:
    """Return the name of a floating type below float32 among the arrays; `None` if there is no such type."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)]
    return next((str(leaf.dtype) for leaf in arrays if leaf.dtype.itemsize < 4), None)


def _require_invertible(W: Array, method: AbstractMethod) -> None:
    if is_concrete(W):
        why = singular(np.asarray(W))
        _refuse(W, method, Obstacle(why, zero=True) if why else None)


def _finite(field: LinearField, whole: AffineMap, method: AbstractMethod, dt: float) -> LinearField:
    """Return the field. Where rounding has made one of known values NaN though g(W) is finite, φ(W) = g(W) (W − 1)⁻¹.
    `NoSuchFlow` if that is not finite either."""
    if not is_concrete(whole, field.A) or np.isfinite(np.asarray(field.A)).all():
        return field
    A = method.of_matrix(whole.W) / dt
    B = solve(whole.W - jnp.eye(len(whole.b)), A @ jnp.concatenate([whole.W_x, whole.b[:, None]], axis=1))
    if not np.isfinite(np.asarray(A)).all() or not np.isfinite(np.asarray(B)).all():
        _refuse(whole.W, method, hidden(np.asarray(whole.W)))
    return LinearField(A, B[:, :-1], B[:, -1], field.lead)


def _refuse(W: Array, method: AbstractMethod, reason: Obstacle | None) -> None:
    if reason is not None:
        ways = ", ".join(m.call for m in existing(W) if m != method)
        raise NoSuchFlow(f"{method.call} does not exist for this network: {reason.text}. These do: {ways}.", reason)


def _name(cell: Cell) -> str:
    affine = "" if affine_map(cell) is None else "affine "
    return f"{affine}{type(cell).__name__}"
