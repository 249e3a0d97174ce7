"""The page of a study of memory."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure


def memory(study: Any) -> Figure:
    """One page of a `rnn_ode.learn.Study`: the share of the seeds that learnt each lag, and what came of each network against
    the gradient that reached back over the lag before training."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    cells = list(dict.fromkeys(trial.cell for trial in study.trials))
    colours = dict(zip(cells, colormaps["tab10"].colors, strict=False))  # pyright: ignore[reportAttributeAccessIssue]
    for i, cell in enumerate(cells):
        groups = [group for group in study.groups() if group[0].cell == cell]
        shares = [study.share(group) for group in groups]
        shift = 0.012 * (i - (len(cells) - 1) / 2)  # so that no line hides another
        left.plot([g[0].lag for g in groups], np.array(shares) + shift, "o-", color=colours[cell], label=cell)
        for learnt in (True, False):
            these = [trial for group in groups for trial in group if trial.learnt == learnt]
            place = [max(trial.gradient_before, -150) for trial in these], [trial.score for trial in these]
            face = colours[cell] if learnt else "none"
            right.scatter(*place, s=28, edgecolors=[colours[cell]], facecolors=[face] * len(these))
    left.set(xlabel="lag in steps", ylabel="share of the seeds that learnt it", ylim=(-0.08, 1.08))
    left.set_title(f"{study.settings['task']}: which lag is learnt", loc="left")
    left.legend(fontsize=9, frameon=False)
    right.set(xlabel="log ‖∂h_T/∂h_(T−lag)‖ before training, nats", ylabel="best score (filled: learnt)")
    right.set_title("What the gradient said before, and what came of it", loc="left")
    right.axhline(study.settings["solved"], color="0.6", lw=1, ls=":")
    return figure
