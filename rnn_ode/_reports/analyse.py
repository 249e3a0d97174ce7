"""A network and one of its flows under a constant input: every question of this package, asked of both side by side."""

import dataclasses
import json
import math
import textwrap
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import PyTree

from .._analyses.fixed_points import FixedPoints, draw_guesses, fixed_points
from .._analyses.frames import is_undefined
from .._analyses.gradients import GradientFlow, gradient_flow
from .._analyses.lyapunov import Lyapunov, lyapunov
from .._analyses.transient import Transient, transient
from .._base.checks import as_floats, as_step, check_count
from .._base.results import RESULTS
from .._base.text import plain
from .._base.types import Cell
from .._base.verdict import verdict_name
from .._bridge.schemes import RungeKutta
from .._bridge.to_ode import to_ode
from .._bridge.to_rnn import to_rnn
from .._cells.protocol import as_state, initial_state
from .._methods.base import AbstractMethod
from .._methods.series import Forward
from .._systems.base import AbstractSystem
from .._systems.flow import Flow
from .._systems.map import Map

SUBSTEPS = 20  # of the flow, in a step of the network

GRID = 121  # points a side, for the nullclines of two units

SHOWN = 6  # fixed points and exponents in the table


@dataclasses.dataclass(frozen=True)
class Side:
    """What one system answered. Whatever could not be computed is `None`, and `reason` says why."""

    name: str
    system: AbstractSystem | None
    times: np.ndarray
    """(n,) times of `orbit`."""
    orbit: np.ndarray
    """(n, N) flat states from h0 on, as far as they are finite."""
    points: FixedPoints | None
    added: np.ndarray
    """(n,) which fixed points the other system does not have: of the flow those that the conversion added, of the network
    those that it lost."""
    undefined: np.ndarray
    """(n,) at which of them the other system does not exist, so that it cannot be said."""
    mark: str
    """What the conversion did to those that the other system does not have, "lost" or "added"."""
    exponents: Lyapunov | None
    gradients: GradientFlow | None
    transient: Transient | None
    """Of `about`."""
    about: np.ndarray | None
    """(N,) the fixed point nearest to the end of the orbit."""
    nullclines: np.ndarray | None
    """(2, m, m) components of the residual on `Analysis.grid`, for two units."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain numbers and strings, ready for json: `None` for no answer, "-inf" and "inf" for an exponent or
        a slope that is infinite, and `None` for the peak, its time and the Kreiss constant where growth has no bound."""
        return {
            "name": self.name,
            "reason": self.reason,
            "fixed_points": self._points(),
            "exponents": None if self.exponents is None else _plain(self.exponents.exponents),
            "exponents_stderr": None if self.exponents is None else _plain(self.exponents.stderr),
            "kaplan_yorke": None if self.exponents is None else _plain(self.exponents.kaplan_yorke),
            "kaplan_yorke_range": None
            if self.exponents is None
            else _plain(jnp.stack(self.exponents.kaplan_yorke_range)),
            "gradient_log_norms": None if self.gradients is None else _plain(self.gradients.log_norms),
            "gradient_rate": None if self.gradients is None else _plain(self.gradients.measured_rate),
            "transient_verdict": None if self.transient is None else verdict_name(self.transient.verdict),
            "transient_peak": None if self.transient is None else plain(self.transient.peak),
            "transient_peak_time": None if self.transient is None else plain(self.transient.peak_time),
            "kreiss": None if self.transient is None else plain(self.transient.kreiss),
        }

    def _points(self) -> list[dict[str, Any]]:
        if self.points is None:
            return []
        found = self.points
        kinds, verdicts = found.kind_names, found.verdict_names
        return [
            {
                "point": _plain(found.points[i]),
                "residual": _plain(found.residuals[i]),
                "kind": kinds[i],
                "verdict": verdicts[i],
                "leading_eigenvalue": _plain(jnp.stack([found.leading[i].real, abs(found.leading[i].imag)])),
                "on_kink": bool(found.on_kink[i]),
                f"{self.mark}_by_the_conversion": bool(self.added[i]),
                "undefined_in_the_other": bool(self.undefined[i]),
            }
            for i in range(int(found.count))
        ]


