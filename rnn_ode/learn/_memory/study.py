"""Which networks learn which lag, and what their eigenvalues and gradients said before.

One *trial* is one network, one lag and one seed. Before training it is asked for the verdict of its eigenvalues, and for how
much of the gradient reaches back over the lag on an input of the task; then it is trained until it has learnt the task, or
for so many steps; then it is asked again. A network named "… + flossing" is flossed first: all but one of its Lyapunov
exponents along such inputs are pushed towards zero (`flossing`).
"""

import itertools
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import PRNGKeyArray

from ..._analyses.gradients import gradient_flow
from ..._base.checks import check_count
from ..._base.verdict import verdict_name
from .._checkpoints.checkpoint import PathLike
from .._models.cores import check_core, core_and_readout
from .._models.wirings import ManyToMany, ManyToOne
from .._training.fit import fit, uninterrupted
from .._training.penalties import flossing
from .result import Study, Trial, read_trials, write_trials
from .tasks import AbstractTask


def wired(name: str, hidden: int, task: AbstractTask, key: PRNGKeyArray) -> ManyToOne | ManyToMany:
    """A named core wired for a memory task."""
    wiring = ManyToMany if task.every_step else ManyToOne
    return wiring(*core_and_readout(name, hidden, key, task.input_size, task.output_size))


FLOSSED = " + flossing"

_FLOSSING_STEPS, _FLOSSING_RATE = 400, 3e-3

_HELD_OUT = 256  # sequences


def study(
    task: AbstractTask,
    cells: Sequence[str],
    lags: Sequence[int],
    *,
    seeds: int = 5,
    hidden: int = 32,
    steps: int = 2000,
    size: int = 32,
    rate: float = 1e-3,
    path: PathLike | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Study:
    """Trains named networks on a task at several lags, from several seeds, and keeps what was said of each before.

    **Arguments:** `task` one of the memory tasks; `cells` names out of `CORES`, also with `" + flossing"`; `lags` as the
    task counts them; `seeds` how many, `hidden` units; up to `steps` steps of Adam at `rate` on fresh batches of `size`
    sequences, the gradient clipped at norm 1, until the score on held out sequences is below `task.solved`. `path` a json
    file, rewritten in one go after every trial, from which a study that was killed goes on; `progress` is told, before each
    trial, how many of how many are done, and which is next. **Returns:** a `Study`. **Raises:** `ValueError` for names that
    are none, and for a file of a study with other settings.

    ```python
    >>> from rnn_ode import learn
    >>> found = learn.study(learn.TemporalOrder(), ["gru"], [10], seeds=1, hidden=16, steps=300, rate=0.01)
    >>> found.longest("gru")
    10

    ```
    """
    for name, count in (("seeds", seeds), ("hidden", hidden), ("steps", steps), ("size", size)):
        check_count(name, count)
    for cell in cells:
        check_core(cell.removesuffix(FLOSSED))
    settings = {
        "task": str(task),
        "hidden": hidden,
        "steps": steps,
        "size": size,
        "rate": rate,
        "solved": task.solved,
    }
    wanted = list(itertools.product(cells, lags, range(seeds)))
    done = read_trials(path, settings)
    chance = {str(lag): task.chance(lag) for lag in lags}
    optimiser = optax.adam(rate)

    def so_far() -> Study:
        return Study({**settings, "chance": chance}, tuple(done[trial] for trial in wanted if trial in done))

    for (cell, lag), group in itertools.groupby(wanted, lambda trial: trial[:2]):
        lesson = _Lesson(task, lag, size)
        for trial in group:
            if progress is not None:
                progress(len(so_far().trials), len(wanted), f"{cell}, lag {lag}, seed {trial[2]}")
            if trial not in done:
                done[trial] = _try(lesson, cell, trial[2], hidden, steps, optimiser)
                write_trials(path, settings, done.values())
    return so_far()


class _Lesson(eqx.Module):
    """A task at one lag: what batches are drawn from and what is asked of a model."""

    task: AbstractTask
    lag: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def draw(self, key: PRNGKeyArray):
        return self.task.draw(key, self.lag, self.size)

    def loss(self, model, batch):
        inputs, targets = batch
        return self.task.loss(jax.vmap(model)(inputs), targets)

    def score(self, model):
        inputs, targets = self.task.draw(jax.random.key(2**31 - 1), self.lag, _HELD_OUT)
        return self.task.score(jax.vmap(model)(inputs), targets)

    def floss(self, model, batch, key):
        inputs, _ = self.task.draw(key, self.lag, 1)
        return flossing(model.runner.as_cell(), inputs[0], max(1, model.readout.in_features - 1))

    @eqx.filter_jit
    def seen(self, model):
        """The verdict and the radius of the eigenvalues, and log ‖∂h_T/∂h_{T−lag}‖, on an input of the task."""
        inputs, _ = self.task.draw(jax.random.key(0), self.lag, 1)
        flow = gradient_flow(model.runner.as_cell(), inputs[0], throw=False)
        return flow.spectrum.discrete, flow.spectrum.radius, flow.log_norms[min(self.lag, len(inputs[0]))]


def _try(lesson: _Lesson, cell: str, seed: int, hidden: int, steps: int, optimiser) -> Trial:
    keys = jax.random.split(jax.random.key(seed), 3)
    model = wired(cell.removesuffix(FLOSSED), hidden, lesson.task, keys[0])
    if cell.endswith(FLOSSED):
        way = {"optimiser": optax.adam(_FLOSSING_RATE), "steps": _FLOSSING_STEPS, "key": keys[1], "progress": False}
        model = uninterrupted(fit(model, lesson.floss, [0.0], **way)).model
    verdict, radius, before = lesson.seen(model)
    done = uninterrupted(
        fit(
            model,
            lesson.loss,
            lesson.draw,
            optimiser=optimiser,
            steps=steps,
            key=keys[2],
            validate=lesson.score,
            target=lesson.task.solved,
            clip=1.0,
            progress=False,
        )
    )
    scores = done.history.checks.get("validation", np.array([np.inf]))
    return Trial(
        cell=cell,
        lag=lesson.lag,
        seed=seed,
        verdict=verdict_name(verdict),
        radius=float(radius),
        gradient_before=float(before),
        gradient_after=float(lesson.seen(done.model)[2]),
        score=float(np.min(scores)),
        learnt=bool(np.min(scores) < lesson.task.solved),
        steps=len(done.history.loss),
        stopped_because=done.stopped_because,
    )
