"""A fingerprint of a traced function: equal for equal programs in all processes, and cheap, as nothing is lowered for it."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def fingerprint_of(program: Any) -> str:
    """Return a fingerprint of a closed jaxpr: of its operations, in words, and of the arrays that it reads, bit by bit.

    The addresses of Python functions in it, such as that of a callback, do not count."""
    digest = hashlib.sha256(re.sub("0x[0-9a-f]+", "", str(program)).encode())
    for constant in _constants(program):
        keys = jnp.issubdtype(constant.dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(constant) if keys else constant)
        digest.update(f"{constant.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _constants(program: Any) -> Iterator[Any]:
    """The arrays that a jaxpr, closed or not, and those inside it read. Its text shows them without their values."""
    yield from getattr(program, "consts", ())
    for equation in program.eqns:
        yield from (one.val for one in equation.invars if np.ndim(getattr(one, "val", 0)))
        for inner in jax.tree.leaves(tuple(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            if hasattr(inner, "eqns"):
                yield from _constants(inner)
