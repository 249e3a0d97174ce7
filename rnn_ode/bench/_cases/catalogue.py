"""All cases by name. A case is a function that takes a `Plan` and returns its rows, ours the first."""

from collections.abc import Callable
from typing import Any

import jax

from .._race import Plan
from .._rows import Row
from . import (
    basins,
    compare,
    eig,
    evolve,
    first,
    fixed_points,
    flow,
    flow_gradient,
    gradient,
    imports,
    iterate,
    linear,
    long,
    lowering,
    lyapunov,
    newton,
    noise,
    orbits,
    parallel,
    scheme,
    sequence,
    stream,
    sweep,
    train,
)

# cases that run at every size of `run(hidden=…, batch=…)`; the others have sizes of their own
SIZED: dict[str, Callable[[Plan], list[Row]]] = {
    "iterate": iterate.rows,
    "lstm": iterate.lstm,
    "gru": iterate.gru,
    "gradient": gradient.rows,
    "lstm_gradient": gradient.lstm,
    "gru_gradient": gradient.gru,
    "sequence": sequence.rows,
    "integrate": flow.held,
    "integrate_linear_input": flow.linear_input,
    "linear": linear.rows,
}
QUICK = ("iterate", "lstm", "gradient", "integrate")
"""The cases that say in a few minutes how fast the package is on a machine."""
CASES: dict[str, Callable[[Plan], list[Row]]] = SIZED | {
    "long": long.rows,
    "noise": noise.rows,
    "integrate_gradient": flow_gradient.rows,
    "scheme": scheme.rows,
    "evolve": evolve.rows,
    "stream": stream.rows,
    "fixed_points": fixed_points.rows,
    "basins": basins.rows,
    "lyapunov": lyapunov.rows,
    "orbit": orbits.rows,
    "orbits": orbits.branch_rows,
    "eig": eig.rows,
    "train": train.rows,
    "import": imports.rows,
    "first": first.rows,
    "compare": compare.rows,
    "parallel": parallel.rows,
    "newton": newton.rows,
    "sweep": sweep.rows,
    "lowering": lowering.rows,
}
SECONDS = dict.fromkeys(CASES, 60) | {
    "iterate": 10,
    "lstm": 9,
    "gru": 8,
    "gradient": 8,
    "lstm_gradient": 10,
    "gru_gradient": 10,
    "sequence": 6,
    "integrate": 30,
    "integrate_linear_input": 25,
    "linear": 20,
    "long": 15,
    "integrate_gradient": 120,
    "scheme": 19,
    "evolve": 22,
    "basins": 12,
    "parallel": 60,
    "newton": 15,
    "sweep": 40,
    "lowering": 30,
}
"""Roughly, the processor time of each case with 48 units, 60 steps and 20 rounds. Where it was not measured, a minute."""


def device_suite() -> dict[str, Any]:
    """The arguments of `run` for the accelerator that there is. Where there is none, functions are lowered for others."""
    if jax.default_backend() == "cpu":
        return {"cases": ("parallel", "sweep", "lowering"), "repeats": 5, "peers": False}
    sizes = {"hidden": (64, 256), "batch": (16, 512), "steps": 128}
    return {"cases": ("lstm", "integrate", "parallel", "sweep"), **sizes, "repeats": 10, "peers": False}


SUITES: dict[str, Callable[[], dict[str, Any]]] = {"device": device_suite}
"""Cases and sizes that answer one question together, in less than eight minutes, as arguments of `run`."""
