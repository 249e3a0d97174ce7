"""The network and each of its counterparts on one input: what was predicted beside what was measured."""

import dataclasses
import json
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree, Real

from .._analyses.spectrum import Spectrum, spectrum
from .._base.checks import as_step
from .._base.protocol import is_linear_in_steps
from .._base.results import RESULTS
from .._base.states import flat_rows, promote, real_dtype
from .._base.text import plain
from .._base.types import Cell
from .._base.verdict import verdict_name
from .._bridge.to_ode import converted_map, to_ode
from .._cells.protocol import as_initial_state, linear_part
from .._methods.base import AbstractMethod
from .._methods.closed import Exact, Textbook, Tustin
from .._methods.series import Backward, Forward
from .._paths.held import Hold
from .._run.integrate import integrate
from .._run.iterate import check_inputs, iterate
from .._run.tolerances import default_rtol
from .._run.trajectory import Trajectory
from ..linalg._exponential import exponential

METHODS = (Textbook(), Forward(1), Backward(1), Tustin(), Exact())

ERROR_LIMIT = 0.1
"""The relative error above which a counterpart and the network have parted."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One counterpart beside the network.

    Errors are relative: ‖difference of the states‖ over the network's largest ‖state‖. Rates are in nats per step, of the
    linear part. `reason` is empty, or says why the counterpart does not exist here or where its run ended.
    """

    method: AbstractMethod
    trajectory: Trajectory | None
    errors: np.ndarray
    """(T + 1,) relative error at the samples; NaN past the end of a run that ended early."""
    network_verdict: str
    verdict: str
    predicted_rate: float
    measured_rate: float | None
    series_converges: bool
    neglected: float
    parted_at: float | None
    """The first time at which the error exceeds a tenth, or `None`."""
    reason: str

    @property
    def agrees(self) -> bool:
        """Whether the eigenvalues say the same of the network's linear part and of the counterpart's."""
        return self.verdict == self.network_verdict

    @property
    def error_max(self) -> float | None:
        """Largest relative error at a sample that both reached."""
        return float(np.nanmax(self.errors[1:])) if self._measured else None

    @property
    def error_rms(self) -> float | None:
        """Root-mean-square relative error over the samples that both reached."""
        largest = self.error_max
        if largest is None or largest == 0 or not math.isfinite(largest):
            return largest
        return largest * float(np.sqrt(np.nanmean((self.errors[1:] / largest) ** 2)))

    @property
    def _measured(self) -> bool:
        return bool(np.any(np.isfinite(self.errors[1:])))

    def to_dict(self) -> dict[str, Any]:
        """The row as plain numbers and strings, ready for json (no NaN, no infinity)."""
        numbers = {
            name: plain(getattr(self, name))
            for name in ("error_max", "error_rms", "parted_at", "predicted_rate", "measured_rate", "neglected")
        }
        return {
            "method": self.method.label,
            "network_verdict": self.network_verdict,
            "verdict": self.verdict,
            "agrees": self.agrees,
            "series_converges": self.series_converges,
            "reason": self.reason,
            **numbers,
        }


