"""How many steps a run for Lyapunov exponents makes, and in which blocks."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from .._systems.base import AbstractSystem

_ROWS = 200  # of the history, at most
_STRIDE = 10  # steps between orthonormalisations, at most
_BLOCKS = 4000  # for all of the run, at most
_MOST_STEPS = 2**30


class Plan(NamedTuple):
    """How a run is divided. Where a step is divided into parts, steps and blocks have as many times more."""

    align: int
    """Steps from h0 on that only turn the frame, after which the run starts anew."""
    transient: int
    """Steps from h0 on that do not count."""
    counted: int
    """Steps that count, after the transient."""
    block: int
    """Steps in a block. The history has a row for each block."""
    stride: int
    """Steps between orthonormalisations."""
    length: float
    """Length of a step, in time."""

    def schedule(self) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"], int]:
        """Each block's first step and how many steps it has, phase by phase, and how many blocks are before the counted ones.

        A block that starts with step 0 starts at h0.
        """
        phases = [(0, self.align), (0, self.transient), (self.transient, self.counted)]
        starts = [first + np.arange(0, steps, self.block) for first, steps in phases]
        ends = [np.minimum(start + self.block, sum(phase)) for start, phase in zip(starts, phases, strict=True)]
        first = np.concatenate(starts)
        return first, np.concatenate(ends) - first, len(starts[0]) + len(starts[1])


def plan_run(system: AbstractSystem, size: int, length: float, duration: float, transient: float) -> Plan:
    """The plan of a run of a system with `size` states, in steps of that length; `ValueError` where there is none."""
    counted, before = round(duration / length), round(transient / length)
    if counted < 1:
        raise ValueError(f"duration must be at least one step, {length:g}; got {duration:g}.")
    if (counted + before) * length > system.span * (1 + 1e-9):
        raise ValueError(
            f"transient + duration must end with the input's samples, which cover a time of {system.span:g}; "
            f"got {transient:g} + {duration:g}. Give more samples, or a shorter run."
        )
    if counted + before >= _MOST_STEPS:
        raise ValueError(
            f"transient + duration must be under 2³⁰ = 1.07e9 steps; got {counted + before:.3g} steps of {length:g}. "
            "Give a shorter run; a flow with decays much faster than the duration is stiff and needs so many steps."
        )
    align = 0 if size == 1 or before >= counted / 10 else -(-counted // 10)
    stride = max(1, min(_STRIDE, counted // _ROWS))
    blocks = max(-(-counted // (stride * _ROWS)), -(-(counted + before + align) // (stride * _BLOCKS)))
    return Plan(align, before, counted, stride * blocks, stride, length)
