"""A portrait: runs in their principal components, with fixed points, slow points, orbits and unstable directions."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, PyTree

from .._base.checks import as_numbers, check_finite, check_on_host, counted, is_concrete
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, number, plain
from .._systems.base import AbstractSystem, check_system
from .basins_sets import Attractor
from .fixed_points import FixedPoints, fixed_points
from .fixed_points_guesses import draw_guesses

_COMPONENTS = 3
_GUESSES = 128
_SPREAD = 0.3  # of the guesses about the runs, in units of the runs' deviation


class Portrait(ShownArrays, eqx.Module):
    """Runs in their principal components, with what they move among: what `portrait` returns.

    k is 3, or N if that is less. With two units or less the components are the units.

    **Fields:**

    - `runs` (R, n, k): the states of R runs, in components.
    - `centre` (N,): the mean of the states, and `axes` (k, N): the components, orthonormal. `to_plane(h)` takes states there.
    - `explained` (k,): the share of the variance of the runs that each component has.
    - `fixed`: the `FixedPoints`, slow points included if there are any.
    - `points` (m, k): these points in components.
    - `unstable`: for each point the directions (j, k) in which disturbances grow, the fastest first, in components: of a
      complex pair the two that span its plane. They have the length 1 in the full space, so that a short one points out of
      the picture.
    - `distances` (m,): from each point to the nearest state of the runs, in the full space, in units of the runs' deviation
      (root mean square distance from the centre).
    - `orbits`: a list of closed orbits (m, k) in components, and `stable`: whether each attracts; `None` where that is not
      known.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell(1.5 * jnp.eye(4), jnp.zeros((4, 1)), jnp.zeros(4), jnp.tanh)
    >>> runs = jax.vmap(lambda h: ro.iterate(cell, jnp.zeros((20, 1)), h).states)(0.1 * jnp.eye(4)[:2])
    >>> found = ro.portrait(ro.Map(cell, jnp.zeros(1)), runs)
    >>> found.runs.shape, found.explained[:2].sum().round(3).item()
    ((2, 21, 3), 1.0)

    ```
    """

    runs: Float[np.ndarray, "R n k"]
    centre: Float[np.ndarray, " N"]
    axes: Float[np.ndarray, "k N"]
    explained: Float[np.ndarray, " k"]
    fixed: FixedPoints
    points: Float[np.ndarray, "m k"]
    unstable: list[np.ndarray]
    distances: Float[np.ndarray, " m"]
    orbits: list[np.ndarray]
    stable: list[bool | None]

    def to_plane(self, states: ArrayLike) -> np.ndarray:
        """Returns flat states (…, N) in components (…, k)."""
        return (np.asarray(states, float) - self.centre) @ self.axes.T

    def plot(self, components: Sequence[int] = (0, 1)):
        """The portrait in two components, or in three. A matplotlib figure (needs the `app` extra)."""
        from ..plot import state_portrait

        return state_portrait(self, components)

    def _tables(self) -> tuple[Table, ...]:
        runs, states = self.runs.shape[:2]
        shares = " + ".join(f"{100 * share:.3g} %" for share in self.explained)
        title = f"{counted(runs, 'run')} of {states} states; the components have {shares} of the variance."
        rows = tuple(
            (
                kind.lower(),
                verdict,
                str(int(np.sum(np.asarray(self.fixed.timescales[i]) < 0))),
                number(self.distances[i]),
                " ".join(map(number, self.points[i])),
            )
            for i, (kind, verdict) in enumerate(zip(self.fixed.kind_names, self.fixed.verdict_names, strict=True))
        )
        said = {True: "stable", False: "unstable", None: "undetermined"}
        count = counted(len(self.orbits), "orbit")
        notes = (f"{count}: {', '.join(said[one] for one in self.stable)}.",) if self.orbits else ()
        return (Table(_COLUMNS if rows else (), rows, title, notes),)

    def _data(self) -> dict[str, Any]:
        names = "runs", "centre", "axes", "explained", "points", "unstable", "distances", "orbits", "stable"
        return plain({**{name: getattr(self, name) for name in names}, "fixed": self.fixed.to_dict()}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "runs": (("run", "time", "component"), self.runs, ""),
            "centre": (("unit",), self.centre, ""),
            "axes": (("component", "unit"), self.axes, ""),
            "explained": (("component",), self.explained, ""),
            "points": (("point", "component"), self.points, ""),
            "kind": (("point",), np.array(self.fixed.kind_names, str), ""),
            "verdict": (("point",), np.array(self.fixed.verdict_names, str), ""),
            "distances": (("point",), self.distances, "deviation of the runs"),
        }


_COLUMNS = (
    Column("kind"),
    Column("verdict"),
    Column("growing", ">", "the number of directions in which disturbances grow"),
    Column("distance", ">", "from the nearest state of the runs, in units of the runs' deviation"),
    Column("in components"),
)


def portrait(
    system: AbstractSystem,
    states: PyTree[ArrayLike],
    *,
    fixed: FixedPoints | None = None,
    orbits: Any = None,
) -> Portrait:
    """Runs of a system in their principal components, with the fixed points, slow points and orbits they move among.

    **Arguments:**

    - `system`: a `Map` or `Flow` with a constant input, such as the input between two pulses.
    - `states`: the states of runs (…, n, N), n in time, or a pytree of such arrays: `ro.iterate(…).states`. Their inputs may
      have changed with time.
    - `fixed`: what `fixed_points` found. Default: a search from 128 states of the runs, slow points included.
    - `orbits`: closed orbits: what `periodic_orbit` or `cycles` returned, attractors of `basins`, or arrays (m, N). Default:
      none.

    **Returns:** a `Portrait`.

    **Raises:** `ValueError` for states that are not finite or have less than two rows, and for fixed points or orbits of
    another size; `TypeError` for traced states.

    The components are those of the runs (Sussillo & Barak, Neural Computation 25, 2013), for any number of units N.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell(1.5 * jnp.eye(3), jnp.zeros((3, 1)), jnp.zeros(3), jnp.tanh)
    >>> run = ro.iterate(cell, jnp.zeros((30, 1)), jnp.array([0.1, -0.2, 0.3])).states
    >>> found = ro.portrait(ro.Map(cell, jnp.zeros(1)), run)
    >>> bool(found.distances.min() < 0.01), found.points.shape[1]
    (True, 3)

    ```
    """
    check_system("system", system)
    check_on_host("portrait", system=system)
    rows = _as_runs(states)
    size = rows.shape[-1]
    flat = rows.reshape(-1, size)
    system.as_point("each of the states", jnp.asarray(flat[0]))
    centre, axes, explained = _components(flat)
    deviation = float(np.sqrt(np.mean(np.sum((flat - flat.mean(axis=0)) ** 2, axis=1)))) or 1.0
    fixed = _search(system, flat, deviation) if fixed is None else fixed
    if not isinstance(fixed, FixedPoints) or fixed.points.ndim != 2 or fixed.points.shape[1] != size:
        raise ValueError(f"fixed must be what fixed_points found for states of {size} numbers; got {_told(fixed)}.")
    shown = len(fixed.kind_names)
    points = np.asarray(fixed.points, float)[:shown]
    closed = _closed(orbits, size)
    return Portrait(
        (rows - centre) @ axes.T,
        centre,
        axes,
        explained,
        fixed,
        (points - centre) @ axes.T,
        [_growing(fixed, i) @ axes.T for i in range(shown)],
        np.array([np.linalg.norm(flat - point, axis=1).min() / deviation for point in points]),
        [(one - centre) @ axes.T for one, _ in closed],
        [stable for _, stable in closed],
    )


def _as_runs(states: Any) -> np.ndarray:
    """Returns states (…, n, N), or a pytree of them, as (R, n, N) in float64."""
    if not is_concrete(states):
        raise TypeError("states must be known: portrait runs on the host, outside jit, vmap and grad.")
    leaves = [
        np.asarray(as_numbers("states", leaf), float)
        for leaf in jax.tree.leaves(states, is_leaf=lambda leaf: isinstance(leaf, list))
    ]
    shapes = ", ".join(str(leaf.shape) for leaf in leaves)
    if not leaves or any(leaf.ndim < 2 or leaf.shape[:-1] != leaves[0].shape[:-1] for leaf in leaves):
        raise ValueError(f"states must be runs (…, n, N), as iterate returns them; got {shapes or 'nothing'}.")
    rows = np.concatenate(leaves, axis=-1)
    if rows.shape[-2] < 2 or rows.size == 0:
        raise ValueError(f"states must hold at least two states of each run; got {shapes}.")
    check_finite("states", rows)
    return rows.reshape(-1, *rows.shape[-2:])


def _components(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the centre (N,), the components (k, N) and their shares of the variance (k,) of states (n, N)."""
    size = flat.shape[1]
    middle = flat.mean(axis=0)
    if size <= 2:
        variances = flat.var(axis=0)
        return np.zeros(size), np.eye(size), variances / (variances.sum() or 1.0)
    _, sizes, axes = np.linalg.svd(flat - middle, full_matrices=True)
    sizes = np.append(sizes, np.zeros(size - len(sizes)))
    # with the sign that makes the largest weight positive
    axes = axes * np.sign(axes[np.arange(size), np.argmax(np.abs(axes), axis=1)])[:, None]
    return middle, axes[:_COMPONENTS], sizes[:_COMPONENTS] ** 2 / (np.sum(sizes**2) or 1.0)