@dataclasses.dataclass(frozen=True)
class Analysis:
    """A network beside its flow: `sides` the two of them, `x` the constant input, `method` the conversion.

    `axes` (2, N) and `centre` (N,) span the plane of the phase portraits, `grid` (m,) its coordinates for two units.
    `table()` is a text table, `plot()` one page, `to_json()` the same as data.
    """

    sides: tuple[Side, Side]
    x: np.ndarray
    method: AbstractMethod
    centre: np.ndarray
    axes: np.ndarray
    grid: np.ndarray

    def table(self) -> str:
        """Every answer as a text table, the network and the flow in two columns."""
        return _table(self)

    def plot(self):
        """Every answer as one page (needs the `app` extra)."""
        from ..plot import analysis

        return analysis(self)

    def to_dict(self) -> dict[str, Any]:
        """The answers as plain numbers and strings, ready for json."""
        network, flow = (side.to_dict() for side in self.sides)
        return {"x": _plain(self.x), "method": self.method.label, "network": network, "flow": flow}

    def to_json(self) -> str:
        """`to_dict` as one JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)


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

    **Arguments:** `cell` any cell; `x` (D,) the input; `method` the conversion, `Forward(1)` by default; `h0` where the run
    starts, by default a small random state; `dt` the network's step, time; `steps` of the network in the run, the
    exponents and the gradients; `guesses` for the fixed points, drawn with `seed` about the run; `progress` a function
    called with a line of text as each part begins.

    **Returns:** an `Analysis` of two `Side`s. A question that one of them cannot answer (no logarithm here, a run that
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
    x, method, dt = as_floats("x", x), method or Forward(1), as_step("dt", dt)
    check_count("steps", steps, 20)
    check_count("guesses", guesses)
    report = progress or (lambda _: None)
    network = Map(cell, x, dt)
    start = network.as_point("h0", _small(initial_state(cell), seed) if h0 is None else as_state("h0", h0, cell))
    ask = _Questions(x, start, dt, steps, guesses, seed, report)
    first = ask.of("network", "lost", network, cell, None, ())
    try:
        field = to_ode(cell, method, dt=dt)
    except (TypeError, ValueError) as error:
        second = _nothing(method.label, str(error))
    else:
        stepped = to_rnn(field, RungeKutta(substeps=SUBSTEPS), dt)
        second = ask.of(method.label, "added", Flow(field, x), stepped, dt / SUBSTEPS, (first.orbit,))
    sides = _mark_added(_with_shared(first, second), _with_shared(second, first))
    centre, axes = _plane(sides)
    reach = _reach(sides, centre)
    grid = np.linspace(-reach, reach, GRID)
    sides = tuple(_with_nullclines(side, centre, grid) for side in sides)
    return Analysis(sides, np.asarray(x), method, centre, axes, grid)  # pyright: ignore


@dataclasses.dataclass(frozen=True)
class _Questions:
    x: Any
    start: Any
    dt: float
    steps: int
    guesses: int
    seed: int
    report: Callable[[str], None]

    def of(self, name: str, mark: str, system: AbstractSystem, stepped: Cell, step: float | None, seen) -> Side:
        """Every question, asked of a system; `stepped` is it as a cell, of the network's step; `seen` are others' runs."""
        self.report(f"{name}: a run")
        times, orbit = _orbit(system, self.start, self.steps * self.dt, step)
        alive = _finite_rows(orbit)
        reason = "" if len(alive) == len(orbit) else _why(system, orbit[: len(alive) + 1], times[len(alive) - 1])
        self.report(f"{name}: fixed points")
        points = fixed_points(system, self._guesses(alive, *seen))
        self.report(f"{name}: Lyapunov exponents")
        burn = self.dt * (self.steps // 10)
        exponents = _unless(reason, lambda: lyapunov(system, self.start, self.dt * self.steps, transient=burn))
        self.report(f"{name}: gradients")
        xs = jnp.broadcast_to(self.x, (min(self.steps, 100), *self.x.shape))
        state = system.unravel(jnp.asarray(alive[-1]))
        gradients = _unless(reason, lambda: gradient_flow(stepped, xs, state, throw=False))
        self.report(f"{name}: transients")
        about = _nearest(points, _moderate(alive[-1]))
        none, disturbance = np.zeros(points.points.shape[0], bool), None if about is None else transient(system, about)
        run = times[: len(alive)], alive
        return Side(
            name, system, *run, points, none, none, mark, exponents, gradients, disturbance, about, None, reason
        )

    def _guesses(self, *runs: np.ndarray):
        """Zero, and for each run guesses about its states and, of their size, about zero."""
        key, guesses = jax.random.key(self.seed), [jnp.zeros((1, runs[0].shape[1]), runs[0].dtype)]
        for run in map(jnp.asarray, map(_moderate, runs)):
            size = float(jnp.sqrt(jnp.mean(run**2))) or 1.0
            guesses.append(draw_guesses(key, self.guesses, run, float(jnp.std(run)) or size))
            guesses.append(draw_guesses(key, self.guesses, guesses[0], size))
        return jnp.concatenate(guesses)


def _finite_rows(orbit: np.ndarray) -> np.ndarray:
    """The states of a run before the first one that is not finite."""
    return orbit[np.cumprod(np.isfinite(orbit).all(axis=1)).astype(bool)]


def _moderate(states: np.ndarray) -> np.ndarray:
    """States clipped to where products of two of them, and sums of these, are in the float range."""
    limit = np.finfo(states.dtype).max ** 0.25
    return np.clip(states, -limit, limit)


def _why(system: AbstractSystem, rows: np.ndarray, time: float) -> str:
    """Why the last of the rows of a run, the first one that is not finite, is not, from the one before it at that time."""
    if is_undefined(*jnp.asarray(rows[-2:])):
        sentence = RESULTS[system.time.undefined].split(". ")[0].split("; ")[0]
        return f"does not exist here: {sentence[0].lower()}{sentence[1:]} (at t = {time:g})"
    return f"left the float range after t = {time:g}"


def _unless(reason: str, answer: Callable[[], Any]):
    return None if reason else answer()


def _nothing(name: str, reason: str) -> Side:
    none = np.zeros(0, bool)
    return Side(
        name, None, np.zeros(0), np.zeros((0, 0)), None, none, none, "added", None, None, None, None, None, reason
    )


def _small(state, seed: int):
    """A state near zero that is on no symmetry of the network."""
    flat, unravel = ravel_pytree(state)
    return unravel(0.1 * jax.random.normal(jax.random.key(seed), flat.shape, flat.dtype))


def _orbit(system: AbstractSystem, start, duration: float, step: float | None) -> tuple[np.ndarray, np.ndarray]:
    stepper = system.stepper(step)
    count = round(duration / stepper.length)

    @jax.jit
    def run(h):
        def advance(h, k):
            h = stepper.advance(k, h)
            return h, h

        return jax.lax.scan(advance, h, jnp.arange(count))[1]

    states = np.concatenate([np.asarray(start)[None], np.asarray(run(start))])
    return stepper.length * np.arange(count + 1), states


def _nearest(points: FixedPoints, state: np.ndarray) -> np.ndarray | None:
    """The fixed point nearest to a state, if there is one."""
    rows = np.asarray(points.points)[np.asarray(points.converged)]
    return rows[np.argmin(np.linalg.norm(rows - state, axis=1))] if len(rows) else None


@eqx.filter_jit
def _residuals(system: AbstractSystem, rows):
    return jax.lax.map(system.residual, rows)


def _with_shared(side: Side, other: Side) -> Side:
    """The side with those of the other's fixed points that it has and its own guesses did not reach."""
    if side.points is None or side.system is None or other.points is None:
        return side
    own, theirs = side.points, other.points
    found = np.asarray(own.points)[np.asarray(own.converged)]
    shared = np.asarray(theirs.points)[np.asarray(theirs.converged & ~theirs.absent_from(side.system))]
    distances = np.linalg.norm(shared[:, None] - found[None], axis=2).min(axis=1, initial=np.inf)
    new = shared[distances > np.finfo(shared.dtype).eps ** 0.5 * float(own.size)]
    if not len(new):
        return side
    rows = np.concatenate([found, new])
    # as many as there were guesses, which is compiled already
    padding = np.repeat(rows[:1], max(len(own.points) - len(rows), 0), axis=0)
    return dataclasses.replace(side, points=fixed_points(side.system, np.concatenate([rows, padding])))


