"""The case "lowering": whether the package's functions lower for GPUs and TPUs, which needs none of them.

Each row has the seconds of tracing and lowering. A row is wrong if the program calls back to the host, which an accelerator
cannot do quickly or at all.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ..._analyses.fixed_points import fixed_points
from ..._analyses.lyapunov import lyapunov
from ..._bridge.to_ode import to_ode
from ..._cells.vanilla import VanillaCell
from ..._methods.series import Forward
from ..._paths.held import Hold
from ..._run.integrate import integrate
from ..._run.iterate import iterate
from ..._systems.map import Map
from ...linalg._eig import modes
from ...linalg._logm import logm
from .. import _machine
from .._race import Plan
from .._rows import Row

PLATFORMS = ("cuda", "tpu")


def rows(plan: Plan) -> list[Row]:
    with jax.enable_x64(False):
        return [_row(name, f, platform, plan) for name, f in PROGRAMS.items() for platform in PLATFORMS]


def _row(name: str, f: Callable[..., Any], platform: str, plan: Plan) -> Row:
    plan.progress(f"lowering: {name} for {platform}")
    fields = {"hidden": None, "batch": None, "steps": None, "dtype": "float32", "backend": platform}
    row = partial(Row, "lowering", f"{name}, {platform}", **fields, machine=_machine.description())
    began = time.perf_counter()
    try:
        traced = jax.jit(jax.vmap(f)).trace(jnp.ones((2, 4, 4)))
        if "callback" in str(traced.jaxpr):
            return row(ok=False, note="calls the host")
        traced.lower(lowering_platforms=(platform,))
    except Exception as failure:  # a missing rule is a NotImplementedError or a ValueError
        return row(ok=False, note=f"does not lower: {str(failure).partition(chr(10))[0][:100]}")
    seconds = time.perf_counter() - began
    return row(median_s=seconds, low_s=seconds, high_s=seconds, rounds=1, ok=True)


def _cell(W: Any) -> VanillaCell:
    return VanillaCell(W, jnp.ones((4, 1)), jnp.zeros(4), jnp.tanh)


PROGRAMS: dict[str, Callable[..., Any]] = {
    "iterate": lambda W: iterate(_cell(W), jnp.ones((8, 1)), throw=False).states,
    "iterate in parallel": lambda W: iterate(_cell(W), jnp.ones((64, 1)), parallel=True, throw=False).states,
    "gradient of iterate": jax.grad(lambda W: jnp.sum(iterate(_cell(W), jnp.ones((8, 1)), throw=False).states)),
    "integrate": lambda W: (
        integrate(to_ode(_cell(W), Forward(1)), Hold(jnp.ones((8, 1))), jnp.zeros(4), throw=False).states
    ),
    "lyapunov": lambda W: lyapunov(Map(_cell(W), jnp.zeros(1)), jnp.ones(4), 64.0).exponents,
    "fixed_points": lambda W: fixed_points(Map(_cell(W), jnp.zeros(1)), jnp.ones((3, 4))).points,
    "logm": logm,
    "eigenvalues": lambda W: modes(W).values,
}
