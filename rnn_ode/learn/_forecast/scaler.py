"""Columns scaled to mean 0 and standard deviation 1."""

from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..._base.checks import brief
from .windows import as_series

_Values = TypeVar("_Values", np.ndarray, Array)


class Scaler(eqx.Module):
    """Scales columns to mean 0 and standard deviation 1, and back.

    `Scaler.fit(values)` makes one.

    **Fields:**

    - `mean`: the mean (D,) of each column, float64.
    - `std`: the standard deviation (D,) of each column, float64, with the divisor T, not T − 1.

    ```python
    >>> import numpy as np
    >>> from rnn_ode import learn
    >>> scaler = learn.Scaler.fit(np.array([[1.0, 0.0], [3.0, 8.0]]))
    >>> scaler.transform(np.array([[3.0, 0.0]])).tolist(), scaler.inverse(np.array([[0.0, 0.5]])).tolist()
    ([[1.0, -1.0]], [[2.0, 6.0]])

    ```
    """

    mean: Float[np.ndarray | Array, " D"]
    std: Float[np.ndarray | Array, " D"]

    @classmethod
    def fit(cls, values: Real[ArrayLike, "T D"]) -> "Scaler":
        """The scaler of these values (T, D); `ValueError` with the number of a column that is constant."""
        rows = as_series(values).astype(np.float64)
        for column in np.flatnonzero(np.ptp(rows, axis=0) == 0):
            raise ValueError(
                f"values cannot be scaled: column {column} is constant, {rows[0, column]}, in all of the {len(rows)} rows. "
                "Leave it out, or give rows in which it varies."
            )
        # deviations are divided by the largest one, so that their squares neither underflow nor overflow
        size = np.abs(rows).max(axis=0)
        mean = size * (rows / size).mean(axis=0)
        size = np.abs(rows - mean).max(axis=0)
        return cls(mean, size * ((rows - mean) / size).std(axis=0))

    def transform(self, values: _Values) -> _Values:
        """The scaled values, in the shape (…, D) and floating type of `values`, which may be traced. NaN stays NaN."""
        mean, std = self._broadcast(values)
        return ((values - mean) / std).astype(values.dtype)

    def inverse(self, values: _Values) -> _Values:
        """The values whose scaled values these are, in the same shape (…, D) and floating type; they may be traced.

        NaN stays NaN.
        """
        mean, std = self._broadcast(values)
        return (values * std + mean).astype(values.dtype)

    def _broadcast(self, values: np.ndarray | Array) -> tuple[np.ndarray | Array, np.ndarray | Array]:
        """`mean` and `std` with as many axes as the values."""
        if not isinstance(values, np.ndarray | np.number | Array):
            raise TypeError(f"values must be an array (…, {len(self.mean)}); got {brief(values)}.")
        if values.ndim == 0 or values.shape[-1] != len(self.mean):
            raise ValueError(f"values must have shape (…, {len(self.mean)}), as those fitted; got {values.shape}.")
        if not jnp.issubdtype(values.dtype, jnp.floating):
            raise TypeError(f"values must hold real floating-point numbers; got dtype {values.dtype}.")
        shape = (1,) * (values.ndim - 1) + (-1,)
        return self.mean.reshape(shape), self.std.reshape(shape)
