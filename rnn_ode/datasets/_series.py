"""A series: values, times and names of columns."""

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Series:
    """A series, oldest sample first.

    **Fields:**

    - `name`: its name. For a series that `load_csv` read: the names of the columns, or the name of the file if the file
      has no header.
    - `values`: the samples (T, D), float64, finite.
    - `index`: the time of each sample (T,), in years for example, strictly increasing or decreasing, or `None`. For a
      series that `load_csv` read: the first column of the file if it is such a sequence and not one of the columns read.
    - `columns`: the D names of the columns.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.sunspots()
    >>> series.values.shape, series.columns, float(series.index[0])
    ((309, 1), ('sunspots',), 1700.0)
    >>> series
    Series('sunspots', values (309, 1), index 1700 to 2008, columns ('sunspots',))

    ```
    """

    name: str
    values: Float[np.ndarray, "T D"]
    index: Float[np.ndarray, " T"] | None
    columns: tuple[str, ...]

    def __repr__(self) -> str:
        span = "" if self.index is None else f", index {self.index[0]:g} to {self.index[-1]:g}"
        return f"Series({self.name!r}, values {self.values.shape}{span}, columns {self.columns})"
