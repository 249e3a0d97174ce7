"""Basins: which attractor each of many states goes to.

`basins_search` carries the states on and finds the attractors, `basins_sets` says what a state has settled on, and
`basins_runs` holds the compiled functions.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PyTree

from .._base.checks import as_number, as_step, check_count, check_on_host, counted
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, number, plain
from .._systems.base import AbstractSystem, check_system
from .basins_search import DIVERGED, LABELS, Search
from .basins_sets import Attractor
from .fixed_points_guesses import as_rows


class Basins(ShownArrays, eqx.Module):
    """Which attractor each of n states goes to.

    **Fields:**

    - `states` (n, N): the flat states.
    - `labels` (n,): the number of the attractor that each goes to, in the order in which the states first reach them. −1: it
      runs off to infinity, or to where the system does not exist. −2: it ends on a set that does not attract its neighbours,
      such as a saddle. −3: it had not settled at the end.
    - `attractors`: a list of `Attractor`: (kind, points, period, exponents).
    - `fractions` (k,): the share of the states that goes to each attractor.
    - `duration`: the longest time for which a state was carried.
    - `result`: a `RESULTS`: `successful`, or what to do about states that had not settled.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> found = ro.basins(ro.Map(lambda x, h: jnp.tanh(1.5 * h)), jnp.array([[-1.0], [-0.1], [0.0], [0.2]]))
    >>> found.labels.tolist(), found.fractions.tolist(), [attractor.kind for attractor in found.attractors]
    ([0, 0, -2, 1], [0.5, 0.25], ['point', 'point'])

    ```
    """

    states: Float[np.ndarray, "n N"]
    labels: Int[np.ndarray, " n"]
    attractors: list[Attractor]
    fractions: Float[np.ndarray, " k"]
    duration: float
    result: RESULTS

    @property
    def kinds(self) -> list[str]:
        """The kind of each attractor."""
        return [attractor.kind for attractor in self.attractors]

    def plot(self, coordinates: tuple[int, int] = (0, 1)):
        """The states by attractor, in two coordinates. A matplotlib figure (needs the `app` extra)."""
        from ..plot import basins as draw

        return draw(self, coordinates)

    def _tables(self) -> tuple[Table, ...]:
        kinds = self.kinds
        title = f"{len(self.states)} states go to {counted(len(kinds), 'attractor')}."
        rows = tuple(
            (
                str(k),
                kind,
                f"{100 * share:.4g} %",
                number(period, 6),
                number(exponents[0]),
                " ".join(map(number, points[0, :_SHOWN])) + (" …" if points.shape[1] > _SHOWN else ""),
            )
            for k, ((kind, points, period, exponents), share) in enumerate(
                zip(self.attractors, self.fractions, strict=True)
            )
        )
        counts = {words: int(np.sum(self.labels == label)) for label, words in LABELS.items()}
        notes = [f"{counted(count, 'state')} {words}." for words, count in counts.items() if count]
        notes += [how_it_ended(self.result)] if self.result != RESULTS.successful else []
        return (Table(_COLUMNS if rows else (), rows, title, tuple(notes)),)

    def _data(self) -> dict[str, Any]:
        names = "states", "labels", "fractions", "duration"
        found = {name: getattr(self, name) for name in names}
        found["attractors"] = [attractor._asdict() for attractor in self.attractors]
        return plain({**found, "result": how_it_ended(self.result)}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "states": (("state", "unit"), self.states, ""),
            "labels": (("state",), self.labels, "number of the attractor; -1, -2, -3 for none"),
            "fractions": (("attractor",), self.fractions, ""),
            "kind": (("attractor",), np.array(self.kinds, str), ""),
            "period": (("attractor",), np.array([attractor.period for attractor in self.attractors]), "time"),
        }


_SHOWN = 4  # numbers of a state

_COLUMNS = (
    Column("attractor", ">"),
    Column("kind"),
    Column("states", ">", "the share that goes to it"),
    Column("period", ">", "in time"),
    Column("exponent", ">", "the largest Lyapunov exponent, in nats per unit time"),
    Column("a state on it"),
)


def basins(
    system: AbstractSystem,
    states: ArrayLike | PyTree,
    *,
    duration: float | None = None,
    step: float | None = None,
    tolerance: float = 0.01,
    most: int = 64,
    chunk: int = 4096,
) -> Basins:
    """Which attractor each of many states goes to.

    **Arguments:**

    - `system`: a `Map` or `Flow` with a constant input, whose field does not depend on time.
    - `states`: flat states (n, N), or a pytree of states with that leading axis.
    - `duration`: the longest time for which a state is carried until it settles. Default 16384 steps of a map, 65536 of a
      flow.
    - `step`: length of a flow's steps, in time. By default it is measured at some of the states. The method is the classical
      Runge–Kutta method.
    - `tolerance`: how near states must come to an attractor to count as on it, in units of the range of the states (fixed
      points) or of the attractor (others). Default 0.01. Other attractors than fixed points and orbits of maps are one
      attractor if they are nearer to each other than that.
    - `most`: the search ends at so many attractors. Default 64.
    - `chunk`: so many states are carried at a time, which bounds the memory. Default 4096.

    **Returns:** `Basins`, in the order of the states.

    **Raises:** `ValueError` or `TypeError` for a system whose input or field changes with time, for states of another size,
    not finite or traced, and for arguments out of range.

    A state is carried for twice as long each time, until it stays within reach of an attractor that is known. Some of the
    states that are left are looked at. If the motion has come back to where it was, the state is on a new attractor. Fixed
    points are solved for exactly. Each state of a line attractor, and each orbit of a system without friction, counts as an
    attractor of its own. A long transient near a chaotic set that does not attract may be taken for a chaotic attractor:
    compare with a longer `duration` from its points. Attractors of a high dimension do not recur in a run of this length;
    their states have the label −3.

    The method is that of Datseris & Wagemakers, "Effortless estimation of basins of attraction", Chaos 32 (2022), with
    distances in place of the cells of a grid. It calls compiled functions from the host, so it cannot be used inside `jit`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> henon = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]))
    >>> found = ro.basins(henon, jnp.array([[0.0, 0.0], [0.1, 0.1], [2.0, 0.0]]))
    >>> found.labels.tolist(), found.kinds
    ([0, 0, -1], ['chaotic'])

    ```
    """
    check_system("system", system)
    system.require_constant("basins")
    rows = as_rows("states", states)
    rows = rows.astype(system.as_point("each of the states", rows[0]).dtype)
    check_on_host("basins", system=system, states=rows)
    if jnp.finfo(rows.dtype).bits < 32:
        raise TypeError(f"states must be float32 or wider, and so must the system; got {rows.dtype}.")
    system.require_constant("basins", rows[0])
    tolerance = as_number("tolerance", tolerance)
    if not 0 < tolerance <= 0.1:
        raise ValueError(
            f"tolerance must be a share of the range of the states, above 0 and at most 0.1; got {tolerance}."
        )
    check_count("most", most)
    check_count("chunk", chunk)
    if step is not None and system.time.own_step:
        raise ValueError(f"a map has its own step, and basins takes none for it; got step={step!r}.")
    search = Search(
        system,
        np.asarray(rows),
        None if duration is None else as_step("duration", duration),
        None if step is None else as_step("step", step),
        tolerance,
        most,
    )
    labels = np.concatenate([search.labels(rows) for rows in search.chunks(chunk)])
    return _as_basins(search, labels)


def _as_basins(search: Search, labels: np.ndarray) -> Basins:
    """Returns the result, with the attractors in the order in which the states first reach them."""
    reached, firsts = np.unique(labels[labels >= 0], return_index=True)
    order = reached[np.argsort(firsts)]
    places = np.full(len(search.found) + 1, DIVERGED)
    places[order] = np.arange(len(order))
    labels = np.where(labels >= 0, places[np.maximum(labels, 0)], labels)
    return Basins(
        search.states,
        labels,
        [search.found[k].attractor for k in order],
        np.array([np.mean(labels == k) for k in range(len(order))]),
        search.duration,
        search.result(labels),
    )
