"""The case "basins": which of its memories each of many states of a network goes to."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._analyses.basins import Basins, basins
from ..._cells.vanilla import VanillaCell
from ..._systems.map import Map
from .._race import OURS, Contender, Plan, race
from .._rows import Row

SEARCH = (3, 10_000)  # units and states

_STEPS = 2000  # of the peer; the slowest states near a boundary need fewer than 200

_WEIGHTS = np.array([[1.6, 0.2, 0.0], [-0.1, 1.4, 0.1], [0.0, 0.15, 1.8]])  # six stable fixed points


def rows(plan: Plan) -> list[Row]:
    units, count = SEARCH
    plan = plan.of_size(units, count)
    with jax.enable_x64(True):
        cell = VanillaCell(_WEIGHTS[:units, :units], np.zeros((units, 1)), np.zeros(units), jnp.tanh)
        states = np.random.default_rng(plan.seed).uniform(-2, 2, (count, units))
        wanted = _iterated(states, 2 * _STEPS)
        contenders = [
            Contender(OURS, partial(_ours, cell, states), "attractors are searched for", values=_ends),
            Contender("NumPy", partial(_iterated, states, _STEPS), f"{_STEPS} steps of all states, without attractors"),
        ]
        return race("basins", contenders, plan, partial(_missed, wanted), allowed=0.0)


def _ours(cell: VanillaCell, states: np.ndarray) -> Basins:
    return basins(Map(cell, jnp.zeros(1)), states)


def _ends(found: Basins) -> np.ndarray:
    """The attractor of each state, NaN for none."""
    points = np.array(
        [attractor.points[0] for attractor in found.attractors] + [np.full(found.states.shape[1], np.nan)]
    )
    return points[np.where(found.labels >= 0, found.labels, -1)]


def _iterated(states: np.ndarray, steps: int) -> np.ndarray:
    for _ in range(steps):
        states = np.tanh(states @ _WEIGHTS[: states.shape[1], : states.shape[1]].T)
    return states


def _missed(wanted: np.ndarray, ends: Any) -> float:
    """The share of states that end elsewhere than in the reference."""
    if np.shape(ends) != wanted.shape:
        return math.inf
    return float(np.mean(~(np.max(np.abs(np.asarray(ends) - wanted), axis=1) < 1e-6)))
