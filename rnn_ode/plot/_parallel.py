"""The growth of a disturbance, which decides whether a run can be computed in parallel."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ._needs import reads
from ._page import headline, label_end, page, single
from ._style import BLUE, faint, ink


@reads(v="exponent window growth")
def parallel(v: Any) -> Figure:
    """The logarithm of a disturbance's size along the first steps of a run, and the line with the exponent's slope.

    **Arguments:**

    - `v`: what `parallel_verdict` returned, of a single run; its `growth`, `exponent`, `predicted_steps`, `converges`,
      `steps` and `window` are read.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro, rnn_ode.plot
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> ro.plot.parallel(ro.parallel_verdict(cell, jnp.ones((256, 1)))).axes[0].get_xlabel()
    'step'

    ```
    """
    single("v", v.exponent, 0)
    figure, axes = page(size=(7.4, 4.4))
    axes = axes[0, 0]
    growth, slope = np.asarray(v.growth), float(v.exponent)
    steps = np.arange(1, len(growth) + 1)
    axes.set(xlabel="step", ylabel="log of a disturbance's size, nats")
    axes.axhline(0, color=faint(), lw=1)
    seen = np.isfinite(growth)
    if seen.any() and np.isfinite(slope):
        line = growth[seen][-1] + slope * (steps - steps[seen][-1])
        axes.plot(steps, line, "--", lw=1.4, color=BLUE)
        label_end(axes, line[-1], f"{slope:.3g} nats per step", BLUE)
    axes.plot(steps[seen], growth[seen], "-", lw=1.8, color=ink())
    axes.margins(x=0.02)
    axes.grid(color=faint(), lw=0.6, alpha=0.6)
    expected = f"{float(v.predicted_steps):.0f} expected" if v.converges else "too many expected"
    headline(figure, f"{v.steps} steps at once, in windows of {v.window}. Newton steps: {expected}")
    return figure
