"""The condition of any differentiable function of matrices."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .._base.checks import as_floats, as_numbers, check_callable, in_single, is_concrete
from .._base.compiled import compiled
from ._solve import nan_unless

_ITERATIONS = 12


def condition(f: Callable[..., Any], *args: Any) -> Float[Array, ""]:
    """The relative condition number of a function at its arguments: how much it magnifies a small relative change of them.

    Times the precision (`jnp.finfo(dtype).eps`) it estimates the relative error that rounding of the arguments alone causes,
    which no algorithm avoids.

    **Arguments:**

    - `f`: any function of arrays that JAX can differentiate in both modes, such as `logm`. Fix other arguments by a lambda.
    - `args`: its arguments, arrays. Each may change by the same fraction of its Frobenius norm.

    **Returns:** max ‖f'(A) E‖ / ‖f(A)‖ over all changes E with ‖E‖ = ‖A‖, in the Frobenius norm; over all arguments together
    if there are several. It is a lower bound by twelve steps of the power method, good to some per cent if the two largest
    gains differ. Infinite where f is 0 and its derivative is not.

    **Raises:** `TypeError` or `ValueError` for an `f` that cannot be called and arguments that are no finite arrays;
    `ValueError` where f or its derivative is not finite. Traced arguments give NaN there.

    Source: Higham, "Functions of Matrices", 2008, ch. 3.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(float(ro.linalg.condition(lambda A: A @ A, jnp.eye(2))), 4)
    2.0

    ```
    """
    check_callable("f", f, f"f({', '.join(f'A{i}' for i in range(len(args))) or 'A'})")
    arrays = tuple(in_single(as_floats(f"args[{i}]", arg, complex=True)) for i, arg in enumerate(args))
    if not arrays:
        raise TypeError("condition(f, A) needs the arguments of f; got f alone.")
    found = _condition(f, arrays)
    if is_concrete(found) and np.isnan(np.asarray(found)):
        raise ValueError(
            "f or its derivative is not finite at these arguments, so there is no condition number. Look at f(A) there."
        )
    return found


@compiled
def _condition(f: Callable[..., Any], args: tuple[Array, ...]) -> Float[Array, ""]:
    sizes = [_length(arg) for arg in args]
    value, along = jax.linearize(
        lambda *args: ravel_pytree(jax.tree.map(partial(as_numbers, "f(A)"), f(*args)))[0], *args
    )
    back = jax.linear_transpose(along, *args)

    def image(changes):
        """What relative changes move f by."""
        return along(*(size * change for size, change in zip(sizes, changes, strict=True)))

    def step(_, changes):
        uphill = back(_normalised(image(changes)).conj())
        new = [size * part.conj() for size, part in zip(sizes, uphill, strict=True)]
        return jax.tree.map(lambda new, old: jnp.where(_length(new) == 0, old, new), _normalised(new), changes)

    # changes without a symmetry that the derivative might send to 0
    start = [
        jnp.cos(1.0 + jnp.arange(arg.size, dtype=arg.real.dtype)).reshape(arg.shape).astype(arg.dtype) for arg in args
    ]
    moved, size = _length(image(jax.lax.fori_loop(0, _ITERATIONS, step, _normalised(start)))), _length(value)
    found = jnp.where(size > 0, moved / jnp.where(size > 0, size, 1), jnp.where(moved > 0, jnp.inf, 0))
    return nan_unless(jnp.isfinite(moved) & jnp.isfinite(size), found)


def _length(arrays: Any) -> Array:
    """Return the norm of all numbers together, scaled, so that their squares do not leave the float range."""
    numbers = jnp.abs(ravel_pytree(arrays)[0])
    largest = jnp.max(numbers, initial=0)
    return largest * jnp.linalg.norm(numbers / jnp.where(largest > 0, largest, 1))


def _normalised(arrays: Any) -> Any:
    length = _length(arrays)
    return jax.tree.map(lambda array: array / jnp.where(length > 0, length, 1), arrays)
