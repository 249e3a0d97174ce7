"""Branches of fixed points along a parameter, through folds, with their bifurcations.

A branch is a curve F(h, p) = 0 in the space of z = (h, p), F the system's residual. Pseudo-arclength continuation (Keller
1977; Allgower & Georg, "Introduction to Numerical Continuation Methods", ch. 2 and 8) makes a step along the tangent t, the
null vector of the extended Jacobian A = [∂F/∂h, ∂F/∂p], and returns to the curve by Newton's method in the plane across t,
so that a fold is an ordinary point. Test functions that change sign between two points of the curve:

- the parameter's component of t, at a fold;
- the determinant of A bordered by t, at a branch point, where A loses rank (Keller). (On an arm of a pitchfork the former
  changes sign there too; it is still a branch point.)
- the distance of each eigenvalue of the system's Jacobian beyond the boundary of stability, sorted by it: |λ| − 1 or Re μ.
  The system names the bifurcation: flip (λ = −1), Neimark–Sacker (a pair on the circle), Hopf (a pair on the axis).

The distances stand in for det(J + I) and the bialternate products of Kuznetsov, "Elements of Applied Bifurcation Theory", ch.
10: they are not zero at a neutral saddle (λ₁λ₂ = 1, μ₁ + μ₂ = 0), and two eigenvalues that cross at once do not cancel.

A test counts as zero where its uncertainty may have changed its sign. The uncertainty of an eigenvalue is measured
(`branches_points`). It does not depend on the units, or on modes that are not coupled to the eigenvalue. A branch point is
refined by Newton's method on the regular system of Griewank & Reddien (1984): F + β ψ = 0 and g = 0. Borders make A a regular
matrix, and the two numbers g are a corner of the inverse of that matrix.

Lengths are those of (h / max(s, ‖h‖), p / |p1 − p0|). A coordinate that is always more than 64 times smaller than ‖h‖ has a
unit of its own, such as a gate beside millivolts. The size s of states is the larger of ‖h‖ and |p1 − p0| ‖dh/dp‖ at the
start. If that is zero, or larger than the distance over which the Jacobian changes by a quarter, s is this distance. The
method does not see two crossings of one eigenvalue within one step. It does not see bifurcations of eigenvalues that stay on
the boundary (as in a conservative system), or that always stay within their uncertainty of it (as with a condition of 10⁴ in
float32). The verdicts are UNDETERMINED there.

`branches_walk` goes along the branch, `branches_curve` makes the steps, `branches_crossings` finds what happens between two
of them, `branches_points` computes the tests at a point, and `branches_kernels` holds the compiled functions.
"""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from .._base.checks import as_number, as_step, brief, check_callable, check_count, check_on_host
from .._systems.base import AbstractSystem, check_system
from .branches_curve import Curve
from .branches_made import as_branch
from .branches_result import Branch
from .branches_start import is_orbit, orbits_from
from .branches_walk import follow


def continue_branch(
    make_system: Callable[[Array], AbstractSystem],
    start: PyTree[ArrayLike],
    interval: tuple[ArrayLike, ArrayLike],
    *,
    max_step: float = 0.05,
    max_points: int = 2000,
) -> Branch:
    """The branch of fixed points from p0 on, until p leaves [p0, p1] at either end, through folds.

    **Arguments:**

    - `make_system`: a function of a scalar p that returns a `Map` or `Flow` with a constant input. p is traced, because the
      system is compiled and differentiated.
    - `start`: a guess of the fixed point at p0, flat (N,) or as the cell or field has it.
    - `interval`: (p0, p1); p1 may be the smaller one.
    - `max_step`: the longest step, in units of |p1 − p0| and the state's size. Default 0.05.
    - `max_points`: the branch ends after so many points. Default 2000.

    **Returns:** a `Branch`. Before its last step Newton's method has a step and a residual of at most 1e-10 (float32: 1e-5),
    relative to the state's size and to each row of the Jacobian. Bifurcations are located to 2e-12 (float32: some 1e-5) of
    those units, or as exactly as rounding of the critical eigenvalue allows. A partial branch (out of points, running off to
    infinity, lost) says so in its `result`. Two crossings of one eigenvalue within one step are not seen: use a smaller
    `max_step`.

    **Raises:** `ValueError` if no fixed point is found from `start` at p0, for an empty interval, an input that is not
    constant, or systems of different sizes; `TypeError` if `make_system` returns no system or cannot be traced in p, and for
    states of less than 32 bits.

    It calls compiled functions from the host, so it cannot be used inside `jit`. Each `make_system` is compiled once, and
    anew where what it reads from outside has changed.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(b):
    ...     return ro.Map(ro.VanillaCell([[2.0]], [[1.0]], [0.0], jnp.tanh), b[None])
    >>> branch = ro.continue_branch(network, jnp.array([-1.0]), (-1.0, 1.0))
    >>> [(kind, round(b, 3)) for kind, b, _ in branch.bifurcations], branch.complete
    ([('fold', 0.533), ('fold', -0.533)], True)

    ```
    """
    check_callable("make_system", make_system, "make_system(p)")
    max_step = as_step("max_step", max_step)
    check_count("max_points", max_points, 2)
    check_on_host("continue_branch", start=start, interval=interval)
    ends = _as_interval(interval)
    if is_orbit(start):
        curve, home = orbits_from(make_system, start, ends)
        return as_branch(curve, follow(curve, home, max_step, max_points))
    systems = [_made(make_system, p) for p in ends]
    h = systems[0].as_point("start", start)
    if systems[1].as_point("start", h).shape != h.shape or type(systems[0]) is not type(systems[1]):
        raise ValueError("make_system must return systems of one kind and size for every p.")
    if h.dtype not in (jnp.float32, jnp.float64):
        raise TypeError(f"start must be float32 or float64, and so must the system; got {h.dtype}. Convert both.")
    systems[0].require_constant("continue_branch", h)
    curve = Curve(make_system, systems[0], ends, np.asarray(h).dtype)
    return as_branch(curve, follow(curve, curve.start(np.asarray(h)), max_step, max_points))


def _as_interval(interval: Any) -> tuple[float, float]:
    if not isinstance(interval, tuple | list) or len(interval) != 2:
        raise TypeError(f"interval must be a pair (p0, p1) of numbers; got {brief(interval)}.")
    p0, p1 = (as_number(f"interval[{i}]", p) for i, p in enumerate(interval))
    if not (math.isfinite(p0) and math.isfinite(p1)) or p0 == p1:
        raise ValueError(f"interval must have two different, finite ends (p0, p1); got ({p0}, {p1}).")
    return p0, p1


def _made(make_system: Callable[[Array], AbstractSystem], p: float) -> AbstractSystem:
    made = make_system(jnp.asarray(p, float))
    check_system(f"what make_system returns at p = {p:g}", made)
    made.require_constant("continue_branch")
    return made