def _mark_added(first: Side, second: Side) -> tuple[Side, Side]:
    """Both sides, with the fixed points marked that the other one does not have, and those at which it does not exist."""

    def marked(side, other):
        if side.points is None or other.system is None:
            return side
        points = jnp.where(side.points.converged[:, None], side.points.points, 0)
        defined = jnp.isfinite(_residuals(other.system, points)).all(axis=1)
        undefined = np.asarray(side.points.converged & ~defined)
        added = np.asarray(side.points.absent_from(other.system)) & ~undefined
        return dataclasses.replace(side, added=added, undefined=undefined)

    return marked(first, second), marked(second, first)


def _plane(sides) -> tuple[np.ndarray, np.ndarray]:
    """The centre and the two directions of the phase portraits: two units as they are, principal components beyond."""
    size = sides[0].orbit.shape[1]
    if size <= 2:
        return np.zeros(size), np.eye(2, size)
    rows = _moderate(sides[0].orbit)
    centre = rows.mean(axis=0)
    return centre, np.linalg.svd(rows - centre, full_matrices=False)[2][:2]


def _reach(sides, centre: np.ndarray) -> float:
    """How far from the centre the portraits go: the network's run and every fixed point within a few times of it."""
    run = np.abs(_moderate(sides[0].orbit) - centre)
    reach = float(np.quantile(run, 0.99)) or 1.0
    for side in sides:
        if side.points is not None:
            far = np.abs(np.asarray(side.points.points) - centre).max(axis=1)
            reach = max(reach, *far[np.asarray(side.points.converged) & (far < 5 * reach)], 0.0)
    return 1.15 * reach


