"""`Branch` and `Bifurcation`: what `continue_branch` returns, and how it shows itself."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float

from .._base.checks import counted
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, complex_number, number, plain
from .._base.verdict import Verdict, names_of


class _Triple(NamedTuple):
    kind: str
    parameter: float
    point: np.ndarray


class Bifurcation(_Triple):
    """A bifurcation of a branch: a triple (kind, parameter, point), with its normal form as attributes.

    **Fields:**

    - `kind`: "fold", "branch point", "flip", "neimark-sacker", "hopf", "border collision" or "undecided".
    - `parameter`: where it is on the interval of the parameter.
    - `point`: (N,) the flat state there.
    - `coefficient`: of the normal form, by the conventions of Kuznetsov, "Elements of Applied Bifurcation Theory"
      (⟨q, q⟩ = ⟨p, q⟩ = 1): l₁ at a Hopf point, with the factor 1/2ω; a of x² at a fold or a transcritical point; c of x³ at
      a flip or a pitchfork; Re d of w|w|² at a Neimark–Sacker point. Of a flow's orbits it is that of their return map, at
      the first state of the orbit. NaN where there is none.
    - `criticality`: what it says. "supercritical" (what is born is stable, if the other directions are) or "subcritical" of
      a Hopf, Neimark–Sacker or flip point; "transcritical", "supercritical pitchfork" or "subcritical pitchfork" of a branch
      point; "two points above" or "two points below" of a fold, the side of the parameter on which it has them; "degenerate"
      for a coefficient that is zero; and otherwise empty, or why it is undecided.

    At a border collision eigenvalues jump across the boundary of stability, as on a kink of relu. A bifurcation is undecided
    if a pair crosses the boundary so close to two equal real eigenvalues that rounding may have made it. It is a Hopf or
    Neimark–Sacker point of very low frequency, or two real eigenvalues. In float32 the kind then reads "undecided: float64
    will". The place is as exact as that of any other kind.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(b):
    ...     return ro.Map(ro.VanillaCell([[2.0]], [[1.0]], [0.0], jnp.tanh), b[None])
    >>> first = ro.continue_branch(network, jnp.array([-1.0]), (-1.0, 1.0)).bifurcations[0]
    >>> first.kind, round(first.parameter, 3), round(float(first.point[0]), 3)
    ('fold', 0.533, -0.707)
    >>> round(first.coefficient, 3), first.criticality
    (1.414, 'two points below')

    ```
    """

    coefficient: float
    criticality: str

    def __new__(
        cls, kind: str, parameter: float, point: np.ndarray, coefficient: float = math.nan, criticality: str = ""
    ) -> "Bifurcation":
        made = super().__new__(cls, kind, parameter, point)
        made.coefficient, made.criticality = coefficient, criticality
        return made

    def _told(self) -> dict[str, Any]:
        return {**self._asdict(), "coefficient": self.coefficient, "criticality": self.criticality}


class Branch(ShownArrays, eqx.Module):
    """A curve of fixed points or of orbits along a parameter: what `continue_branch` and `switch_branch` return.

    **Fields:**

    - `parameters` (m,) and `points` (m, N), flat states: in the order in which the branch was followed, bifurcations
      included. A branch of orbits has `points` (m, n, N): all states of an orbit of a map, or n of a flow at equal distances
      in time.
    - `periods` (m,): of orbits, in units of time; `None` on a branch of fixed points.
    - `interval`: (p0, p1), in which the branch was followed.
    - `residuals` (m,): the largest entries of cell(x, h) − h or dh/dt.
    - `eigenvalues` (m, N): of the system's Jacobian, fastest growing first. Those of orbits are their multipliers,
      largest first, of an autonomous flow with the trivial one, 1.
    - `verdicts` (m,): UNDETERMINED on a kink.
    - `bifurcations`: a list of (kind, parameter, point) in branch order; `indices`, their places among the points.
    - `critical` (k,): the eigenvalue that crosses at each: 1 or 0 at a fold, iω at a Hopf point, exp(iθ) at a
      Neimark–Sacker point.
    - `closed`: whether the branch returned to its start.
    - `result`: a `RESULTS`: `successful`, or why the branch is partial and what to try.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> def network(b):
    ...     return ro.Map(ro.VanillaCell([[2.0]], [[1.0]], [0.0], jnp.tanh), b[None])
    >>> branch = ro.continue_branch(network, jnp.array([-1.0]), (-1.0, 1.0))
    >>> [round(float(branch.parameters[i]), 3) for i in branch.indices], branch.verdict_names[0]
    ([0.533, -0.533], 'DECAYS')

    ```
    """

    parameters: Float[np.ndarray, " m"]
    points: Float[np.ndarray, "m ..."]
    residuals: Float[np.ndarray, " m"]
    eigenvalues: Complex[np.ndarray, "m N"]
    verdicts: Verdict
    bifurcations: list[Bifurcation]
    indices: list[int]
    critical: Complex[np.ndarray, " k"]
    closed: bool
    result: RESULTS
    interval: tuple[float, float] = (math.nan, math.nan)
    periods: Float[np.ndarray, " m"] | None = None

    @property
    def complete(self) -> bool:
        """Whether the branch reached an end of the interval or its own start."""
        return bool(self.result == RESULTS.successful)

    @property
    def diverged(self) -> bool:
        """Whether the branch runs off to infinity before the parameter leaves the interval."""
        return bool(self.result == RESULTS.branch_diverged)

    def plot(self, coordinate: int = 0):
        """The bifurcation diagram of a coordinate of the state. A matplotlib figure (needs the `app` extra)."""
        from ..plot import branch

        return branch(self, coordinate)

    @property
    def verdict_names(self) -> list[str]:
        """The names of the verdicts, point by point, on the host."""
        return names_of(Verdict, self.verdicts)

    def _tables(self) -> tuple[Table, ...]:
        first, last = self.parameters[0], self.parameters[-1]
        circles = self.result == RESULTS.branch_of_circles
        each = "points" if self.periods is None else "circles" if circles else "orbits"
        what = "fixed points" if self.periods is None else f"{each} of {self.points.shape[1]} states"
        title = f"A branch of {len(self.parameters)} {what}, from p = {number(first, 6)} to {number(last, 6)}"
        rows = tuple(
            (
                found.kind,
                number(found.parameter, 6),
                complex_number(complex(critical)),
                number(found.coefficient),
                found.criticality,
                " ".join(map(number, found.point.ravel()[:4])),
            )
            for found, critical in zip(self.bifurcations, self.critical, strict=True)
        )
        stable = self.verdict_names.count("DECAYS")
        rest = "attract" if circles else "are stable"
        notes = [f"{stable} of the {each} {rest}{'; the branch is closed' if self.closed else ''}."]
        if self.periods is not None:
            notes += [f"Periods from {number(self.periods.min(), 6)} to {number(self.periods.max(), 6)}."]
        notes += [] if self.complete else [how_it_ended(self.result)]
        ends = f"{counted(len(rows), 'bifurcation')}."
        return (Table(_COLUMNS if rows else (), rows, f"{title}, with {ends}", tuple(notes)),)

    def _data(self) -> dict[str, Any]:
        names = (
            "parameters",
            "points",
            "residuals",
            "eigenvalues",
            "indices",
            "critical",
            "closed",
            "interval",
            "periods",
        )
        found = {name: getattr(self, name) for name in names}
        found["bifurcations"] = [one._told() for one in self.bifurcations]
        return plain({**found, "verdicts": self.verdict_names, "result": how_it_ended(self.result)}, infinities=True)

    def _variables(self) -> Variables:
        unit = "per step of a map, per unit time of a flow"
        return {
            "parameter": (("point",), self.parameters, ""),
            "points": (("point", "unit") if self.periods is None else ("point", "time", "unit"), self.points, ""),
            **({} if self.periods is None else {"periods": (("point",), self.periods, "the unit of dt")}),
            "residuals": (("point",), self.residuals, ""),
            "eigenvalues": (("point", "mode"), self.eigenvalues, unit),
            "verdict": (("point",), np.array(self.verdict_names, str), ""),
            "bifurcation": (("bifurcation",), np.array([one.kind for one in self.bifurcations], str), ""),
            "bifurcation_at": (("bifurcation",), np.array(self.indices, int), "number of the point"),
            "critical": (("bifurcation",), self.critical, unit),
            "coefficient": (("bifurcation",), np.array([one.coefficient for one in self.bifurcations], float), ""),
            "criticality": (("bifurcation",), np.array([one.criticality for one in self.bifurcations], str), ""),
        }


_COLUMNS = (
    Column("bifurcation"),
    Column("parameter", ">"),
    Column("critical", ">", "the eigenvalue that crosses the boundary of stability"),
    Column("coefficient", ">", "of the normal form"),
    Column("criticality"),
    Column("point"),
)
