"""A network and one of its flows under a constant input: every question of this package, asked of both side by side."""

from collections.abc import Callable

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import PyTree

from .._analyses.fixed_points import FixedPoints
from .._base.checks import as_floats, as_step, brief, check_count, check_on_host, progress_of
from .._base.types import Cell, State
from .._bridge.schemes import RungeKutta
from .._bridge.to_ode import to_ode
from .._bridge.to_rnn import to_rnn
from .._cells.protocol import as_state, initial_state
from .._methods.base import AbstractMethod
from .._methods.series import Forward
from .._systems.flow import Flow
from .._systems.map import Map
from .analysis import Analysis
from .analysis_points import added_and_undefined, with_shared
from .analysis_portrait import grid_of, nullclines_of, plane_of
from .analysis_questions import Answers, Questions
from .analysis_side import Side

_SUBSTEPS = 20  # of the flow, in a step of the network


def analyse(
    cell: Cell,
    x: ArrayLike,
    method: AbstractMethod | None = None,
    *,
    h0: PyTree[ArrayLike] | None = None,
    dt: float = 1.0,
    steps: int = 400,
    guesses: int = 64,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Analysis:
    """Ask a network and its flow the same questions under a constant input.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `x`: the constant input (D,).
    - `method`: the conversion. Default `Forward(1)`.
    - `h0`: the state where the run starts. Default a small random state, for cells whose state's shape is known.
    - `dt`: length of the network's step, in time. Default 1.
    - `steps`: number of the network's steps in the run, the exponents and the gradients. Default 400.
    - `guesses`: number of guesses for the fixed points, drawn about the run, and again about zero. Default 64.
    - `seed`: of the guesses and of the default `h0`. Default 0.
    - `progress`: a function called with a line of text as each part begins.

    **Returns:** an `Analysis` with two of `Side`. A question that one of them cannot answer (no logarithm here, a run that
    leaves the float range) leaves a gap, with the reason.

    **Raises:** `ValueError` or `TypeError` for input that does not fit the network.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[1.5]], [[1.0]], [0.0], jnp.tanh)
    >>> a = ro.analyse(cell, jnp.zeros(1), steps=100)
    >>> [(side.name, int(side.points.count)) for side in a.sides]
    [('network', 3), ('forward:1', 3)]

    ```
    """
    check_on_host("analyse", cell=cell, x=x, method=method, h0=h0)
    x, method, dt = as_floats("x", x), Forward(1) if method is None else method, as_step("dt", dt)
    if not hasattr(method, "exponent") or isinstance(method, type):
        raise TypeError(f"method must be one of rnn_ode's methods, such as Forward(1) or Exact(); got {brief(method)}.")
    check_count("steps", steps, 20)
    check_count("guesses", guesses)
    check_count("seed", seed, 0)
    network = Map(cell, x, dt)
    start = network.as_point("h0", _small(initial_state(cell), seed) if h0 is None else as_state("h0", h0, cell))
    questions = Questions(x, start, dt, steps, guesses, seed, progress_of(progress))
    first = questions.ask("network", network, cell, None)
    try:
        field = to_ode(cell, method, dt=dt)
    except (TypeError, ValueError) as error:
        second = Answers(method.label, None, reason=str(error))
    else:
        stepped = to_rnn(field, RungeKutta(substeps=_SUBSTEPS), dt)
        second = questions.ask(method.label, Flow(field, x), stepped, dt / _SUBSTEPS, (first.orbit,))
    return _side_by_side(first, second, x, method, dt)


def _small(state: State, seed: int) -> State:
    """A state near zero that is on no symmetry of the network."""
    flat, unravel = ravel_pytree(state)
    return unravel(0.1 * jax.random.normal(jax.random.key(seed), flat.shape, flat.dtype))


def _side_by_side(network: Answers, flow: Answers, x: jax.Array, method: AbstractMethod, dt: float) -> Analysis:
    """Both systems' answers as one analysis: each has the fixed points of both, marked where the other lacks them."""
    points = (
        with_shared(network.points, network.system, flow.points),
        with_shared(flow.points, flow.system, network.points),
    )
    centre, axes = plane_of(network.orbit, points[0])
    grid = grid_of(network.orbit, points, centre, axes)

    def side(answers: Answers, other: Answers, points: FixedPoints | None, mark: str) -> Side:
        added, undefined = added_and_undefined(points, other.system)
        return Side(
            name=answers.name,
            system=answers.system,
            times=answers.times,
            orbit=answers.orbit,
            points=points,
            added=added,
            undefined=undefined,
            mark=mark,
            exponents=answers.exponents,
            gradients=answers.gradients,
            transient=answers.transient,
            about=answers.about,
            nullclines=nullclines_of(answers.system, len(centre), grid),
            reason=answers.reason,
            closed=answers.closed,
        )

    sides = side(network, flow, points[0], "lost"), side(flow, network, points[1], "added")
    return Analysis(sides, np.asarray(x), method, centre, axes, grid, dt)
