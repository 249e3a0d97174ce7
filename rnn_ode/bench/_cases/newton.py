"""The case "newton": the states of tanh networks by Newton's method for all steps at once, beside the scan, with the number
of steps that the verdict before the run expects.

The exponents of the networks range from strong decay to disturbances that hardly decay. Each is compared with its own scan.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._cells.vanilla import VanillaCell
from ..._run.iterate import iterate
from ..._run.parallel_choice import in_words
from ..._run.parallel_verdict import parallel_verdict
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row

SIZE = (8, 1, 8192)  # units, batch, steps
NETWORKS = ((0, 1.0, 1.2), (0, 1.0, 0.8), (1, 0.3, 1.4), (0, 0.1, 1.0), (1, 0.3, 1.6))  # seed, size of W_x and of W_h
ALLOWED = 1e-5


def rows(plan: Plan) -> list[Row]:
    plan = plan.of_size(*SIZE)
    with jax.enable_x64(False):
        xs = np.random.default_rng(plan.seed).normal(size=(plan.steps, 1)).astype(np.float32)
        at_once, scan = (jitted(partial(iterate, parallel=parallel, throw=False)) for parallel in (True, False))
        contenders = []
        for i, network in enumerate(NETWORKS):
            cell = _cell(plan.hidden, *network)
            wanted, verdict = np.asarray(scan(cell, xs).states), parallel_verdict(cell, xs)
            name = f"exponent {float(verdict.exponent):.2f}"
            values = partial(_beside, wanted)
            note = f"{'' if i else f'{name}; '}{_note(verdict, at_once(cell, xs))}"
            contenders.append(Contender(name if i else OURS, partial(at_once, cell, xs), note, values))
            if i == 0:
                contenders.append(Contender("iterate, step by step", partial(scan, cell, xs), name, values))
        return race("newton", contenders, plan, lambda pair: distance(*pair), ALLOWED)


def _cell(units: int, seed: int, size_x: float, size_h: float) -> VanillaCell:
    """A network with normal weights. Those of `NETWORKS` converge, so that the notes compare counts."""
    rng = np.random.default_rng(seed)
    weights = (
        size_h * rng.normal(size=(units, units)) / units**0.5,
        size_x * rng.normal(size=(units, 1)),
        0.1 * rng.normal(size=units),
    )
    return VanillaCell(*(jnp.asarray(w, jnp.float32) for w in weights), activation=jnp.tanh)


def _beside(wanted: np.ndarray, run: Any) -> tuple[Any, np.ndarray]:
    return run.states, wanted


def _note(verdict: Any, run: Any) -> str:
    """The Newton steps expected and taken, and how the run was computed."""
    taken, way = int(run.stats["newton_steps"]), in_words(run.stats["parallel"]).partition(":")[0]
    return f"Newton steps: {float(verdict.predicted_steps):.0f} expected, {taken} taken ({way})"
