"""The bridge: a network as a field, and a field as a network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._base.checks import as_step, check_callable, is_concrete
from .._base.types import Cell, Field
from .._cells.base import AbstractCell
from .._cells.vanilla import VanillaCell, is_affine
from .._methods.base import AbstractMethod, check_method, obstacle
from .._methods.closed import Exact, Textbook, Tustin
from .._methods.existence import Obstacle, singular
from .._methods.series import Backward, Forward
from ..linalg._solve import inv, solve
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
    if isinstance(method, Forward):
        return SeriesField(cell, method.order, dt)
    _require_single(cell, method)
    if isinstance(method, Textbook):
        if isinstance(cell, VanillaCell):
            require_method(cell.W_h, method)
            return _textbook(cell, dt)
        raise TypeError(f"Textbook() is written for VanillaCell, h' = f(W_h h + W_x x + b); got {_name(cell)}.")
    if isinstance(cell, VanillaCell) and is_affine(cell):
        require_method(cell.W_h, method)
        if isinstance(method, Backward):
            return SeriesField(_inverse(cell), method.order, dt, reverse=True)
        return _affine(cell, method, dt)
    anchored = isinstance(method, Exact) and method.anchored
    if isinstance(method, Exact) and method.complex and not anchored:
        raise TypeError(
            f"Exact(complex=True) serves affine cells, and others with anchored=True; got {_name(cell)}. "
            "Between samples its states are complex, where a cell cannot be asked."
        )
    if isinstance(cell, VanillaCell) and method.inverts:
        _require_invertible(cell.W_h, method)
    return JacobianField(cell, method, dt, method.input_lead * dt, anchored)


@eqx.filter_jit
def _textbook(cell: VanillaCell, dt: float) -> LinearField:
    inputs = solve(cell.W_h, jnp.concatenate([cell.W_x, cell.b[:, None]], axis=1)) / dt
    return LinearField(cell.W_h / dt, inputs[:, :-1], inputs[:, -1], 0.0)


@eqx.filter_jit
def _affine(cell: VanillaCell, method: AbstractMethod, dt: float) -> LinearField:
    """g(W) for the state, φ(W) (W_x, b) for what drives it."""
    kind = jnp.result_type(cell.W_h, cell.W_x, cell.b)
    inputs = jnp.concatenate([cell.W_x, cell.b[:, None]], axis=1).astype(kind)
    A, B = method.affine_generator(cell.W_h.astype(kind), inputs)
    return LinearField(A / dt, B[:, :-1] / dt, B[:, -1] / dt, method.input_lead * dt)


@eqx.filter_jit
def _inverse(cell: VanillaCell) -> VanillaCell:
    """The affine network that undoes one step: h(t) ↦ h(t − dt)."""
    inverse = inv(cell.W_h)
    return VanillaCell(inverse, -inverse @ cell.W_x, -inverse @ cell.b, activation=None)


ALTERNATIVES = (Forward(1), Backward(1), Tustin(), Exact(), Exact(complex=True), Textbook())


def existing(W) -> list[AbstractMethod]:
    """The methods that exist for a concrete matrix W and have to do with its network."""
    return [method for method in ALTERNATIVES if not isinstance(method, Textbook) and obstacle(W, method) is None]


def require_method(W, method: AbstractMethod) -> None:
    """`ValueError` where the method does not exist for a concrete W, naming the ways out."""
    if is_concrete(W):
        _refuse(W, method, obstacle(W, method))


def _require_single(cell, method) -> None:
    if half := _half_precision(cell):
        raise TypeError(
            f"{_call(method)} solves linear systems, which want weights of float32 or wider; this cell's are {half}. "
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
        ways = ", ".join(f"{_call(m)}" for m in existing(W))
        raise ValueError(f"{_call(method)} does not exist for this network: {reason.text}. These do: {ways}.")


def _call(method) -> str:
    """A method as it is written in Python."""
    if isinstance(method, Exact):
        flags = [f"{name}=True" for name in ("complex", "anchored") if getattr(method, name)]
        return f"Exact({', '.join(flags)})"
    return f"{type(method).__name__}({getattr(method, 'order', '')})"


def _name(cell) -> str:
    affine = "affine " if isinstance(cell, AbstractCell) and is_affine(cell) else ""
    return f"{affine}{type(cell).__name__}"
