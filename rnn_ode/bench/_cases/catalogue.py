"""All cases by name. A case is a function that takes a `Plan` and returns its rows, ours the first."""

from collections.abc import Callable

from .._race import Plan
from .._rows import Row
from . import (
    basins,
    compare,
    evolve,
    first,
    fixed_points,
    flow,
    gradient,
    imports,
    iterate,
    linear,
    long,
    lstm,
    lyapunov,
    orbits,
    sequence,
    train,
)

# cases that run at every size of `run(hidden=…, batch=…)`; the others have sizes of their own
SIZED: dict[str, Callable[[Plan], list[Row]]] = {
    "iterate": iterate.rows,
    "lstm": lstm.rows,
    "gradient": gradient.rows,
    "sequence": sequence.rows,
    "integrate": flow.held,
    "integrate_linear_input": flow.linear_input,
    "linear": linear.rows,
}
QUICK = ("iterate", "lstm", "gradient", "integrate")
"""The cases that say in a few minutes how fast the package is on a machine."""
CASES: dict[str, Callable[[Plan], list[Row]]] = SIZED | {
    "long": long.rows,
    "evolve": evolve.rows,
    "fixed_points": fixed_points.rows,
    "basins": basins.rows,
    "lyapunov": lyapunov.rows,
    "orbit": orbits.rows,
    "orbits": orbits.branch_rows,
    "train": train.rows,
    "import": imports.rows,
    "first": first.rows,
    "compare": compare.rows,
}
SECONDS = dict.fromkeys(CASES, 60) | {
    "iterate": 10,
    "lstm": 8,
    "gradient": 5,
    "sequence": 6,
    "integrate": 30,
    "integrate_linear_input": 25,
    "linear": 20,
    "long": 15,
    "evolve": 22,
    "basins": 12,
}
"""Roughly, the processor time of each case with 48 units, 60 steps and 20 rounds. Where it was not measured, a minute."""
