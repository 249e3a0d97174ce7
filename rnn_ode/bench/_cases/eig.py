"""The case "eig": the gradient of a function of eigenvectors, beside LAPACK's eigenvectors alone."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ...linalg import eig
from .._race import OURS, Contender, Plan, jitted, race
from .._rows import Row

UNITS = 64


def rows(plan: Plan) -> list[Row]:
    plan = plan.of_size(UNITS)
    with jax.enable_x64(True):
        rng = np.random.default_rng(plan.seed)
        W, weights = rng.normal(size=(UNITS, UNITS)) / UNITS**0.5, rng.normal(size=(UNITS, UNITS))
        along = rng.normal(size=(UNITS, UNITS)) / UNITS**0.5
        step = 1e-6
        wanted = (_loss(W + step * along, weights) - _loss(W - step * along, weights)) / (2 * step)
        contenders = [
            Contender(
                OURS,
                partial(jitted(jax.value_and_grad(_loss)), jnp.asarray(W), jnp.asarray(weights)),
                "with the gradient",
                values=lambda found: np.sum(np.asarray(found[1]) * along),
            ),
            Contender("LAPACK by NumPy", partial(np.linalg.eig, W), "vectors alone", values=None),
            Contender(
                "LAPACK by JAX",
                partial(jitted(jnp.linalg.eig), jnp.asarray(W)),
                "vectors alone",
                values=None,
            ),
        ]
        return race("eig", contenders, plan, partial(_error, wanted), allowed=1e-5)


def _loss(W: Any, weights: Any) -> Array:
    """A function of the sizes of the entries of all eigenvectors, weighted by their eigenvalues."""
    values, V = eig(W)
    return jnp.sum(weights * jnp.abs(V) ** 2 * jnp.real(values)[None])


def _error(wanted: Any, found: Any) -> float:
    return float(abs(found / wanted - 1))
