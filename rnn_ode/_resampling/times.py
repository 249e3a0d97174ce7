"""Arguments of a run at any times, checked."""

import jax

from .._base.checks import as_step, check_callable
from .._base.states import promote
from .._base.types import State
from .._cells.protocol import as_initial_state
from .._paths.base import AbstractPath
from .._run.clock import Clock


def prepared(cell, path, ts, h0, dt, save) -> tuple[Clock, State, float]:
    """The times, the initial state and the step of a run at any times, checked."""
    dt = as_step("dt", dt)
    check_callable("cell", cell, "cell(x, h)")
    check_callable("path", path, "path(t); samples (T, D) become one with Hold(xs) or BandLimited(xs)")
    width = getattr(cell, "input_size", None)
    if isinstance(path, AbstractPath) and isinstance(width, int) and path.xs.shape[1:] != (width,):
        raise ValueError(f"path must have samples of shape ({width},) for this cell; they are {path.xs.shape[1:]}.")
    h0 = as_initial_state(h0, cell)
    if save is not None:
        check_callable("save", save, "save(h)")
    clock = Clock.of(path, ts, dt)
    x = jax.eval_shape(lambda: clock.read(path, 0, 0.0))
    return clock, promote(h0, cell, x), dt