@dataclasses.dataclass(frozen=True)
class Growth:
    """How the homogeneous linear part grows: ‖Wᵏ‖ and ‖exp(W t)‖ at whole steps, with the eigenvalues' bounds.

    eᵅᵗ ≤ ‖exp(W t)‖ ≤ κ eᵅᵗ with α the abscissa and κ the condition number of the eigenvectors; so for Wᵏ with ρᵏ.
    """

    steps: np.ndarray
    network: np.ndarray
    textbook: np.ndarray
    radius: float
    abscissa: float
    eigenvector_condition: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` found: `network` the network's trajectory, `rows` one per method, `spectrum` of the linear part.

    `table()` is a text table, `plot()` a figure, `to_json()` the same as data.
    """

    error_limit: ClassVar[float] = ERROR_LIMIT
    network: Trajectory
    rows: tuple[Row, ...]
    spectrum: Spectrum
    network_verdict: str
    measured_rate: float | None
    linear_part: str
    growth: Growth

    def table(self) -> str:
        """The comparison as a text table, a row per method, with what its columns mean underneath."""
        return _table(self)

    def plot(self):
        """The comparison as one matplotlib figure (needs the `app` extra)."""
        from ..plot import comparison

        return comparison(self)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain numbers and strings, ready for json."""
        s = self.spectrum
        return {
            "network": {
                "verdict": self.network_verdict,
                "linear_part": self.linear_part,
                "predicted_rate": plain(s.rate()),
                "measured_rate": plain(self.measured_rate),
                "radius": plain(s.radius),
                "abscissa": plain(s.abscissa),
                "steps": int(self.network.ts.shape[0]) - 1,
                "reason": _ended(self.network),
            },
            "rows": [row.to_dict() for row in self.rows],
        }

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)


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

    **Arguments:** `cell` any cell; `xs` (T, D) inputs; `h0` the initial state, zeros by default where known; `methods` the
    conversions, a row each; `dt` the network's step, time; `progress` a function called with each method's label when its
    row begins.

    **Returns:** a `Comparison`. Per method: the error at the samples and the time at which the two part; the verdicts of the
    eigenvalues on the linear part of the network and of the counterpart; the growth rate they predict and the one
    measured by simulating the homogeneous linear system; whether the series converges and how large its first neglected
    term is. The linear part is W_h for a `VanillaCell`, A + W for a `PiecewiseLinearCell`, and the Jacobian at h0 and the
    mean input for any other cell.

    **Raises:** `ValueError` or `TypeError` for input that does not fit the network; never for a method: its row says why it
    does not exist here, or where its run left the float range.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> c = ro.compare(cell, jnp.ones((8, 1)), methods=(ro.Textbook(), ro.Exact()))
    >>> [(row.method.label, row.verdict, row.agrees) for row in c.rows]
    [('textbook', 'GROWS', False), ('exact', 'DECAYS', True)]

    ```
    """
    dt = as_step("dt", dt)
    methods = _check_methods(methods)
    xs = check_inputs(cell, xs)
    h0 = promote(as_initial_state(h0, cell), cell, xs, least=jnp.float32)
    report = progress or (lambda _: None)
    report("network")
    network = iterate(cell, xs, h0, dt=dt, throw=False)
    W, part_name = _linear_part(cell, xs, h0)
    report("eigenvalues")
    s, discrete, predictions = predict(W, methods)
    rows = []
    for method, (verdict, rate, converges, neglected, generator) in zip(methods, predictions, strict=True):
        report(method.label)
        trajectory, reason = _run(cell, method, xs, h0, dt)
        errors = _errors(network, trajectory)
        parted = np.flatnonzero(errors > ERROR_LIMIT)
        rows.append(
            Row(
                method=method,
                trajectory=trajectory,
                errors=errors,
                network_verdict=verdict_name(discrete),
                verdict=verdict_name(verdict),
                predicted_rate=float(rate),
                measured_rate=measured_rate(generator),
                series_converges=bool(converges),
                neglected=float(neglected),
                parted_at=float(network.ts[parted[0]]) if len(parted) else None,
                reason=reason,
            )
        )
    report("growth")
    network_rate = measured_rate(s.matrix, flow=False)
    return Comparison(network, tuple(rows), s, verdict_name(discrete), network_rate, part_name, _growth(s))


@eqx.filter_jit
def predict(W, methods):
    """The spectrum, the network's verdict, and per method verdict, rate, convergence, neglected term and generator."""
    s = spectrum(W)
    network, *verdicts = s.verdicts(*methods)
    predictions = [
        (verdict, s.rate(m), s.series_converges(m), s.neglected(m), m.generator(s.matrix))
        for m, verdict in zip(methods, verdicts, strict=True)
    ]
    return s, network, predictions


def _check_methods(methods) -> tuple[AbstractMethod, ...]:
    if not isinstance(methods, AbstractMethod | Iterable):
        raise TypeError(
            f"methods must be a sequence of rnn_ode's methods, such as (Forward(1), Exact()); got {methods!r}."
        )
    methods = (methods,) if isinstance(methods, AbstractMethod) else tuple(methods)
    for method in methods:
        if not isinstance(method, AbstractMethod):
            raise TypeError(f"methods must be rnn_ode's methods, such as Forward(1) or Exact(); got {method!r}.")
    if not methods:
        raise ValueError("methods must hold at least one method; it is empty.")
    return methods


def _linear_part(cell, xs, h0) -> tuple[Float[Array, "N N"], str]:
    if (known := linear_part(cell)) is not None:
        return known, cell.linear_part_name
    return _jacobian(cell, jnp.mean(xs, axis=0), h0), "the Jacobian at h0 and the mean input"


@eqx.filter_jit
def _jacobian(cell, x, h) -> Float[Array, "M M"]:
    flat, unravel = ravel_pytree(h)
    return jax.jacfwd(lambda v: ravel_pytree(cell(x, unravel(v)))[0])(flat)


