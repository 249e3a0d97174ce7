"""The bridge: a network as a field, and a field as a network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._base.checks import as_step, check_callable, is_concrete
from .._base.types import Cell, Field
from .._cells.base import AffineMap
from .._cells.protocol import affine_map, preactivation
from .._cells.vanilla import VanillaCell
from .._methods.base import AbstractMethod, check_method
from .._methods.catalogue import CONVERSIONS
from .._methods.existence import NoSuchFlow, Obstacle, singular
from ..linalg._solve import inv
from .jacobian import JacobianField
from .linear import LinearField
from .series import SeriesField


def to_ode(cell: Cell, method: AbstractMethod, *, dt: float = 1.0) -> Field:
    """The flow behind a network: a field dh/dt whose step of dt is, to the method's accuracy, the cell.

    **Arguments:** `cell` any cell; `method` one of `Textbook()`, `Forward(order)`, `Backward(order)`, `Tustin()`,
    `Exact(complex=False, anchored=False)`; `dt` the network's step, in time: exponents per unit time are g(λ)/dt.

    **Returns:** a callable `field(t, h, path)`, which `integrate` and `diffrax.ODETerm` take as it is. Fixed points of the
    network are equilibria of it (but for `Textbook`); `Forward(order)` with order > 1 may add others.

    **Raises:** `ValueError` where the method does not exist for the cell's matrix (singular W_h for `Textbook` and
    `Backward`; a multiplier that is zero or negative for `Exact`, −1 for `Tustin`), with the methods that do; `TypeError` for
    a method that the kind of cell does not allow. Traced weights are not looked at.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> field = ro.to_ode(cell, ro.Backward(1))
    >>> field(0.0, jnp.array([1.0]), lambda t: jnp.zeros(1)).tolist()
    [-1.0]

    ```
    """
    dt = as_step("dt", dt)
    check_callable("cell", cell, "cell(x, h)")
    check_method("method", method)
    if method.forward_differences:
        return SeriesField(cell, method.forward_differences, dt)
    _require_single(cell, method)
    whole = _converted_map(cell, method)
    if whole is not None:
        require_method(whole.W, method)
        if method.backward_differences:
            return SeriesField(_inverse(whole), method.backward_differences, dt, reverse=True)
        return _affine(whole, method, dt)
    if method.ignores_activation:
        raise TypeError(f"{method.call} is written for VanillaCell, h' = f(W_h h + W_x x + b); got {_name(cell)}.")
    if method.affine_only:
        raise TypeError(
            f"{method.call} serves affine cells alone; got {_name(cell)}. Between samples its states are complex, where a "
            "cell cannot be asked. Exact(complex=True, anchored=True) serves other cells."
        )
    inner = preactivation(cell)
    if inner is not None and method.inverts:
        _require_invertible(inner.W, method)
    return JacobianField(cell, method, dt, method.input_lead * dt, method.anchored)


def _converted_map(cell: Cell, method: AbstractMethod) -> AffineMap | None:
    """The affine map that the method converts as a whole, if there is one: the cell, or what its activation is applied to."""
    return preactivation(cell) if method.ignores_activation else affine_map(cell)


@eqx.filter_jit
def _affine(whole: AffineMap, method: AbstractMethod, dt: float) -> LinearField:
    """g(W) for the state, φ(W) (W_x, b) for what drives it."""
    kind = jnp.result_type(*whole)
    inputs = jnp.concatenate([whole.W_x, whole.b[:, None]], axis=1).astype(kind)
    A, B = method.affine_generator(whole.W.astype(kind), inputs)
    return LinearField(A / dt, B[:, :-1] / dt, B[:, -1] / dt, method.input_lead * dt)


@eqx.filter_jit
def _inverse(whole: AffineMap) -> VanillaCell:
    """The affine network that undoes one step: h(t) ↦ h(t − dt)."""
    inverse = inv(whole.W)
    return VanillaCell(inverse, -inverse @ whole.W_x, -inverse @ whole.b, activation=None)


def existing(W) -> list[AbstractMethod]:
    """The methods that exist for a concrete matrix W: all but Textbook, which does not approximate the logarithm."""
    return [method for method in CONVERSIONS if method.obstacle(W) is None]


def require_method(W, method: AbstractMethod) -> None:
    """`ValueError` where the method does not exist for a concrete W, naming the ways out."""
    if is_concrete(W):
        _refuse(W, method, method.obstacle(W))


def _require_single(cell, method) -> None:
    if half := _half_precision(cell):
        raise TypeError(
            f"{method.call} solves linear systems, which want weights of float32 or wider; this cell's are {half}. "
            "Forward(order) takes them as they are."
        )


def _half_precision(tree) -> str | None:
    """The name of a floating type below float32 among the arrays, if there is one."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)]
    return next((str(leaf.dtype) for leaf in arrays if leaf.dtype.itemsize < 4), None)


def _require_invertible(W, method) -> None:
    if is_concrete(W):
        why = singular(np.asarray(W))
        _refuse(W, method, Obstacle(why, zero=True) if why else None)


def _refuse(W, method, reason: Obstacle | None) -> None:
    if reason is not None:
        ways = ", ".join(m.call for m in existing(W))
        raise NoSuchFlow(f"{method.call} does not exist for this network: {reason.text}. These do: {ways}.", reason)


def _name(cell) -> str:
    affine = "" if affine_map(cell) is None else "affine "
    return f"{affine}{type(cell).__name__}"
