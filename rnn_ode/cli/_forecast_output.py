"""What `rnn-ode forecast` writes beside its table and figure: the future as a csv file, and forecasts of saved networks."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from .._base.shown import Shown
from .._base.text import Table, plain
from .._files.atomic import written_beside
from ._forecast_input import Data, inputs_of, known_of


@dataclasses.dataclass(frozen=True)
class Ahead(Shown):
    """A forecast of saved networks: what comes after the rows of a file."""

    past: np.ndarray
    future: Any
    share: float
    gap: int
    count: int
    columns: tuple[str, ...]
    times: Any = None
    index: Any = None

    @property
    def steps_ahead(self) -> range:
        return range(self.gap + 1, self.gap + 1 + len(self.future.mean))

    def _tables(self) -> tuple[Table, ...]:
        from ..learn._forecast.result import future_table

        return (future_table(self),)

    def _data(self) -> dict[str, Any]:
        from ..learn._forecast.result import times_of

        future = {"steps": list(self.steps_ahead), "time": times_of(self), **self.future.to_dict()}
        return plain({"columns": list(self.columns), "share": self.share, "future": future})

    def plot(self) -> Any:
        from .. import plot

        return plot.future(self)


def from_saved(path: Path, data: Data, calendar: bool, sizes: dict[str, int | None]) -> Ahead:
    """The forecast of the networks in a finished checkpoint, from the last rows of a series.

    `sizes` are the history, gap and horizon that were asked for, or `None`.
    """
    from ..learn import load_forecaster
    from ..learn._forecast.beside import Elapsed, Known

    saved = load_forecaster(path)
    for name, asked in sizes.items():
        if asked not in (None, getattr(saved, name)):
            raise ValueError(
                f"--{name} must be {getattr(saved, name)} or left out, as the networks of --from {path} were trained; got "
                f"{asked}."
            )
    values, targets = inputs_of(data)
    names = data.series.columns
    aimed = [saved.kept[i] for i in saved.columns]
    if values.shape[1] != saved.width or not set(aimed) <= set(targets or range(values.shape[1])):
        raise ValueError(
            f"--from {path}: its networks read {saved.width} columns and forecast those with the numbers "
            f"{', '.join(map(str, aimed))}; the file gives {values.shape[1]}, {', '.join(names)}. Give --column and "
            "--target as in the training."
        )
    read = [name for i, name in enumerate(names) if i not in data.known]
    if saved.names and tuple(read) != saved.names:
        raise ValueError(
            f"--from {path}: its networks read the columns {', '.join(saved.names)}; the file gives {', '.join(read)}. Give "
            "--column and --target as in the training, or rename the columns."
        )
    if len(values) < saved.history:
        raise ValueError(f"--from {path}: its networks read {saved.history} rows; the file has {len(values)}.")
    span = saved.gap + saved.horizon
    beside = saved.beside
    if isinstance(beside, Elapsed):
        if data.series.index is None:
            raise ValueError(f"--from {path}: its networks read times; give --index.")
        beside = Elapsed.of(data.series.index, saved.history, saved.gap, saved.horizon, beside.usual)
    elif isinstance(beside, Known):
        values_known = known_of(data, calendar, span)
        if values_known is None or values_known.shape[1] != len(beside.mean):
            raise ValueError(
                f"--from {path}: its networks read {len(beside.mean)} known columns; give --known or --calendar."
            )
        beside = dataclasses.replace(beside, values=values_known)
    found = Ahead(
        values[:, aimed], saved(values, beside, data.series.index), saved.share, saved.gap, saved.ensemble.members,
        tuple(read[i] for i in aimed),
    )  # fmt: skip
    return data.with_times(found)


def write_future(path: Path | None, result: Any, data: Data) -> None:
    """Write the future of a forecast as a csv file: a header, and a row a time (and a column, if there are several)."""
    from ..learn._forecast.result import times_of

    if path is None:
        return
    band, several = result.future, result.future.mean.shape[1] > 1
    named = data.series.reading.index if data.series.reading and data.series.reading.index else None
    time = named or ("time" if result.times is not None else "step")
    with written_beside(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([time, *(["column"] if several else []), "mean", "lower", "upper"])
        for step, when in enumerate(times_of(result)):
            for column, name in enumerate(result.columns or [""] * band.mean.shape[1]):
                numbers = [float(part[step, column]) for part in (band.mean, band.lower, band.upper)]
                rows.writerow([when, *([name] if several else []), *map(repr, numbers)])
