"""What a training recorded."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ..._base.shown import ShownArrays, Variables
from ..._base.text import Column, Table, number, plain, some_of


class History(ShownArrays, eqx.Module):
    """What a training recorded, in NumPy arrays.

    **Fields:**

    - `loss`: the loss (n,) of every step, before its update.
    - `gradient_norm`: the norm of the gradient (n,) of every step, before clipping.
    - `checked_at`: the numbers of steps (m,) after which the checks were made.
    - `checks`: the results of the checks by name, each (m, …): "validation", and what `watch` returned.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> history = learn.History(np.array([2.0, 1.0]), np.array([3.0, 2.0]), np.array([2]), {"validation": np.array([1.5])})
    >>> print(history)
    A training of 2 steps.
    <BLANKLINE>
    step  loss  gradient  validation
    ────  ────  ────────  ──────────
       1     2         3
       2     1         2         1.5
    <BLANKLINE>
    loss      before the step's update
    gradient  norm before clipping

    ```
    """

    loss: Float[np.ndarray, " n"]
    gradient_norm: Float[np.ndarray, " n"]
    checked_at: Int[np.ndarray, " m"]
    checks: dict[str, np.ndarray]

    def plot(self):
        """The loss, the validation error and the norm of the gradient. A matplotlib figure (needs the `app` extra)."""
        from ...plot import history

        return history(self)

    def _tables(self) -> tuple[Table, ...]:
        steps = len(self.loss)
        numbers = {name: values for name, values in self.checks.items() if values.ndim == 1}
        columns = (
            Column("step", ">"),
            Column("loss", ">", "before the step's update"),
            Column("gradient", ">", "norm before clipping"),
            *(Column(name, ">") for name in numbers),
        )
        at = {int(step): i for i, step in enumerate(self.checked_at)}
        rows = [
            (
                str(k + 1),
                number(self.loss[k], 4),
                number(self.gradient_norm[k]),
                *(number(values[at[k + 1]], 4) if k + 1 in at else "" for values in numbers.values()),
            )
            for k in self._shown_steps()
        ]
        return (Table(columns if steps else (), tuple(rows), f"A training of {steps} steps."),)

    def _shown_steps(self) -> list[int]:
        """The first step, then those of some checks, or without checks some of all."""
        checked = [int(step) - 1 for step in self.checked_at if 0 < step <= len(self.loss)]
        some = [checked[i] for i in some_of(len(checked), _SHOWN)] or some_of(len(self.loss), _SHOWN)
        return sorted({0, *some}) if len(self.loss) else []

    def _data(self) -> dict[str, Any]:
        names = "loss", "gradient_norm", "checked_at", "checks"
        return plain({name: getattr(self, name) for name in names}, infinities=True)

    def _variables(self) -> Variables:
        found: Variables = {
            "step": (("step",), np.arange(1, len(self.loss) + 1), ""),
            "loss": (("step",), self.loss, ""),
            "gradient_norm": (("step",), self.gradient_norm, ""),
            "check": (("check",), self.checked_at, "step"),
        }
        for name, values in self.checks.items():
            found[f"check_{name}"] = ("check", *(f"{name}_axis_{axis}" for axis in range(1, values.ndim))), values, ""
        return found


_SHOWN = 12  # rows of the table


def history_of(steps: list[tuple[float, float]], checked_at: list[int], checks: list[dict[str, np.ndarray]]) -> History:
    """The history of (loss, norm of the gradient) per step and of the checks; a check that was not made counts as NaN."""
    columns = np.array(steps, float).reshape(-1, 2)
    names = dict.fromkeys(name for row in checks for name in row)
    rows = {name: _check_named(name, checks) for name in names}
    return History(columns[:, 0], columns[:, 1], np.array(checked_at, int), rows)


def _check_named(name: str, checks: list[dict[str, np.ndarray]]) -> np.ndarray:
    shape = next(row[name].shape for row in checks if name in row)
    return np.stack([row[name] if name in row else np.full(shape, np.nan) for row in checks])