def _run(cell, method, xs, h0, dt) -> tuple[Trajectory | None, str]:
    """The counterpart's trajectory at the samples, and why there is none or where it ended."""
    whole = converted_map(cell, method)
    if whole is not None and (missing := method.obstacle(whole.W)) is not None:
        return None, f"does not exist here: {missing.text}"
    try:
        field = to_ode(cell, method, dt=dt)
    except (TypeError, ValueError) as error:
        return None, f"does not exist here: {error}"
    local = getattr(field, "partial", False)
    if local and (why := _missing_at(cell, method, xs[0], h0)):
        return None, f"does not exist here: {why} at t = 0"
    trajectory = integrate(field, Hold(xs, dt), h0, **_effort(field, h0, len(xs)), throw=False)
    reason = _ended(trajectory)
    if local and bool(trajectory.result == RESULTS.field_undefined):
        k = _reached(trajectory)
        last = jax.tree.map(lambda rows: jnp.real(rows[k]), trajectory.states)
        at = f"t = {float(trajectory.ts[k]):g}"
        why = _missing_at(cell, method, xs[min(k, len(xs) - 1)], last)
        reason = f"does not exist here: {why} at {at}" if why else f"does not exist here from shortly after {at}"
    return trajectory, reason


def _effort(field, h0, samples: int) -> dict[str, Any]:
    """Tolerances and steps: default ones for a linear field; less where kinks of the activation cost steps, and where a
    step costs linear algebra and the field may jump with the Jacobian; never less than the state's type can hold."""
    if is_linear_in_steps(field):
        return {}
    rtol, least, each = (1e-6, 1024, 16) if getattr(field, "partial", False) else (1e-8, 4096, 64)
    return {"rtol": max(rtol, default_rtol(field, h0)), "max_steps": max(least, each * samples)}


def _missing_at(cell, method, x, h) -> str:
    """Why the method does not exist at a state: which multiplier of the local step forbids it; empty if none does."""
    why = method.obstacle(_jacobian(cell, x, h))
    if why is None:
        return ""
    return "zero multiplier" if why.zero else why.text.replace("its", "the local step's")


def _reached(trajectory: Trajectory) -> int:
    """Index of the last row before a run ended."""
    finite = np.append(np.isfinite(flat_rows(trajectory.states)).all(axis=1), False)
    return int(np.argmin(finite)) - 1


def _ended(trajectory: Trajectory) -> str:
    """Why a run ended early and after which time; empty if it did not."""
    if bool(trajectory.result == RESULTS.successful):
        return ""
    at = f"t = {float(trajectory.ts[_reached(trajectory)]):g}"
    for result, words in (
        (RESULTS.left_float_range, f"left the float range after {at}"),
        (RESULTS.not_a_number, f"not a number after {at}"),
        (RESULTS.field_undefined, f"the field is not finite shortly after {at}"),
        (RESULTS.max_steps_reached, f"stopped after {at}: out of solver steps"),
        (RESULTS.stiff, f"stopped after {at}: the field is stiff; integrate it with solver=diffrax.Kvaerno5()"),
        (RESULTS.step_vanished, f"stopped after {at}: the solution runs off to infinity there, or the field jumps"),
    ):
        if bool(trajectory.result == result):
            single = real_dtype(trajectory.states) == jnp.float32
            hinted = single and bool((result == RESULTS.left_float_range) | (result == RESULTS.step_vanished))
            return words + (" (in float32; float64 may go on)" if hinted else "")
    return f"{RESULTS[trajectory.result]} ({at})"


def _errors(network: Trajectory, trajectory: Trajectory | None) -> np.ndarray:
    """Relative distance (T + 1,) of the states, NaN where either has ended."""
    if trajectory is None:
        return np.full(network.ts.shape[0], np.nan)
    ours, theirs = flat_rows(network.states), flat_rows(trajectory.states)
    alive = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    ours, theirs = (np.where(alive[:, None], states, 0.0).astype(float) for states in (ours, theirs))  # pyright: ignore
    scale = np.max(np.abs(ours)) or 1.0
    ours, difference = ours / scale, theirs / scale - ours / scale
    largest = np.maximum(np.max(np.abs(difference), axis=1), np.finfo(float).tiny)  # squares may leave the range
    distance = largest * np.linalg.norm(difference / largest[:, None], axis=1)
    return np.where(alive, distance / (np.max(np.linalg.norm(ours, axis=1)) or 1.0), np.nan)


def measured_rate(matrix: Array, flow: bool = True) -> float | None:
    """Growth of dh/dt = matrix h, or without `flow` of h ↦ matrix h, in nats per step; measured, not from eigenvalues.

    A random state is carried through 2000 steps, and a line is fitted to the second half of log ‖h‖. Where the matrix is
    large, a step is halved until its exponential has the float range; from 128 parts on fewer steps are taken. `None` where
    the matrix is not finite.
    """
    if not np.all(np.isfinite(np.asarray(matrix))):
        return None
    norm = float(np.linalg.norm(np.asarray(matrix), 1))
    halvings = max(0, math.ceil(math.log2(norm / 16))) if flow and norm > 0 else 0
    sizes = simulate(_expm(matrix / 2.0**halvings) if flow else matrix, 2 ** min(halvings, 7))
    times = np.arange(1, len(sizes) + 1) / 2**halvings
    late = (times > times[-1] / 2) & np.isfinite(sizes)
    if np.any(np.isneginf(sizes)):
        return -math.inf
    return float(np.polyfit(times[late], sizes[late], 1)[0]) if late.sum() > 1 else None


