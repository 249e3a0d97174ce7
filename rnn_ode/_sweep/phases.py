"""What `rnn-ode sweep` found: means over the seeds, as a table, as JSON and as a phase diagram."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.shown import Shown
from .._base.text import Column, Table, number, plain, some_of
from .questions import Question

if TYPE_CHECKING:
    import xarray

_ROWS, _COLUMNS = 16, 6  # of a table, at most


@dataclasses.dataclass(frozen=True)
class Phases(Shown):
    """The results of a question on a grid of networks, and the settings that the networks share."""

    name: str
    question: Question
    data: "xarray.Dataset"
    settings: dict[str, Any]

    def arrays(self) -> list["xarray.DataArray"]:
        """The results as numbers, or as true where a verdict is DECAYS, with their titles and units.

        If both size and drive have several values, each size has a panel.
        """
        found = []
        sizes = self.data.sizes
        panels = ["hidden", "gain", "drive"] if sizes["hidden"] > 1 < sizes["drive"] else ["gain", "drive", "hidden"]
        for name, (words, unit) in self.question.results.items():
            array = self.data[name] == "DECAYS" if self.data[name].dtype == object else self.data[name]
            found.append(array.transpose(*panels, "seed").assign_attrs(long_name=words, units=unit))
        return found

    def outcomes(self) -> dict[str, int]:
        """How many networks ended in each way."""
        words, counts = np.unique(self.data["outcome"].values.astype(str), return_counts=True)
        return dict(zip(words.tolist(), counts.tolist(), strict=True))

    def plot(self):
        """The phase diagram. A matplotlib figure (needs the `app` extra)."""
        from ..plot import sweep as draw

        return draw(*self.arrays(), finding=self.finding())

    def finding(self) -> str:
        """One sentence on what was measured."""
        sizes = " and ".join(str(size) for size in self.data["hidden"].values)
        words = " and ".join(words for words, _ in self.question.results.values())
        return f"Random networks of {sizes} units: {words}, mean of {self.data.sizes['seed']} seeds"

    def _tables(self) -> tuple[Table, ...]:
        tables = [self._table(one.isel(hidden=k)) for one in self.arrays() for k in range(one.sizes["hidden"])]
        ended = [f"{count} networks: {words}." for words, count in self.outcomes().items()]
        counts = "{computed} networks computed now, {reused} reused.".format(**self.data.attrs)
        notes = (*(ended if set(self.outcomes()) != {"successful"} else ()), counts)
        tables[-1] = dataclasses.replace(tables[-1], notes=notes)
        return (dataclasses.replace(tables[0], title=f"{self.finding()}\n\n{tables[0].title}"), *tables[1:])

    def _table(self, array: "xarray.DataArray") -> Table:
        """Means over the seeds, a row for each gain and a column for each drive."""
        values = array.astype(float)
        mean = values.where(np.isfinite(values)).mean("seed")
        rows, columns = some_of(mean.sizes["gain"], _ROWS), some_of(mean.sizes["drive"], _COLUMNS)
        drives = [f"drive {number(mean['drive'].values[k])}" for k in columns]
        words = tuple((number(mean["gain"].values[i]), *(number(mean.values[i, k]) for k in columns)) for i in rows)
        unit = "share of the networks" if array.dtype == bool else array.attrs["units"]
        title = f"{array.attrs['long_name']}, {array['hidden'].item()} units ({unit})"
        return Table((Column("gain", ">"), *(Column(drive, ">") for drive in drives)), words, title)

    def _data(self) -> dict[str, Any]:
        axes = {name: self.data[name].values for name in ("hidden", "gain", "drive", "seed")}
        results = {name: self.data[name].transpose(*axes).values for name in self.question.results}
        counts = {"outcomes": self.outcomes(), **self.data.attrs}
        return plain(
            {"question": self.name, **self.settings, "axes": axes, "results": results, **counts}, infinities=True
        )
