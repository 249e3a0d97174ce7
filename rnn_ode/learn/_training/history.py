"""What a training recorded."""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int


class History(eqx.Module):
    """What a training recorded, in NumPy arrays.

    **Fields:**

    - `loss`: the loss (n,) of every step, before its update.
    - `gradient_norm`: the norm of the gradient (n,) of every step, before clipping.
    - `checked_at`: the numbers of steps (m,) after which the checks were made.
    - `checks`: the results of the checks by name, each (m, …): "validation", and what `watch` returned.
    """

    loss: Float[np.ndarray, " n"]
    gradient_norm: Float[np.ndarray, " n"]
    checked_at: Int[np.ndarray, " m"]
    checks: dict[str, np.ndarray]


def history_of(steps: list[tuple[float, float]], checked_at: list[int], checks: list[dict[str, np.ndarray]]) -> History:
    """The history of (loss, norm of the gradient) per step and of the checks; a check that was not made counts as NaN."""
    columns = np.array(steps, float).reshape(-1, 2)
    names = dict.fromkeys(name for row in checks for name in row)
    rows = {name: _check_named(name, checks) for name in names}
    return History(columns[:, 0], columns[:, 1], np.array(checked_at, int), rows)


def _check_named(name: str, checks: list[dict[str, np.ndarray]]) -> np.ndarray:
    shape = next(row[name].shape for row in checks if name in row)
    return np.stack([row[name] if name in row else np.full(shape, np.nan) for row in checks])