def _search(system: AbstractSystem, flat: np.ndarray, deviation: float) -> FixedPoints:
    spread = _SPREAD * deviation / flat.shape[1] ** 0.5
    guesses = draw_guesses(jax.random.key(0), _GUESSES, jnp.asarray(flat), spread)
    return fixed_points(system, guesses, slow=True)


def _growing(fixed: FixedPoints, i: int) -> np.ndarray:
    """Returns the directions (j, N) in which disturbances of a point grow, fastest first."""
    times, values, right = (np.asarray(part)[i] for part in (fixed.timescales, fixed.eigenvalues, fixed.right))
    directions: list[np.ndarray] = []
    for mode in np.flatnonzero(times < 0):
        v = right[:, mode]
        if values[mode].imag == 0:
            directions.append(v.real / np.linalg.norm(v.real))
        elif values[mode].imag > 0:  # its conjugate has the same plane
            directions.extend(np.linalg.svd(np.stack([v.real, v.imag]), full_matrices=False)[2])
    return np.array(directions).reshape(-1, right.shape[0])


def _closed(orbits: Any, size: int) -> list[tuple[np.ndarray, bool | None]]:
    """Returns the states (m, N) of each orbit, and whether it attracts, where that is known."""
    if orbits is None:
        return []
    if isinstance(orbits, list | tuple) and not hasattr(orbits, "points"):
        return [pair for orbit in orbits for pair in _closed(orbit, size)]
    rows = np.asarray(as_numbers("orbits", getattr(orbits, "points", orbits)), float)
    names = getattr(orbits, "verdict_names", None) or [getattr(orbits, "verdict_name", "")]
    if isinstance(orbits, Attractor):
        names = ["DECAYS"]
    several = rows if rows.ndim == 3 else rows[None]
    if several.ndim != 3 or several.shape[2] != size or not np.all(np.isfinite(rows)):
        raise ValueError(
            f"orbits must be closed orbits of states of {size} numbers, such as periodic_orbit returns; got one of shape "
            f"{rows.shape}."
        )
    return [(one, {"DECAYS": True, "GROWS": False}.get(name)) for one, name in zip(several, names, strict=True)]


def _told(value: Any) -> str:
    points = getattr(value, "points", None)
    return type(value).__name__ if points is None else f"points of shape {points.shape}"
