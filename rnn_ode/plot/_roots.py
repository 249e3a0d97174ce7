"""Which interpolations are stable."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ._needs import reads
from ._page import headline, page
from ._style import BLUE, note, paper, shade


@reads(r="gap radii stable")
def root_condition(r: Any) -> Figure:
    """A cell for each pair (ahead, behind), with the largest modulus of its roots: filled where the pair is stable.

    **Arguments:**

    - `r`: what `root_condition` returned; its `radii`, `stable` and `gap` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from rnn_ode import plot
    >>> r = SimpleNamespace(radii=np.array([[0.9, 1.2]]), stable=[(1, 0)], gap=0.5)
    >>> plot.root_condition(r).get_suptitle()
    '1 of 2 pairs (ahead, behind) is stable in steps of 0.5'

    ```
    """
    radii, stable = np.asarray(r.radii), set(r.stable)
    rows, columns = radii.shape
    figure, axes = page(size=(1.6 + 0.72 * columns, 1.5 + 0.42 * rows))
    axes = axes[0, 0]
    for (i, j), radius in np.ndenumerate(radii):
        good = (i + 1, j) in stable
        axes.add_patch(Rectangle((j - 0.5, i + 0.5), 1, 1, fc=BLUE if good else shade(0.1), ec=paper(), lw=2))
        colour = "white" if good else note()
        axes.text(j, i + 1, f"{radius:.3g}", ha="center", va="center", color=colour, fontsize="small")
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows + 0.5, 0.5), xlabel="behind", ylabel="ahead")
    axes.set_xticks(range(columns))
    axes.set_yticks(range(1, rows + 1))
    axes.tick_params(length=0)
    verb = "is" if len(stable) == 1 else "are"
    headline(figure, f"{len(stable)} of {radii.size} pairs (ahead, behind) {verb} stable in steps of {r.gap:.4g}")
    return figure
