"""How the homogeneous linear part of a network grows, measured by simulation."""

import dataclasses
import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from .._analyses.products import Scaled, push
from .._analyses.spectrum import Spectrum
from ..linalg._exponential import host_exponential

_STEPS = 2000  # of a simulation, at least
_MOST_RUNS = 2**7  # of so many steps


@dataclasses.dataclass(frozen=True)
class Growth:
    """How the homogeneous linear part grows: ‖Wᵏ‖ and ‖exp(W t)‖ at whole steps, with the eigenvalues' bounds.

    eᵅᵗ ≤ ‖exp(W t)‖ ≤ κ eᵅᵗ with α the abscissa and κ the condition number of the eigenvectors; likewise ρᵏ ≤ ‖Wᵏ‖ ≤ κ ρᵏ.
    """

    steps: np.ndarray
    network: np.ndarray
    textbook: np.ndarray
    radius: float
    abscissa: float
    eigenvector_condition: float


def linear_growth(s: Spectrum, count: int = 40) -> Growth:
    """‖Wᵏ‖ and ‖exp(W k)‖ for k = 0 … count, by repeated multiplication in float64 on the host."""
    W, multipliers = np.asarray(s.matrix, float), np.asarray(s.multipliers)
    return Growth(
        steps=np.arange(count + 1),
        network=_norms_of_powers(W, count),
        textbook=_norms_of_powers(host_exponential(W), count),
        radius=float(np.max(np.abs(multipliers))),
        abscissa=float(np.max(np.real(multipliers))),
        eigenvector_condition=float(np.linalg.cond(np.linalg.eig(W)[1])) if np.isfinite(W).all() else math.inf,
    )


def _norms_of_powers(A: np.ndarray, count: int) -> np.ndarray:
    """‖Aᵏ‖₂ for k = 0 … count, infinite from where it leaves the float range."""
    power, norms = np.eye(len(A)), []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(count + 1):
            norms.append(np.linalg.norm(power, 2) if np.isfinite(power).all() else np.inf)
            power = A @ power
    return np.array(norms)


def measured_rate(matrix: Inexact[Array, "N N"], flow: bool = True) -> float | None:
    """Growth of dh/dt = matrix h, or without `flow` of h ↦ matrix h, in nats per step; measured, not from eigenvalues.

    A random state is carried through 2000 steps, and a line is fitted to the second half of log ‖h‖. Where the matrix is
    large, the step is halved until its exponential stays in the float range; from 128 parts on fewer whole steps are taken.
    Returns −∞ where the state becomes 0, and `None` where the matrix is not finite.
    """
    entries = np.asarray(matrix)
    if not np.all(np.isfinite(entries)):
        return None
    norm = float(np.linalg.norm(entries, 1))
    halvings = max(0, math.ceil(math.log2(norm / 16))) if flow and norm > 0 else 0
    step = host_exponential(entries / 2.0**halvings).astype(entries.dtype) if flow else entries
    sizes = simulate(jnp.asarray(step), min(2**halvings, _MOST_RUNS))
    if np.any(np.isneginf(sizes)):
        return -math.inf
    times = np.arange(1, len(sizes) + 1) / 2**halvings
    late = (times > times[-1] / 2) & np.isfinite(sizes)
    return float(np.polyfit(times[late], sizes[late], 1)[0]) if late.sum() > 1 else None


def simulate(step: Inexact[Array, "N N"], runs: int) -> np.ndarray:
    """log ‖stepᵏ h‖ of a random h for k = 1 … 2000·runs, in float64."""
    state, logs = _random_start(len(step), step.dtype), []
    for _ in range(runs):
        state, (sizes, exponents) = _carried(step, state)
        with np.errstate(divide="ignore"):
            logs.append(np.log(np.asarray(sizes, float)) + math.log(2) * np.asarray(exponents, float))
    return np.concatenate(logs)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _random_start(size: int, dtype: Any) -> Scaled:
    return jax.random.normal(jax.random.key(0), (size,), jnp.finfo(dtype).dtype).astype(dtype), jnp.zeros((), int)


@eqx.filter_jit
def _carried(step: Inexact[Array, "N N"], state: Scaled) -> tuple[Scaled, Scaled]:
    return push(lambda h, _: step @ h, state, None, _STEPS)