@eqx.filter_jit
def _expm(matrix):
    return exponential(matrix)


def simulate(step: Array, runs: int) -> np.ndarray:
    """log ‖stepᵏ h‖ of a random h for k = 1 … 2000·runs, renormalised on the way. The logarithms are added up in float64."""
    h = jax.random.normal(jax.random.key(0), step.shape[:1], jnp.finfo(step.dtype).dtype).astype(step.dtype)
    growths = []
    for _ in range(runs):
        h, part = _log_growths(step, h)
        growths.append(np.asarray(part, float))
    return np.cumsum(np.concatenate(growths))


@eqx.filter_jit
def _log_growths(step, h):
    def body(h, _):
        h = step @ h
        largest = jnp.max(jnp.abs(h))  # first, since squares may leave the float range
        h = h / jnp.where(largest > 0, largest, 1)
        size = jnp.linalg.norm(h)
        return h / jnp.where(size > 0, size, 1), jnp.log(largest) + jnp.log(size)

    return jax.lax.scan(body, h, length=2000)


def _growth(s: Spectrum, count: int = 40) -> Growth:
    """‖Wᵏ‖ and ‖exp(W k)‖ for k = 0 … count, by repeated multiplication in float64 on the host."""
    W = np.asarray(s.matrix, float)
    flow = np.asarray(_expm(s.matrix), float)
    power, exponential = np.eye(len(W)), np.eye(len(W))
    sizes = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(count + 1):
            sizes.append([_norm(power), _norm(exponential)])
            power, exponential = W @ power, flow @ exponential
    condition = np.linalg.cond(np.linalg.eig(W)[1]) if np.isfinite(W).all() else np.inf
    network, textbook = np.array(sizes).T
    return Growth(np.arange(count + 1), network, textbook, float(s.radius), float(s.abscissa), float(condition))


def _norm(A: np.ndarray) -> float:
    return float(np.linalg.norm(A, 2)) if np.isfinite(A).all() else np.inf


def _table(c: Comparison) -> str:
    head = (
        "method",
        "linear part",
        "agrees",
        "rate",
        "measured",
        "series",
        "neglected",
        "max error",
        "rms",
        "parts at t",
    )
    zero = _no_rate(c.spectrum)
    rates = (_rate(float(c.spectrum.rate()), zero), _rate(c.measured_rate, zero))
    network = ("network", c.network_verdict, "", *rates, "", "", "", "", "")
    lines = [head, network] + [_cells(row, zero) for row in c.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("─" * width for width in widths))
    notes = [f"{row.method.label}: {row.reason.rstrip('.')}." for row in c.rows if row.reason]
    if _ended(c.network):
        notes.insert(0, f"network: {_ended(c.network)}.")
    legend = (
        f"Verdicts and rates (nats per step, predicted by the eigenvalues and measured by simulation) are of the linear "
        f"part, {c.linear_part}. Series: whether the one that the method cuts off converges to the logarithm there, and "
        f"neglected: its first left-out term, relative to what is kept. Errors are against the network at the samples, "
        f"relative to its largest state; the two part where the error first exceeds {ERROR_LIMIT:g}."
    )
    return "\n".join([*text, "", *notes, *([""] if notes else []), *textwrap.wrap(legend, 110)])


def _cells(row: Row, zero: float) -> tuple[str, ...]:
    return (
        row.method.label,
        row.verdict,
        "yes" if row.agrees else "NO",
        _rate(row.predicted_rate, zero),
        _rate(row.measured_rate, zero),
        "–" if not row.method.is_truncation else "converges" if row.series_converges else "diverges",
        "–" if not row.method.is_truncation else _number(row.neglected),
        _number(row.error_max),
        _number(row.error_rms),
        "–" if row.error_max is None else "never" if row.parted_at is None else f"{row.parted_at:g}",
    )


def _no_rate(s: Spectrum) -> float:
    """What rounding alone makes of a rate of zero: N roundings of a step, and those of 2000 sums of them."""
    eps = float(jnp.finfo(s.matrix.dtype).eps)
    return 4 * len(s.matrix) * eps


def _rate(value, zero: float) -> str:
    return _number(value if value is None or abs(value) > zero else 0.0)


def _number(value) -> str:
    if value is None or math.isnan(float(value)):
        return "–"
    return f"{float(value):.3g}"
