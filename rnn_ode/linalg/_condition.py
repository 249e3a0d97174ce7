"""The condition of any differentiable function of matrices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .._base.checks import as_floats, check_callable, in_single
from .._base.compiled import compiled

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

    **Raises:** `TypeError` or `ValueError` for an `f` that cannot be called and arguments that are no finite arrays.

    Source: Higham, "Functions of Matrices", 2008, ch. 3.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> float(ro.linalg.condition(lambda A: A @ A, jnp.eye(2)))
    2.0

    ```
    """
    check_callable("f", f, "f(A)")
    arrays = tuple(in_single(as_floats(f"args[{i}]", arg, complex=True)) for i, arg in enumerate(args))
    if not arrays:
        raise TypeError("condition(f, A) needs the arguments of f; got f alone.")
    return _condition(f, arrays)


@compiled
def _condition(f: Callable[..., Any], args: tuple[Array, ...]) -> Float[Array, ""]:
    sizes = [jnp.linalg.norm(arg.ravel()) for arg in args]
    value, along = jax.linearize(lambda *args: ravel_pytree(f(*args))[0], *args)
    back = jax.linear_transpose(along, *args)

    def gain(changes):
        """The image of relative changes, and the gradient of half its square."""
        image = along(*(size * change for size, change in zip(sizes, changes, strict=True)))
        return image, [size * part.conj() for size, part in zip(sizes, back(image.conj()), strict=True)]

    def step(_, changes):
        moved = gain(_normalised(changes))[1]
        return jax.tree.map(lambda new, old: jnp.where(_length(moved) > 0, new, old), moved, changes)

    # changes without a symmetry that the derivative might send to 0
    start = [
        jnp.cos(1.0 + jnp.arange(arg.size, dtype=arg.real.dtype)).reshape(arg.shape).astype(arg.dtype) for arg in args
    ]
    last = jax.lax.fori_loop(0, _ITERATIONS, step, start)
    moved, size = jnp.linalg.norm(gain(_normalised(last))[0]), jnp.linalg.norm(value)
    return jnp.where(size > 0, moved / jnp.where(size > 0, size, 1), jnp.where(moved > 0, jnp.inf, 0))


def _length(arrays: list[Array]) -> Array:
    return jnp.sqrt(jnp.sum(jnp.stack([jnp.sum(jnp.abs(array) ** 2) for array in arrays])))


def _normalised(arrays: list[Array]) -> list[Array]:
    length = _length(arrays)
    return [array / jnp.where(length > 0, length, 1) for array in arrays]
