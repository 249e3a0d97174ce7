"""The page of a study of memory."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ._needs import reads
from ._page import headline, label_end, page, title
from ._style import bound, colours_of, ink, key, note


@reads(study="groups settings trials")
def memory(study: Any) -> Figure:
    """One page of a study of memory.

    On the left the share of the seeds that learnt each lag. On the right the score of each network, against the gradient
    that reached back over the lag before training.

    **Arguments:**

    - `study`: a `rnn_ode.learn.Study`; its `trials`, `settings`, `groups()`, `share(group)` and `longest(cell)` are read.

    **Returns:** a matplotlib figure.

    ```python
    >>> from rnn_ode import learn, plot
    >>> settings = {"task": "Adding()", "hidden": 8, "steps": 10, "size": 4, "solved": 0.01, "chance": {"10": 0.167}}
    >>> trial = learn.Trial("gru", 10, 0, "DECAYS", 0.5, -2.0, 1.0, 0.001, True, 10, "all 10 steps are done")
    >>> len(plot.memory(learn.Study(settings, (trial,))).axes)
    2

    ```
    """
    figure, axes = page(1, 2, size=(11, 4.6))
    left, right = axes[0]
    colours = colours_of(trial.cell for trial in study.trials)
    for i, (cell, colour) in enumerate(colours.items()):
        groups = [group for group in study.groups() if group[0].cell == cell]
        shares = [study.share(group) for group in groups]
        width = 1.6 + 1.1 * (len(colours) - 1 - i)  # the first ones are wide, so that no line hides another
        left.plot([g[0].lag for g in groups], shares, "o-", color=colour, lw=width, ms=width + 3, clip_on=False)
        label_end(left, shares[-1], cell, colour)
        for learnt in (True, False):
            these = [trial for group in groups for trial in group if trial.learnt == learnt]
            place = [max(trial.gradient_before, -150) for trial in these], [trial.score for trial in these]
            face = colour if learnt else "none"
            right.scatter(*place, s=28, edgecolors=[colour], facecolors=[face] * len(these))
    left.set(xlabel="lag in steps", ylabel="share of the seeds that learnt it", ylim=(0, 1))
    left.set_xticks(_lags_apart({trial.lag for trial in study.trials}))
    left.yaxis.set_major_formatter(PercentFormatter(1))
    title(left, "Which lag is learnt")
    right.set(xlabel="log ‖∂h_T/∂h_(T−lag)‖ before training, nats", ylabel="best score")
    right.xaxis.set_major_locator(MaxNLocator(5))
    title(right, "What the gradient said before training, and what came of it")
    right.axhline(study.settings["solved"], color=bound(), lw=1, ls=":")
    label_end(right, study.settings["solved"], "solved", note())
    dots = {"marker": "o", "ls": ""}
    kinds = [key(ink(), "learnt", **dots), key(ink(), "not learnt", mfc="none", **dots)]
    figure.legend(handles=kinds, loc="outside lower right", ncols=2, frameon=False, fontsize="small")
    headline(
        figure, f"{study.settings['task']}: the longest lag that most seeds learnt: {_longest(study, list(colours))}"
    )
    return figure


def _lags_apart(lags: set[int]) -> list[int]:
    """Lags from the longest down, without those whose numbers would touch."""
    longest, kept = max(lags, default=0), []
    for lag in sorted(lags, reverse=True):
        if not kept or kept[-1] - lag >= (longest - min(lags)) / 10:
            kept.append(lag)
    return kept


def _longest(study: Any, cells: list[str]) -> str:
    """The longest lags of the networks with the longest ones."""
    lags = {cell: study.longest(cell) for cell in cells}
    best = sorted(lags, key=lambda cell: -lags[cell])
    return ", ".join([*(f"{cell} {lags[cell] or 'none'}" for cell in best[:4]), *(["…"] if len(best) > 4 else [])])
