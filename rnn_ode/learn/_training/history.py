"""What a training recorded."""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int


class History(eqx.Module):
    """What a training saw, in NumPy arrays.

    **Fields:** `loss` (n,) and `gradient_norm` (n,) of every step, before its update and before the gradient is clipped;
    `checked_at` (m,), after how many steps the checks were made; `checks` by name (m, …): "validation", and what `watch`
    returned.
    """

    loss: Float[np.ndarray, " n"]
    gradient_norm: Float[np.ndarray, " n"]
    checked_at: Int[np.ndarray, " m"]
    checks: dict[str, np.ndarray]


def checks_named(name: str, checks: list[dict[str, np.ndarray]]) -> np.ndarray:
    """What was checked under a name, NaN where it was not."""
    shape = next(row[name].shape for row in checks if name in row)
    return np.stack([row[name] if name in row else np.full(shape, np.nan) for row in checks])