def _with_nullclines(side: Side, centre: np.ndarray, grid: np.ndarray) -> Side:
    """The side with its residual on the grid, where there are two units."""
    system = side.system
    if system is None or len(centre) != 2:
        return side
    plane = jnp.stack(jnp.meshgrid(jnp.asarray(grid), jnp.asarray(grid)), axis=-1).reshape(-1, 2)
    values = np.asarray(_residuals(system, plane))
    return dataclasses.replace(side, nullclines=np.moveaxis(values.reshape(len(grid), len(grid), 2), -1, 0))


def _table(a: Analysis) -> str:
    columns = [_column(side) for side in a.sides]
    height = max(map(len, columns))
    width = max(len(line) for line in columns[0]) + 4
    left, right = (column + [""] * (height - len(column)) for column in columns)
    lines = [(one.ljust(width) + two).rstrip() for one, two in zip(left, right, strict=True)]
    legend = (
        "Fixed points: kind, verdict, leading eigenvalue (the one nearest to the boundary: a multiplier of the network,",
        "|λ| = 1, an exponent of the flow, Re μ = 0).",
        "Exponents in nats per unit time ± standard error; gradients: slope of log ‖∂h_T/∂h_{T−k}‖ against the lag, nats",
        "per step; transient: the largest growth of a disturbance of the fixed point nearest to the end of the run.",
    )
    return "\n".join([*lines, "", *legend])


def _column(side: Side) -> list[str]:
    lines = [side.name, "─" * max(len(side.name), 12)]
    if side.reason:
        lines += [f"  {part}" for part in textwrap.wrap(side.reason, 60)]
    if side.points is None:
        return lines
    answers = side.to_dict()
    found = answers["fixed_points"]
    lines.append(f"fixed points: {len(found)}")
    for point in found[:SHOWN]:
        real, imaginary = point["leading_eigenvalue"]
        value = f"{real:.3g}" + (f" ± {abs(imaginary):.3g}i" if imaginary else "")
        notes = [
            note for note in ("on_kink", f"{side.mark}_by_the_conversion", "undefined_in_the_other") if point[note]
        ]
        lines.append("  " + ", ".join([point["kind"].lower(), point["verdict"], value, *notes]).replace("_", " "))
    if len(found) > SHOWN:
        lines.append(f"  … and {len(found) - SHOWN} more (--json has them all)")
    if side.points.hint:
        lines += [f"  {part}" for part in textwrap.wrap(f"Where undetermined, {side.points.hint}", 60)]
    if side.exponents is not None:
        pairs = zip(answers["exponents"][:SHOWN], answers["exponents_stderr"], strict=False)
        lines.append("Lyapunov exponents:")
        lines += [f"  {_number(value)} ± {_number(error, 1)}" for value, error in pairs]
        least, most = map(_number, answers["kaplan_yorke_range"])
        between = "" if least == most else f" ({least} to {most})"
        lines.append(f"  Kaplan–Yorke dimension {_number(answers['kaplan_yorke'])}{between}")
    if side.gradients is not None:
        lines.append(f"gradients: {_number(answers['gradient_rate'])} nats per step")
    if side.transient is not None:
        lines.append(_transient_line(answers))
    return lines


def _transient_line(answers: dict[str, Any]) -> str:
    peak, at, kreiss = (answers[name] for name in ("transient_peak", "transient_peak_time", "kreiss"))
    if peak is None:
        return f"transient: grows without bound{'' if answers['transient_verdict'] == 'GROWS' else ', as far as can be seen'}"
    return f"transient: peak {_number(peak)} at t = {_number(at)}, Kreiss constant {_number(kreiss)}"


def _number(value, digits: int = 4) -> str:
    """A number as `_plain` has it, for the table."""
    infinities = {"inf": "∞", "-inf": "−∞"}
    return "–" if value is None else infinities.get(value) or f"{value:.{digits}g}"


def _plain(value):
    """Numbers and nested lists of them for json, which has no NaN (`None`) and no infinity ("inf", "-inf")."""
    if np.ndim(value):
        return [_plain(entry) for entry in np.asarray(value)]
    value = float(value)
    return value if math.isfinite(value) else None if math.isnan(value) else str(value)
