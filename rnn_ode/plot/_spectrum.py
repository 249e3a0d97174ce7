"""Multipliers in the complex plane, on the regions where flows decay."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch

from .._base.verdict import verdict_name
from ._needs import as_methods, colour_in, reads
from ._page import headline, legend_beside, page, single, title
from ._style import faint, ink, key, look_of, paper, shade


@reads(s="multipliers")
def spectrum(s: Any, methods: Sequence[Any] = ()) -> Figure:
    """The multipliers of a matrix in the complex plane, with the unit circle and each method's border of decay.

    **Arguments:**

    - `s`: a single `Spectrum`; its `multipliers`, `radius` and `discrete` are read.
    - `methods`: conversions, as in `decay_regions`. Default: none.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch of spectra.

    ```python
    >>> import rnn_ode as ro
    >>> figure = ro.plot.spectrum(ro.spectrum([[0.5, 0.2], [0.0, -0.3]]), (ro.Textbook(), ro.Forward(1)))
    >>> figure.get_suptitle()
    'The network decays: its largest multiplier has modulus 0.5'

    ```
    """
    single("s", s.multipliers, 1)
    figure, axes = page(size=(7.4, 4.6))
    methods = as_methods(methods)
    colours = {method.label: look_of(method)["color"] for method in methods}
    decay_regions(axes[0, 0], s, methods, colours)
    said = {"DECAYS": "decays", "GROWS": "grows", "PERSISTS": "neither decays nor grows"}
    verdict = said.get(verdict_name(s.discrete), "is on the boundary of decay, as far as rounding shows")
    headline(figure, f"The network {verdict}: its largest multiplier has modulus {float(s.radius):.3g}")
    return figure


@reads(s="multipliers")
def decay_regions(axes: Axes, s: Any, methods: Sequence[Any], colours: Mapping[str, Any]) -> None:
    """Draw the multipliers of a spectrum, the unit disc, and the border of each method's decay region Re g(λ) < 0.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `s`: a `Spectrum`; its `multipliers` are read.
    - `methods`: conversions; of each the `label`, the function `exponent`, and `decay_label`, the legend of its region. A
      region with a legend is shaded, of any other the border alone is drawn.
    - `colours`: a colour for each method's label.

    ```python
    >>> import rnn_ode as ro
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> ro.plot.decay_regions(axes, ro.spectrum([[0.5]]), (ro.Forward(1),), {"forward:1": "tab:blue"})
    >>> axes.get_aspect()
    1.0

    ```
    """
    points = np.asarray(s.multipliers)
    reach = 1.15 * max(1.5, float(np.max(np.abs(points[np.isfinite(points)]), initial=0.0)))
    x, y = np.meshgrid(np.linspace(-reach, reach, 301), np.linspace(-reach, reach, 301))
    axes.axhline(0, color=faint(), lw=0.7, zorder=0)
    axes.axvline(0, color=faint(), lw=0.7, zorder=0)
    disc = shade(0.16)
    axes.add_patch(Circle((0, 0), 1, facecolor=disc, edgecolor="none", zorder=0.5))
    axes.add_patch(Circle((0, 0), 1, facecolor="none", edgecolor=ink(), lw=1.2, zorder=1.5))
    handles: list = [Patch(facecolor=disc, edgecolor=ink(), label="network decays: |λ| < 1")]
    methods = as_methods(methods)
    rates = [_rate(method, x + 1j * y) for method in methods]
    for method, real, width in zip(methods, rates, _widths(rates), strict=True):
        colour, style = colour_in(colours, method.label), look_of(method)["ls"]
        axes.contour(x, y, real, levels=[0.0], colors=[colour], linewidths=width, linestyles=[style])
        if method.decay_label:
            axes.contourf(x, y, real, levels=[-1e30, 0.0], colors=[colour], alpha=0.12)
        handles.append(key(colour, method.decay_label or f"border of {method.label}", lw=width, ls=style))
    dots = {"ms": 5, "color": ink(), "mfc": paper(), "mew": 1.3}
    axes.plot(np.real(points), np.imag(points), "o", zorder=4, **dots)
    handles.append(key(label="multipliers of the linear part", marker="o", ls="", colour=dots.pop("color"), **dots))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", anchor="W", xlabel="Re λ", ylabel="Im λ")
    legend_beside(axes, handles)
    title(axes, "Multipliers λ, and borders of decay")


def _rate(method: Any, z: np.ndarray) -> np.ndarray:
    """Re g(z), finite."""
    return np.nan_to_num(np.real(np.asarray(method.exponent(z))), nan=1.0, posinf=1e9, neginf=-1e9)


def _widths(rates: Sequence[np.ndarray]) -> list[float]:
    """The widths of borders, drawn one over another: of those that coincide each is seen beside the ones above it."""
    widths = []
    for i, rate in enumerate(rates):
        same = [_coincide(rate, other) for other in rates]
        widths.append(1.8 + min(2.5, 4 / max(sum(same) - 1, 1)) * sum(same[i + 1 :]))
    return widths


def _coincide(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two rates have the same sign wherever neither is zero, up to rounding."""
    apart = ((one < 0) != (other < 0)) & (np.minimum(np.abs(one), np.abs(other)) > 1e-5)
    return not apart.any()
