"""Verdicts on a linear system."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .checks import brief, is_concrete


class Verdict(eqx.Enumeration):
    """What a linear system does in the long run. `Verdict[item]` is the text, which begins with the name.

    ```python
    >>> import rnn_ode as ro
    >>> print(ro.Verdict[ro.spectrum([[0.5]]).discrete])
    DECAYS: every solution shrinks to zero.

    ```
    """

    DECAYS = "DECAYS: every solution shrinks to zero."
    PERSISTS = "PERSISTS: neither grows nor decays, to within rounding; the boundary eigenvalues are well conditioned."
    GROWS = "GROWS: almost every solution grows without bound."
    UNDETERMINED = (
        "UNDETERMINED: the eigenvalues cannot say. They lie within rounding of the boundary and are ill conditioned or "
        "defective there, or the method has a pole at one of them. Float64 decides much of what float32 leaves open."
    )


def verdict_name(verdict: Verdict) -> Any:
    """Return the name of a verdict: "DECAYS", "PERSISTS", "GROWS" or "UNDETERMINED".

    **Arguments:**

    - `verdict`: a concrete verdict, or a batch of them.

    **Returns:** the name, or a list of the names of a batch.

    ```python
    >>> import rnn_ode as ro
    >>> ro.verdict_name(ro.spectrum([[0.5]]).discrete)
    'DECAYS'

    ```
    """
    if not isinstance(verdict, Verdict) or not is_concrete(verdict):
        raise TypeError(f"verdict must be a Verdict that is not traced, or a batch of them; got {brief(verdict)}.")
    return names_of(Verdict, verdict)


def which(enumeration: Any, is_true: Any, then: Any, otherwise: Any) -> Any:
    """Return one of two items of an enumeration, as its `where` does. A condition of NumPy's compiles nothing."""
    if isinstance(is_true, jax.Array):
        return enumeration.where(is_true, then, otherwise)
    return then if is_true else otherwise


def is_item(item: Any, other: Any) -> Any:
    """Return whether two items of an enumeration are the same. Of known ones NumPy says it, which compiles nothing."""
    if not is_concrete(item, other):
        return item == other
    (code,), (wanted,) = (jax.tree.leaves(each) for each in (item, other))
    return np.asarray(code) == np.asarray(wanted)


def names_of(enumeration: Any, items: Any) -> Any:
    """Return the name of a concrete item of an enumeration whose texts begin with the names; for a batch, a list."""
    (codes,) = (np.asarray(leaf) for leaf in jax.tree.leaves(items))
    # an Enumeration reads JAX's scalars, not NumPy's
    names = {c: enumeration[jax.tree.map(lambda _, c=c: jnp.asarray(c), items)].split(":")[0] for c in np.unique(codes)}
    return np.vectorize(names.__getitem__, otypes=[object])(codes).tolist()


def float64_hint(dtype) -> str:
    """Return the advice to use float64 where rounding leaves a question open; empty if `dtype` has as many digits already."""
    if jnp.finfo(dtype).eps <= jnp.finfo(jnp.float64).eps:
        return ""
    return "float64 may decide it: jax.config.update('jax_enable_x64', True) before the first array is made."
