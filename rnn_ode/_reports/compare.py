"""The network and each of its counterparts on one input: predictions beside measurements."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Num, PyTree, Real

from .._analyses.spectrum import spectrum_of
from .._base.checks import as_step, brief, check_on_host, progress_of
from .._base.states import flat_rows, promote
from .._base.types import Cell, State
from .._base.verdict import verdict_name
from .._cells.protocol import as_initial_state, linear_part
from .._methods.base import AbstractMethod
from .._methods.closed import Exact, Textbook, Tustin
from .._methods.series import Backward, Forward
from .._run.iterate import check_inputs, iterate
from .._run.trajectory import Trajectory
from .comparison import Comparison
from .comparison_rows import ERROR_LIMIT, Row
from .counterparts import local_jacobian, run_counterpart
from .linear_growth import linear_growth, measured_rate

METHODS = (Textbook(), Forward(1), Backward(1), Tustin(), Exact())


def compare(
    cell: Cell,
    xs: Real[ArrayLike, "T ..."],
    h0: PyTree[ArrayLike] | None = None,
    methods: Sequence[AbstractMethod] | AbstractMethod = METHODS,
    *,
    dt: float = 1.0,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Run a network and its counterparts on the same held input, and set the predictions beside the measurements.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `xs`: inputs (T, D), held during each step.
    - `h0`: the initial state. Default zeros, for cells whose state's shape is known.
    - `methods`: the conversions, one or a sequence. Each is a row.
    - `dt`: length of the network's step, in time. Default 1.
    - `progress`: a function called with each method's label when its row begins.

    **Returns:** a `Comparison`. Of each method it holds:

    - the error at the samples, and the time at which the counterpart and the network part;
    - the verdicts of the eigenvalues on the linear part of the network and of the counterpart;
    - the growth rate that the eigenvalues predict, and the one measured by simulating the homogeneous linear system;
    - whether the method's series converges, and the size of its first neglected term.

    The linear part is W_h for a `VanillaCell`, A + W for a `PiecewiseLinearCell`, and the Jacobian at h0 and the mean input
    for a cell that does not name one.

    **Raises:** `ValueError` or `TypeError` for input that does not fit the network. A method raises nothing: its row says why
    it does not exist here, or where its run left the float range.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> [(row.method.label, row.verdict, row.agrees) for row in c.rows]
    [('textbook', 'GROWS', False), ('exact', 'DECAYS', True)]

    ```
    """
    check_on_host("compare", cell=cell, xs=xs, h0=h0, dt=dt)
    dt = as_step("dt", dt)
    methods = _as_methods(methods)
    xs = check_inputs(cell, xs)
    h0 = promote(as_initial_state(h0, cell), cell, xs, least=jnp.float32)
    report = progress_of(progress)
    report("network")
    network = iterate(cell, xs, h0, dt=dt, throw=False)
    W, part_name = _linear_part(cell, xs, h0)
    report("eigenvalues")
    s = spectrum_of(W)
    verdict, predictions = s.predictions(*methods)
    generators = [_generator(method, s.matrix) for method in methods]
    rows = []
    for method, prediction, generator in zip(methods, predictions, generators, strict=True):
        report(method.label)
        trajectory, reason = run_counterpart(cell, method, xs, h0, dt)
        errors = _errors(network, trajectory)
        parted = np.flatnonzero(errors > ERROR_LIMIT)
        rows.append(
            Row(
                method=method,
                trajectory=trajectory,
                errors=errors,
                network_verdict=verdict_name(verdict),
                verdict=verdict_name(prediction.verdict),
                predicted_rate=float(prediction.rate),
                measured_rate=measured_rate(generator),
                series_converges=bool(prediction.series_converges),
                neglected=float(prediction.neglected),
                parted_at=float(np.asarray(network.ts)[parted[0]]) if len(parted) else None,
                reason=reason,
            )
        )
    report("growth")
    return Comparison(
        network=network,
        rows=tuple(rows),
        spectrum=s,
        network_verdict=verdict_name(verdict),
        measured_rate=measured_rate(s.matrix, flow=False),
        linear_part=part_name,
        growth=linear_growth(s),
    )


def _as_methods(methods: Any) -> tuple[AbstractMethod, ...]:
    """One method or several as a tuple, which is not empty."""
    if isinstance(methods, str) or not isinstance(methods, AbstractMethod | Iterable):
        raise TypeError(
            f"methods must be a sequence of rnn_ode's methods, such as (Forward(1), Exact()); got {brief(methods)}."
        )
    methods = (methods,) if isinstance(methods, AbstractMethod) else tuple(methods)
    for method in methods:
        if not isinstance(method, AbstractMethod):
            raise TypeError(f"methods must be rnn_ode's methods, such as Forward(1) or Exact(); got {brief(method)}.")
    if not methods:
        raise ValueError("methods must hold at least one method; it is empty.")
    return methods


def _linear_part(cell: Cell, xs: Array, h0: State) -> tuple[Float[Array, "N N"], str]:
    """The matrix of the network's linear part, and its name."""
    if (known := linear_part(cell)) is not None:
        return known
    return local_jacobian(cell, jnp.mean(xs, axis=0), h0), "the Jacobian at h0 and the mean input"


def _generator(method: AbstractMethod, W: Float[Array, "N N"]) -> Num[Array, "N N"]:
    """g(W), not finite where it does not exist."""
    try:
        return method.of_matrix(W)
    except ValueError:  # of a logarithm of known values
        return jnp.full_like(W, jnp.nan)


def _errors(network: Trajectory, trajectory: Trajectory | None) -> np.ndarray:
    """Relative distance (T + 1,) of the states: NaN where either has ended, ∞ where the distance leaves the float range."""
    if trajectory is None:
        return np.full(network.ts.shape[0], np.nan)
    ours, theirs = flat_rows(network.states), flat_rows(trajectory.states)
    alive = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    ours, theirs = (np.where(alive[:, None], states, 0.0).astype(float) for states in (ours, theirs))  # pyright: ignore
    scale = np.max(np.abs(ours)) or 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        ours, difference = ours / scale, theirs / scale - ours / scale
        largest = np.maximum(np.max(np.abs(difference), axis=1), np.finfo(float).tiny)  # squares may leave the range
        distance = np.where(largest < np.inf, largest * np.linalg.norm(difference / largest[:, None], axis=1), np.inf)
    return np.where(alive, distance / (np.max(np.linalg.norm(ours, axis=1)) or 1.0), np.nan)
