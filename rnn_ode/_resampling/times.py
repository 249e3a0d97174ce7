"""The times of a run at any times, and the sizes that must be known before the run is compiled."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from .._base.callables import check_cell
from .._base.checks import as_step, as_times, check_callable, is_concrete
from .._base.states import promote
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state
from .._paths.base import check_path_width, check_reading, is_held
from .._run.clock import Clock
from .interpolation import Interpolation, whole_steps

_TRACED_WHOLE = 8
_MOST = 2**31


def prepared(
    cell: Cell, path: Any, ts: Any, h0: Any, dt: Any, save: Callable[[Any], Any] | None
) -> tuple[Clock, State, float]:
    """Return the times, the initial state and the step of a run; `ValueError` or `TypeError` for a wrong argument."""
    dt = as_step("dt", dt)
    check_cell("cell", cell)
    check_callable("path", path, "path(t); samples (T, D) become one with Hold(xs) or BandLimited(xs)")
    check_path_width(path, cell, "cell")
    check_reading(path, cell, "cell")
    h0 = as_initial_state(h0, cell)
    if save is not None:
        check_callable("save", save, "save(h)")
    _check_span(ts, dt)  # before the clock, whose whole numbers would overflow
    clock = Clock.of(path, ts, dt)
    x = jax.eval_shape(lambda: clock.read(path, 0, 0.0))
    return clock, promote(h0, cell, x), dt


def _check_span(ts: Any, dt: float) -> None:
    """`ValueError` for times so many steps from 0 that no index counts them."""
    if is_concrete(ts):
        as_times("ts", ts)  # which inside `jit` returns a traced array
        steps = np.max(np.abs(np.asarray(ts, np.float64)), initial=0) / dt
        if not steps < _MOST:
            raise ValueError(
                f"ts reach {steps:.4g} steps of dt = {dt:g} from 0, and at most {_MOST:g} are run: are ts and dt in one unit?"
            )


class Bounds(NamedTuple):
    """Sizes of the compiled program: `whole`, the most whole steps in a gap; `start`, the length of the orbit off which the
    first results are read; `samples`, by how many samples a held input moves on."""

    whole: int
    start: int
    samples: int


def bounds_of(path: Any, clock: Clock, rule: Interpolation) -> Bounds:
    """Return the sizes that the times need; of traced times, those for gaps of up to 8 whole steps."""
    ahead, behind, _ = rule
    first = min(behind, clock.gaps.shape[0])
    if clock.known:
        gaps = np.asarray(clock.gaps)
        whole, reach = int(whole_steps(np.max(gaps, initial=0), ahead, np)), np.sum(gaps[:first])
        samples = int(clock.whole[-1] - clock.whole[0]) if is_held(path) else 0
    else:
        whole, reach = _TRACED_WHOLE, first * (_TRACED_WHOLE + ahead / 2 + 1)
        samples = path.xs.shape[0] + _TRACED_WHOLE if is_held(path) else 0
    return Bounds(whole, int(whole_steps(np.float64(reach), ahead + behind, np)) + ahead + behind, samples)
