"""Multipliers in the complex plane, on the regions where flows decay."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch

from ._style import NETWORK, NOTE, REFERENCE

_DISC = "#88888844"


def decay_regions(axes: Axes, s: Any, methods: Sequence[Any], colours: Mapping[str, Any]) -> None:
    """Draw the multipliers of a spectrum, the unit disc, and the border of each method's decay region Re g(λ) < 0.

    **Arguments:**

    - `axes`: the axes to draw into.
    - `s`: a `Spectrum`; its `multipliers` are read.
    - `methods`: conversions; of each the `label`, the function `exponent`, and `decay_label`, the legend of its region. A
      region with a legend is shaded, of any other the border alone is drawn.
    - `colours`: a colour for each method's label.
    """
    points = np.asarray(s.multipliers)
    reach = 1.15 * max(1.5, float(np.max(np.abs(points))))
    x, y = np.meshgrid(np.linspace(-reach, reach, 401), np.linspace(-reach, reach, 401))
    shaded: list = []
    for method in methods:
        colour = colours[method.label]
        real = np.nan_to_num(np.real(np.asarray(method.exponent(x + 1j * y))), nan=1.0, posinf=1e9, neginf=-1e9)
        axes.contour(x, y, real, levels=[0.0], colors=[colour], linewidths=1.6)
        if method.decay_label:
            axes.contourf(x, y, real, levels=[-1e30, 0.0], colors=[colour], alpha=0.12)
            shaded.append(Patch(facecolor=(*colour[:3], 0.15), label=method.decay_label))
    axes.add_patch(Circle((0, 0), 1, facecolor=_DISC, edgecolor=NETWORK, lw=2.2, ls=":"))
    axes.plot(np.real(points), np.imag(points), "o", ms=5, color=NETWORK, mfc="white", mew=1.4, zorder=4)
    axes.axhline(0, color=REFERENCE, lw=0.7, zorder=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="Re λ", ylabel="Im λ")
    axes.set_title("Multipliers λ and where each flow decays", loc="left")
    handles = [
        Patch(facecolor=_DISC, edgecolor=NETWORK, ls=":", label="network decays: |λ| < 1"),
        *shaded,
        Line2D([], [], marker="o", ls="", color=NETWORK, mfc="white", label="multipliers of the linear part"),
        Line2D([], [], color=NOTE, label="borders Re g(λ) = 0, by colour\n(tustin's and exact's are the circle)"),
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=9, frameon=False)
