"""Columns scaled to mean 0 and standard deviation 1."""

from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from .windows import as_series

_Values = TypeVar("_Values", np.ndarray, Array)


class Scaler(eqx.Module):
    """The map to mean 0 and standard deviation 1, column by column, and back.

    **Fields:** `mean` and `std` (D,), float64, in the units of the values; `std` divides by T, not T − 1. `Scaler.fit` takes
    them from values.

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
        """The scaler of these values (T, D). `ValueError` naming the column that is constant."""
        rows = as_series(values).astype(np.float64)
        for column in np.flatnonzero(np.ptp(rows, axis=0) == 0):
            raise ValueError(
                f"values cannot be scaled: column {column} is constant, {rows[0, column]}, in all of the {len(rows)} rows; "
                "a column that varies is wanted."
            )
        # in units of the largest deviation, whose square neither vanishes nor overflows
        size = np.abs(rows).max(axis=0)
        mean = size * (rows / size).mean(axis=0)
        size = np.abs(rows - mean).max(axis=0)
        return cls(mean, size * ((rows - mean) / size).std(axis=0))

    def transform(self, values: _Values) -> _Values:
        """Scaled values, of the same shape (…, D) and floating type; also traced ones."""
        mean, std = self._as_wide_as(values)
        return ((values - mean) / std).astype(values.dtype)

    def inverse(self, values: _Values) -> _Values:
        """What `transform` came from, of the same shape (…, D) and floating type; also traced values."""
        mean, std = self._as_wide_as(values)
        return (values * std + mean).astype(values.dtype)

    def _as_wide_as(self, values):
        if values.ndim == 0 or values.shape[-1] != len(self.mean):
            raise ValueError(f"values must have shape (…, {len(self.mean)}), as those fitted; got {values.shape}.")
        if not jnp.issubdtype(values.dtype, jnp.floating):
            raise TypeError(f"values must hold real floating-point numbers; got dtype {values.dtype}.")
        shape = (1,) * (values.ndim - 1) + (-1,)
        return self.mean.reshape(shape), self.std.reshape(shape)
