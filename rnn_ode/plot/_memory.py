"""The page of a study of memory."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ._style import colours_of, faint


def memory(study: Any) -> Figure:
    """One page of a study of memory.

    On the left the share of the seeds that learnt each lag. On the right the score of each network, against the gradient
    that reached back over the lag before training.

    **Arguments:**

    - `study`: a `rnn_ode.learn.Study`; its `trials`, `settings`, `groups()` and `share(group)` are read.

    **Returns:** a matplotlib figure.
    """
    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = colours_of(trial.cell for trial in study.trials)
    for i, (cell, colour) in enumerate(colours.items()):
        groups = [group for group in study.groups() if group[0].cell == cell]
        shares = [study.share(group) for group in groups]
        shift = 0.012 * (i - (len(colours) - 1) / 2)  # so that no line hides another
        left.plot([g[0].lag for g in groups], np.array(shares) + shift, "o-", color=colour, label=cell)
        for learnt in (True, False):
            these = [trial for group in groups for trial in group if trial.learnt == learnt]
            place = [max(trial.gradient_before, -150) for trial in these], [trial.score for trial in these]
            face = colour if learnt else "none"
            right.scatter(*place, s=28, edgecolors=[colour], facecolors=[face] * len(these))
    left.set(xlabel="lag in steps", ylabel="share of the seeds that learnt it", ylim=(-0.08, 1.08))
    left.set_title(f"{study.settings['task']}: which lag is learnt", loc="left")
    left.legend(fontsize=9, frameon=False)
    right.set(xlabel="log ‖∂h_T/∂h_(T−lag)‖ before training, nats", ylabel="best score (filled: learnt)")
    right.set_title("What the gradient said before, and what came of it", loc="left")
    right.axhline(study.settings["solved"], color=faint(), lw=1, ls=":")
    return figure
