"""The start of the invariant circle that is born at a Neimark–Sacker point of a map.

Near the point a state is h + 2 Re(w q), with the eigenvector q and w ↦ λ(p) w (1 + d |w|²) (Kuznetsov, "Elements of Applied
Bifurcation Theory", 4.7). The circle has |w|² = −log |λ(p)| / Re d, and w turns on it by arg λ(p) + |w|² Im d a step.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy import ndarray

from .._base.results import RESULTS
from .._base.verdict import Verdict
from .._systems.base import AbstractSystem
from .branches_curve import Curve, length_of
from .branches_result import Bifurcation, Branch
from .normal_forms import Forms, circle_coefficient, resonance_of

_CIRCLES = 8

_STATES = 64  # of a circle

_LARGEST = 0.1  # of the size of states: the radius of the last circle

_NEARBY = 1e-3  # of the interval, over which the growth of the critical multiplier is compared


def circle_from(
    make_system: Any, system: AbstractSystem, branch: Branch, index: int, bifurcation: Bifurcation
) -> Branch:
    """Returns circles of the normal form, from the point on, on the side on which they exist."""
    critical = complex(branch.critical[branch.indices.index(index)])
    if resonance_of(critical):
        raise ValueError(
            f"no circle need be born here: the multiplier {critical:.4g} is at the strong resonance "
            f"1:{resonance_of(critical)}, where the normal form of a Neimark–Sacker point does not hold."
        )
    kind = branch.points.dtype
    curve = Curve(make_system, system, branch.interval, kind)
    z = np.append(bifurcation.point, bifurcation.parameter).astype(kind)
    curve.sizes = np.max(np.abs(branch.points), axis=0)
    curve.small = curve.state_size(length_of(curve.sizes), curve.natural_size(z))
    J = np.asarray(system.jacobian(jnp.asarray(bifurcation.point)), float)
    d, q = circle_coefficient(Forms(make_system, z, J), critical)
    nearby = [_fixed_point(curve, z, shift)[1] for shift in (-_NEARBY, _NEARBY)]
    slope = float(np.diff([np.log(abs(_multiplier(J, critical))) for J in nearby])[0]) / (2 * _NEARBY * curve.width)
    last = (_LARGEST * curve.small) ** 2 * abs(d.real / slope) / curve.width
    shifts = -np.sign(slope * d.real) * min(last, 0.5) * np.arange(1, _CIRCLES + 1) / _CIRCLES
    angle = abs(np.angle(critical))
    rows = [(z[-1], np.tile(bifurcation.point, (_STATES, 1)), 0.0, 2 * np.pi / angle)]
    rows += [_circle(make_system, *_fixed_point(curve, z, shift), critical, d, q) for shift in shifts]
    parameters, points, residuals, turns = (np.array(column).astype(kind) for column in zip(*rows, strict=True))
    others = np.sort(np.abs(np.linalg.eigvals(J)))[::-1][2:]
    stable = d.real < 0 and bool(np.all(others < 1)) and abs(critical) > 1 - 1e-6
    items = [Verdict.UNDETERMINED, *[Verdict.DECAYS if stable else Verdict.GROWS] * _CIRCLES]
    return Branch(
        parameters=parameters,
        points=points,
        residuals=residuals,
        eigenvalues=np.full((len(points), len(q)), np.nan, np.result_type(kind, np.complex64)),
        verdicts=jax.tree.map(lambda *leaves: jnp.stack(leaves), *items),
        bifurcations=[bifurcation],
        indices=[0],
        critical=np.array([critical]).astype(np.result_type(kind, np.complex64)),
        closed=False,
        result=RESULTS.branch_of_circles,
        interval=branch.interval,
        periods=turns * np.asarray(system.stepper().length, kind),
    )


def _fixed_point(curve: Curve, z: ndarray, shift: float) -> tuple[ndarray, ndarray]:
    """Returns the fixed point and the Jacobian where p has moved by that share of the interval."""
    guess, along = z.copy(), np.zeros(len(z))
    guess[-1], along[-1] = z[-1] + shift * curve.width, 1.0
    point = curve.correct(guess, along, curve.units(guess))
    return point.z, point.jacobian.astype(float)


def _multiplier(J: ndarray, near: complex) -> complex:
    values = np.linalg.eigvals(J)
    return complex(values[np.argmin(np.abs(values - near))])


def _circle(
    make_system: Any, z: ndarray, J: ndarray, critical: complex, d: complex, q: ndarray
) -> tuple[float, ndarray, float, float]:
    """Returns the parameter, the states of a circle, how far their images are from it, and the steps of one turn."""
    value = _multiplier(J, critical)
    square = -np.log(abs(value)) / d.real
    angle = np.angle(value) + square * d.imag * np.sign(critical.imag)
    turns = np.exp(2j * np.pi * np.arange(_STATES) / _STATES)
    states, wanted = (z[:-1] + 2 * np.real(square**0.5 * w[:, None] * q) for w in (turns, turns * np.exp(1j * angle)))
    images = np.asarray(jax.vmap(make_system(jnp.asarray(z[-1])).rule)(jnp.asarray(states.astype(z.dtype))))
    return float(z[-1]), states, float(np.max(np.abs(images - wanted))), 2 * np.pi / abs(angle)
