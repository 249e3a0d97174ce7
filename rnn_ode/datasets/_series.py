"""A series: values, times and names of columns, and how a file was understood."""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ._times import Step, as_text, step_of

_LONGEST = 60  # characters of a name in the line that says what was understood
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Reading:
    """How a csv file was understood.

    **Fields:**

    - `file`: its name.
    - `available`: the names of all of its columns.
    - `index`: the name of the column of times, or `None`.
    - `remarks`: what else was done, in words: the separator, rows that were turned round, values that were filled.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tides.csv"
    >>> _ = path.write_text("day;low;high\\n2021-01-02;1,5;4\\n2021-01-01;1;4,5\\n")
    >>> datasets.load_csv(path).reading.remarks
    ('separated by semicolons', 'decimal commas', 'rows sorted from old to new')

    ```
    """

    file: str
    available: tuple[str, ...]
    index: str | None
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Series:
    """A series, oldest sample first.

    **Fields:**

    - `name`: its name. For a series that `load_csv` read: the names of the columns, or the name of the file if the file
      has no header.
    - `values`: the samples (T, D), float64, finite.
    - `index`: the time of each sample (T,), strictly increasing: numbers, such as years, or datetime64; or `None`.
    - `columns`: the D names of the columns.
    - `reading`: how the file was understood, a `Reading`; `None` for a series that is not of a csv file.
    - `gaps`: for each place where samples are missing, the time before it and how many, if the others have a step.
    - `ahead`: rows (n, D) after the last one of `values` that have some of the columns, with NaN for the others.
    - `filled`: which values (T, D) were missing and are filled, if `load_csv` was asked to fill; else `None`.

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
    index: np.ndarray | None
    columns: tuple[str, ...]
    reading: Reading | None = None
    gaps: tuple[tuple[Any, int], ...] = ()
    ahead: Float[np.ndarray, "n D"] | None = field(default=None)
    filled: Bool[np.ndarray, "T D"] | None = field(default=None)

    def __repr__(self) -> str:
        span = "" if self.index is None else f", index {as_text(self.index[0])} to {as_text(self.index[-1])}"
        return f"Series({self.name!r}, values {self.values.shape}{span}, columns {self.columns})"

    @property
    def step(self) -> Step | None:
        """What leads from one time to the next, or `None` without an index and for irregular times."""
        return None if self.index is None else step_of(self.index)

    def understood(self) -> str:
        """How the series was understood, in one line: rows, columns, index, step, and what was done."""
        others = len(self.reading.available) - len(self.columns) if self.reading else 0
        shown = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…" for name in self.columns[:6]]
        names = ", ".join(shown) + (", …" if len(self.columns) > 6 else "")
        parts = [f"{len(self.values)} rows", f"column{'s' * (len(self.columns) > 1)} {names}"]
        if others > 0 and self.reading:
            parts[-1] += f" of {len(self.reading.available)}"
        if self.index is None:
            parts.append("no index: rows count as equal steps")
        else:
            name = f"index {self.reading.index} from" if self.reading and self.reading.index else "index from"
            step = self.step
            parts.append(f"{name} {as_text(self.index[0])} to {as_text(self.index[-1])}, {step or 'irregular'}")
        parts += self.reading.remarks if self.reading else ()
        return f"{self.reading.file if self.reading else self.name}: " + "; ".join(parts)

    def understanding(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        step = self.step
        return {
            "rows": len(self.values),
            "columns": list(self.columns),
            "available": list(self.reading.available) if self.reading else list(self.columns),
            "index": self.reading.index if self.reading else None,
            "first": None if self.index is None else as_text(self.index[0]),
            "last": None if self.index is None else as_text(self.index[-1]),
            "step": None if step is None else str(step),
            "gaps": [{"after": as_text(time), "rows": count} for time, count in self.gaps],
            "remarks": list(self.reading.remarks) if self.reading else [],
            "line": self.understood(),
        }
