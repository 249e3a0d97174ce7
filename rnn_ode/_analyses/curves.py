"""Curves of bifurcations in two parameters.

A fold, a flip, a Hopf or a Neimark–Sacker point persists along a curve when a second parameter moves. The curve is followed
by pseudo-arclength continuation in (h, p₀, p₁), so that a cusp is an ordinary point of it. `curves_kernels` has the
equations, `curves_points` the tests whose zeros are points of codimension two, `curves_walk` the walk, and `curves_forms` the
normal forms.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from .._base.checks import as_floats, as_numbers, as_step, brief, check_callable, check_count, check_on_host, counted
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, number, plain
from .._base.verdict import float64_hint
from .._systems.base import AbstractSystem, check_system
from .curves_kernels import PAIRS
from .curves_points import EVENTS, Family, Point
from .curves_walk import Walk, Walker


class CodimensionTwo(NamedTuple):
    """A point of codimension two on a curve of bifurcations.

    **Fields:**

    - `kind`: its name. On folds: "cusp", "bogdanov-takens", "zero-hopf"; of maps "resonance 1:1", "fold-flip",
      "fold-neimark-sacker". On flips: "generalised flip", "resonance 1:2", "fold-flip", "flip-neimark-sacker". On Hopf
      points: "generalised hopf", "bogdanov-takens", "zero-hopf", "double hopf". On Neimark–Sacker points: "generalised
      neimark-sacker", "resonance 1:1" to "resonance 1:4", and those at which another bifurcation meets it.
    - `parameters`: (2,) where it is.
    - `point`: (N,) the flat state there.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(p):
    ...     return ro.Map(lambda x, h: jnp.tanh(p[0] * h + p[1]))
    >>> at = ro.Bifurcation("fold", 0.533, jnp.array([-0.707]))
    >>> (cusp,) = ro.continue_bifurcation(network, at, (2.0, 0.533), ((0.5, 3.0), (-1.0, 1.0))).events
    >>> cusp.kind, (cusp.parameters.round(4) + 0.0).tolist()
    ('cusp', [1.0, 0.0])

    ```
    """

    kind: str
    parameters: np.ndarray
    point: np.ndarray


class BifurcationCurve(ShownArrays, eqx.Module):
    """A curve of bifurcations in two parameters: what `continue_bifurcation` returns.

    **Fields:**

    - `kind`: "fold", "flip", "hopf" or "neimark-sacker".
    - `parameters` (m, 2) and `points` (m, N), flat states: in the order of the curve, points of codimension two included.
    - `eigenvalues` (m, N): of the system's Jacobian, fastest growing first.
    - `coefficients` (m,): of the normal form, by the conventions of `Bifurcation.coefficient`: a of a fold (q keeps its
      direction along the curve), c of a flip, l₁ of a Hopf point, Re d of a Neimark–Sacker point. What is born is stable
      where c > 0, l₁ < 0 or Re d < 0, if all other eigenvalues are. NaN where it is not defined.
    - `residuals` (m,): the largest entries of cell(x, h) − h or dh/dt.
    - `events`: a list of (kind, parameters, point) in the order of the curve; `indices`, their places among the points.
    - `closed`: whether the curve is closed.
    - `result`: a `RESULTS`: `successful`, or why the curve is partial.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(p):
    ...     return ro.Map(lambda x, h: jnp.tanh(p[0] * h + p[1]))
    >>> at = ro.Bifurcation("fold", 0.533, jnp.array([-0.707]))
    >>> curve = ro.continue_bifurcation(network, at, (2.0, 0.533), ((0.5, 3.0), (-1.0, 1.0)))
    >>> curve.complete, [event.kind for event in curve.events]
    (True, ['cusp'])

    ```
    """

    kind: str
    parameters: Float[np.ndarray, "m 2"]
    points: Float[np.ndarray, "m N"]
    eigenvalues: Complex[np.ndarray, "m N"]
    coefficients: Float[np.ndarray, " m"]
    residuals: Float[np.ndarray, " m"]
    events: list[CodimensionTwo]
    indices: list[int]
    closed: bool
    result: RESULTS

    @property
    def complete(self) -> bool:
        """Whether the curve reached the edges of the box, its own start, or a point at which it ends."""
        return bool(self.result == RESULTS.successful)

    def plot(self, names: tuple[str, str] = ("parameter 0", "parameter 1")):
        """The curve in the plane of the parameters. A matplotlib figure (needs the `app` extra)."""
        from ..plot import diagram

        return diagram({self.kind: self}, names)

    def _tables(self) -> tuple[Table, ...]:
        ends = [f"({number(p[0])}, {number(p[1])})" for p in self.parameters[[0, -1]]]
        title = f"A curve of {len(self.parameters)} {NAMES[self.kind]}, from {ends[0]} to {ends[1]}"
        tiny = np.finfo(self.points.dtype).eps ** 0.6 * np.max(np.abs(self.parameters), axis=0)
        rows = tuple(
            (kind, *(number(p, 6) for p in np.where(np.abs(at) < tiny, 0, at)), " ".join(map(number, point[:4])))
            for kind, at, point in self.events
        )
        notes = ["The curve is closed."] if self.closed else []
        notes += [] if self.complete else [how_it_ended(self.result)]
        found = counted(len(rows), "point") + " of codimension two."
        return (Table(_COLUMNS if rows else (), rows, f"{title}, with {found}", tuple(notes)),)

    def _data(self) -> dict[str, Any]:
        names = "kind", "parameters", "points", "eigenvalues", "coefficients", "residuals", "indices", "closed"
        found = {name: getattr(self, name) for name in names}
        found["events"] = [event._asdict() for event in self.events]
        return plain({**found, "result": how_it_ended(self.result)}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "parameters": (("point", "parameter"), self.parameters, ""),
            "points": (("point", "unit"), self.points, ""),
            "eigenvalues": (("point", "mode"), self.eigenvalues, "per step of a map, per unit time of a flow"),
            "coefficients": (("point",), self.coefficients, ""),
            "residuals": (("point",), self.residuals, ""),
            "event": (("event",), np.array([event.kind for event in self.events], str), ""),
            "event_at": (("event",), np.array(self.indices, int), "number of the point"),
        }


NAMES = {"fold": "folds", "flip": "flips", "hopf": "Hopf points", "neimark-sacker": "Neimark–Sacker points"}

_NEAR = 0.05  # how far the bifurcation may be from the point that is given, in units of the box and of the state

_COLUMNS = (Column("point"), Column("parameter 0", ">"), Column("parameter 1", ">"), Column("state"))


def continue_bifurcation(
    make_system: Callable[[Array], AbstractSystem],
    bifurcation: Any,
    at: ArrayLike | Sequence[Any],
    box: ArrayLike | Sequence[Any],
    *,
    max_step: float = 0.02,
    max_points: int = 2000,
) -> BifurcationCurve:
    """The curve in two parameters on which a bifurcation of fixed points persists, in both senses, to the edges of a box.

    **Arguments:**

    - `make_system`: a function of p (2,) that returns a `Map` or `Flow` with a constant input. p is traced.
    - `bifurcation`: a fold, flip, Hopf or Neimark–Sacker point, as in `Branch.bifurcations`: (kind, parameter, point). Its
      parameter is not read.
    - `at`: (2,) the two parameters at which it was found.
    - `box`: ((lowest, highest), (lowest, highest)) of the two parameters.
    - `max_step`: the longest step, in units of the box and of the state's size. Default 0.02.
    - `max_points`: either half of the curve ends after so many points. Default 2000.

    **Returns:** a `BifurcationCurve`. A curve of Hopf points ends at a Bogdanov–Takens point, and one of Neimark–Sacker
    points at a resonance 1:1 or 1:2, since the pair is real beyond. Two zeros of a test within one step are not seen: use a
    smaller `max_step`.

    **Raises:** `ValueError` if there is no such bifurcation near `at`, for another kind (a branch point does not persist
    unless a symmetry keeps it), for a box that is empty or does not hold `at`, and for an input that is not constant;
    `TypeError` if `make_system` returns no system or cannot be traced.

    The equations are minimal and regular at all these points (Govaerts 2000; Kuznetsov 2004, ch. 10). It calls compiled
    functions from the host, so it cannot be used inside `jit`. Each `make_system` is compiled once.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def logistic(p):  # with its state in another unit: h' = p₀ h (1 − p₁ h)
    ...     return ro.Map(lambda x, h: p[0] * h * (1 - p[1] * h))
    >>> branch = ro.continue_branch(lambda r: logistic(jnp.stack([r, jnp.ones(())])), jnp.array([0.5]), (2.0, 3.4))
    >>> (flip,) = branch.bifurcations
    >>> curve = ro.continue_bifurcation(logistic, flip, (flip.parameter, 1.0), ((2.0, 4.0), (0.5, 2.0)))
    >>> curve.kind, bool(jnp.allclose(curve.parameters[:, 0], 3, atol=1e-4))
    ('flip', True)

    ```
    """
    check_callable("make_system", make_system, "make_system(p)")
    max_step = as_step("max_step", max_step)
    check_count("max_points", max_points, 2)
    check_on_host("continue_bifurcation", bifurcation=bifurcation, at=at, box=box)
    kind, point = _as_bifurcation(bifurcation)
    at, box = (np.asarray(as_floats(*given), float) for given in (("at", at, (2,)), ("box", box, (2, 2))))
    if not (np.all(box[:, 0] < box[:, 1]) and np.all((box[:, 0] <= at) & (at <= box[:, 1]))):
        raise ValueError(
            f"box must be ((lowest, highest), (lowest, highest)) around at = {at.tolist()}; got {box.tolist()}."
        )
    system = make_system(jnp.asarray(at, float))
    check_system(f"what make_system returns at p = {at.tolist()}", system)
    h = system.as_point("bifurcation.point", as_numbers("bifurcation.point", point))
    system.require_constant("continue_bifurcation", h)
    if h.dtype not in (jnp.float32, jnp.float64):
        raise TypeError(f"bifurcation.point must be float32 or float64, and so must the system; got {h.dtype}.")
    family, home = _start(make_system, kind, system, np.asarray(h), at, box)
    return _as_curve(kind, family.size, Walker(family, box, max_step, max_points).both_ways(home))


def _as_bifurcation(bifurcation: Any) -> tuple[str, Any]:
    try:
        kind, _, point = bifurcation
    except (TypeError, ValueError):
        raise TypeError(
            f"bifurcation must be one of a branch's bifurcations, (kind, parameter, point); got {brief(bifurcation)}."
        ) from None
    if not isinstance(kind, str) or kind not in EVENTS:
        why = " A branch point does not persist when a second parameter moves." if kind == "branch point" else ""
        raise ValueError(f"bifurcation must be a fold, a flip, a Hopf or a Neimark–Sacker point; got a {kind!r}.{why}")
    return kind, point


def _start(
    make_system: Any, kind: str, system: AbstractSystem, h: np.ndarray, at: np.ndarray, box: np.ndarray
) -> tuple[Family, Point]:
    """Returns the family of points, with units, and the point of the curve near (h, at)."""
    J = np.asarray(system.jacobian(jnp.asarray(h)), float)
    if (kind == "flip" and not system.time.own_step) or (kind in PAIRS and _pair_of(system) != kind):
        raise ValueError(f"a {kind} point is none of a {'map' if system.time.own_step else 'flow'}; got {kind!r}.")
    guess, widths = np.concatenate([h, at]), box[:, 1] - box[:, 0]
    size = float(np.linalg.norm(h)) or 1.0
    units = np.concatenate([np.full(len(h), size), widths])
    if kind in PAIRS:
        values = np.linalg.eigvals(J)
        _, beyond = system.time.region.position(values, xp=np)
        nearest = values[np.argmin(np.abs(beyond) + np.where(values.imag == 0, np.inf, 0))]
        flow = kind == "hopf"
        guess = np.append(guess, nearest.imag**2 if flow else nearest.real / abs(nearest))
        units = np.append(units, np.linalg.norm(J, 2) ** 2 if flow else 1.0)
    try:
        family = Family(make_system, kind, system, units.astype(h.dtype))
        home = family.first(guess.astype(h.dtype))
        # states may be far smaller than what the parameters make of them
        change = float(np.linalg.norm(home.tangent[: len(h)])) / max(
            float(np.linalg.norm((home.tangent / units)[-2:])), 0.1
        )
        if (home.converged and change > 2 * size) or not np.any(h):
            units[: len(h)] = max(min(change, 1e3 * size), 1e-3 * size)
            family = Family(make_system, kind, system, units.astype(h.dtype))
            home = family.first(home.z)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        raise TypeError(
            "make_system(p) must be traceable in p: no float(p), int(p), numpy functions or if on p. "
            f"({str(error).splitlines()[0]})"
        ) from None
    far = np.linalg.norm((home.z - guess) / units)
    if not home.converged or not far < _NEAR:
        raise ValueError(
            f"bifurcation and at must belong together: Newton's method finds no {kind} near at = {at.tolist()} (residual "
            f"{home.residual:.3g}). at holds both parameters, in the order of make_system(p). {float64_hint(h.dtype)}".strip()
        )
    return family, home


def _pair_of(system: AbstractSystem) -> str:
    """Returns the name of the bifurcation at which a complex pair crosses."""
    return system.time.bifurcation(1j)


def _as_curve(kind: str, size: int, walk: Walk) -> BifurcationCurve:
    dtype = walk.points[0].z.dtype
    z = np.stack([point.z for point in walk.points])
    places = {id(point): place for place, point in enumerate(walk.points)}
    return BifurcationCurve(
        kind,
        z[:, size : size + 2],
        z[:, :size],
        np.stack([point.values for point in walk.points]).astype(np.result_type(dtype, np.complex64)),
        np.array([point.coefficient for point in walk.points], dtype),
        np.array([point.residual for point in walk.points], dtype),
        [CodimensionTwo(name, point.z[size : size + 2], point.z[:size]) for name, point in walk.found],
        [places[id(point)] for _, point in walk.found],
        walk.closed,
        walk.result,
    )
