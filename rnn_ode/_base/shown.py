"""What every result shows of itself: text, HTML for notebooks, and plain values."""

import abc
import json
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import numpy as np
from jax.core import Tracer

from .text import Table, as_text, on_one_screen

if TYPE_CHECKING:
    import xarray

Variables = dict[str, tuple[tuple[str, ...], Any, str]]
"""Arrays by name, each with the names of its axes, and its unit or "". One that has the name of its axis is a coordinate."""


class Shown(abc.ABC):
    """A result that shows itself. A class derived from it writes `_tables` and `_data`, about one result with known values.

    `_alone` names a field and its number of axes in a single result, for results that `jax.vmap` may return in batches.
    """

    _alone: ClassVar[tuple[str, int] | None] = None

    @abc.abstractmethod
    def _tables(self) -> tuple[Table, ...]: ...

    @abc.abstractmethod
    def _data(self) -> dict[str, Any]: ...

    def tables(self) -> tuple[Table, ...]:
        """What the result shows, as `Table`s. Those of a batch, or of a traced result, have a title alone that says so."""
        why_not = self._why_not_shown()
        return (Table(title=why_not),) if why_not else self._tables()

    def table(self) -> str:
        """The result as text, at most 80 columns wide."""
        return as_text(self.tables())

    def to_dict(self) -> dict[str, Any]:
        """The result as plain numbers, strings, lists and dictionaries, ready for json.

        NaN is `None`, an infinity "inf", "-inf" or `None`, and a complex number a pair. `ValueError` for a batch of results
        or a traced one.
        """
        self._check_shown("to_dict")
        return self._data()

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        self._check_shown("to_json")
        return json.dumps(self._data(), allow_nan=False)

    def __str__(self) -> str:
        return on_one_screen(self.tables())

    def _repr_html_(self) -> str:
        return "".join(table.html() for table in self.tables())

    def _check_shown(self, name: str) -> None:
        why_not = self._why_not_shown()
        if why_not:
            raise ValueError(f"{name} takes one result with known values; this is {why_not[0].lower()}{why_not[1:]}")

    def _why_not_shown(self) -> str:
        """Why the result has no numbers to show; empty if it has."""
        name = type(self).__name__
        leaves = jax.tree.leaves(self)
        if any(isinstance(leaf, Tracer | jax.ShapeDtypeStruct) for leaf in leaves):
            return f"A traced {name}: its numbers are known once the compiled function has returned it."
        if self._alone is None:
            return ""
        field, axes = self._alone
        array = getattr(self, field)
        if not hasattr(array, "shape"):
            return f"A {name} without numbers: its field {field} is {array!r}."
        batch = array.shape[: array.ndim - axes]
        if not batch:
            return ""
        index = ", ".join("ijkl"[: len(batch)])
        return (
            f"A batch {batch} of {name}: each field has {len(batch)} more {'axis' if len(batch) == 1 else 'axes'} in front. "
            f"One of them is jax.tree.map(lambda leaf: leaf[{index}], batch)."
        )


class ShownArrays(Shown):
    """A result that is also arrays with named axes. A class derived from it writes `_variables`."""

    @abc.abstractmethod
    def _variables(self) -> Variables: ...

    def to_dataset(self) -> "xarray.Dataset":
        """The result as an `xarray.Dataset`: arrays with named axes, and their units in `attrs` (needs xarray).

        `ValueError` for a batch of results or a traced one.
        """
        try:
            from xarray import Dataset
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataset needs xarray: pip install xarray", name="xarray") from error
        self._check_shown("to_dataset")
        variables = {
            name: (axes, np.asarray(values), {"units": unit} if unit else {})
            for name, (axes, values, unit) in self._variables().items()
        }
        return Dataset(variables, attrs={"kind": type(self).__name__})
