"""The phase diagram of a sweep."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from .._base.checks import check_text
from ._needs import reads
from ._page import empty, headline, legend_beside, page, title
from ._style import BLUE, faint, shade


@reads(arrays="* dims attrs sizes")
def sweep(*arrays: Any, over: str = "seed", finding: str = "") -> Figure:
    """The phase diagram of what a sweep found: its mean over the seeds, against one or two parameters.

    With two parameters the mean is a colour, and a line shows where it is 0 if it has both signs. With one parameter it is a
    line, with a band from the first to the last decile. With three there is a panel for each value of the first. Values that
    are not finite are left out of the mean.

    **Arguments:**

    - `arrays`: arrays of a data set of `rnn_ode.sweep`, numbers or true and false, such as `found["value"]` or
      `found["value"] == "DECAYS"`. Each has a panel of its own, named by `attrs["long_name"]`, or else by its name.
    - `over`: the dimension that the mean is taken over, if it is there.
    - `finding`: the headline.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for an array of more than three parameters, or none.

    ```python
    >>> import xarray, rnn_ode as ro
    >>> found = ro.sweep(lambda gain, bias: gain + bias, {"gain": [-1.0, 0.0, 1.0], "bias": [0.0, 0.5]})
    >>> ro.plot.sweep(found["value"]).axes[0].get_xlabel()
    'gain'

    ```
    """
    check_text("over", over)
    check_text("finding", finding)
    panels = [panel for array in arrays for panel in _panels(array.squeeze(), over)]
    if not panels:
        raise ValueError("arrays must hold at least one array of a data set of rnn_ode.sweep; there is none.")
    figure, axes = page(1, len(panels), size=(2.2 + 4.2 * len(panels), 4.2))
    for one, (array, words) in zip(axes[0], panels, strict=True):
        title(one, words)
        mean = _mean(array, over)
        if mean.size == 0 or not np.isfinite(mean.values).any():
            empty(one, "no value is finite")
        elif mean.ndim == 1:
            _line(one, array, mean, over)
        else:
            _map(figure, one, mean, array.attrs.get("units", ""), array.dtype == bool)
    if finding:
        headline(figure, finding)
    return figure


def _panels(array: Any, over: str) -> list[tuple[Any, str]]:
    """The array with a title, or its parts along the first of three parameters."""
    words = str(array.attrs.get("long_name", array.name or "value"))
    left = [name for name in array.dims if name != over]
    if not 1 <= len(left) <= 3:
        raise ValueError(
            f"arrays must have one to three dimensions with more than one value beside {over!r}; {words} has "
            f"{', '.join(map(str, left)) or 'none'}. Choose values of others, as in array.sel(name=value)."
        )
    if len(left) < 3:
        return [(array, words)]
    first = left[0]
    parts = [array.isel({first: k}) for k in range(array.sizes[first])]
    return [
        (part, f"{words}, {first} {part[first].item() if first in part.coords else k}") for k, part in enumerate(parts)
    ]


def _mean(array: Any, over: str) -> Any:
    """The mean of the finite values over one dimension, the others sorted by their coordinates."""
    values = array.astype(float)
    mean = values.where(np.isfinite(values)).mean(over) if over in array.dims else values
    for name in mean.dims:
        mean = mean.sortby(name) if name in mean.coords else mean
    return mean


def _line(axes: Axes, array: Any, mean: Any, over: str) -> None:
    (name,) = mean.dims
    if over in array.dims:
        values = array.astype(float).sortby(name) if name in array.coords else array.astype(float)
        values = values.where(np.isfinite(values))
        low, high = (values.quantile(q, over) for q in (0.1, 0.9))
        axes.fill_between(
            mean[name].values, low.values, high.values, color=shade(0.15), label="first to last decile", lw=0
        )
    axes.plot(mean[name].values, mean.values, color=BLUE, label="mean" if over in array.dims else None, marker=".")
    axes.axhline(0, color=faint(), lw=1)
    axes.set(xlabel=str(name), ylabel=str(array.attrs.get("units", "")))
    if over in array.dims:
        legend_beside(axes)


def _map(figure: Figure, axes: Axes, mean: Any, unit: str, share: bool) -> None:
    x, y = mean.dims
    values = np.ma.masked_invalid(mean.transpose(y, x).values)
    signed = values.min() < 0 < values.max()
    norm = Normalize(0, 1) if share else TwoSlopeNorm(0, values.min(), values.max()) if signed else Normalize()
    axes.set_facecolor(shade(0.3))  # where no value is finite
    places = mean[x].values, mean[y].values
    map_ = "RdBu_r" if signed else "viridis"
    colours = axes.pcolormesh(*places, values, cmap=map_, shading="nearest", norm=norm)
    if signed and min(values.shape) > 1:
        axes.contour(*places, values, levels=[0.0], colors=["black"])  # the colour of 0 is white in any style
    axes.set(xlabel=str(x), ylabel=str(y))
    figure.colorbar(colours, ax=axes, label="share of the networks" if share else unit)
