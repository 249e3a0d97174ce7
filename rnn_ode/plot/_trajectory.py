"""One run."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .._base.states import flat_rows
from .._base.text import digits_of, number
from ._needs import reads
from ._page import headline, label_end, page, single
from ._style import PALETTE, mark_stop, unit_name

_MOST = 6  # components


@reads(t="ts")
def trajectory(t: Any) -> Figure:
    """The components of a run that move most, against time. A cross marks where the run stops.

    **Arguments:**

    - `t`: a single `Trajectory`; its `ts` and `states` are read. Of complex states the real part is drawn.

    **Returns:** a matplotlib figure.

    **Raises:** `ValueError` for a batch.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.iterate(lambda x, h: 0.5 * h + x, jnp.ones((3, 1)), jnp.zeros(1))
    >>> ro.plot.trajectory(run).get_suptitle()
    'A run from t = 0 to 3'

    ```
    """
    single("t", t.ts, 1)
    ts, states = np.asarray(t.ts), flat_rows(t.states).astype(float)
    end = int(np.argmin(np.append(np.isfinite(states).all(axis=1), False)))  # the first row that is not finite
    figure, axes = page(size=(7.4, 4.2))
    axes = axes[0, 0]
    if end:
        names = [unit_name(t.states, i) for i in range(states.shape[1])] if states.shape[1] > 1 else ["state"]
        _components(axes, ts[:end], states[:end], names, stopped=end < len(ts))
    axes.set(xlabel="time", ylabel="state")
    axes.margins(x=0.02)
    some = f": the {_MOST} of {states.shape[1]} components that move most" if states.shape[1] > _MOST else ""
    if not len(ts):
        headline(figure, "A run without a state")
        return figure
    first, last, stop = (number(ts[i], digits_of(ts, 6)) for i in (0, -1, max(end - 1, 0)))
    headline(
        figure,
        f"A run that stops after t = {stop}{some}" if end < len(ts) else f"A run from t = {first} to {last}{some}",
    )
    return figure


def _components(axes: Any, ts: np.ndarray, states: np.ndarray, names: list[str], stopped: bool) -> None:
    scale = np.max(np.abs(states)) or 1.0
    most = np.sort(np.argsort(-np.std(states / scale, axis=0), kind="stable")[:_MOST])
    marker = "." if len(ts) < 60 else ""
    for unit, colour in zip(most, PALETTE, strict=False):
        axes.plot(ts, states[:, unit], color=colour, lw=1.5, marker=marker)
        label_end(axes, states[-1, unit], names[unit], colour)
        if stopped:
            mark_stop(axes, ts[-1], states[-1, unit], colour)
