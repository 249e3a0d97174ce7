"""`Trajectory`: the states of a run, and how it ended."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from .._base.checks import check_flag, counted, is_concrete
from .._base.results import RESULTS, how_it_ended
from .._base.shown import ShownArrays, Variables
from .._base.text import Column, Table, complex_number, digits_of, number, plain, some_of
from .._base.types import State
from .parallel_choice import in_words


class Trajectory(ShownArrays, eqx.Module):
    """States at times: what `iterate`, `integrate` and `evolve` return.

    **Fields:**

    - `ts`: (n,) times, the first one that of the initial state.
    - `states`: a pytree of (n, …), the initial state first. A network's outputs are `states[1:]`, and those of an
      LSTM, whose states are a pair (h, c), `states[0][1:]`. In general `jax.tree.map(lambda rows: rows[1:], states)` are the
      states after each step.
    - `result`: a `RESULTS`, `successful` or why the run ended early. Rows after that end are infinite, as in diffrax.
    - `stats`: a dictionary of counts such as `num_steps`, and of `iterate` what its `fold` returns.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.iterate(lambda x, h: 0.5 * h + x, jnp.ones((3, 1)), jnp.zeros(1))
    >>> run.states[:, 0].tolist(), run.ts.tolist()
    ([0.0, 1.0, 1.5, 1.75], [0.0, 1.0, 2.0, 3.0])

    ```
    """

    ts: Float[Array, " n"]
    states: State
    result: RESULTS
    stats: dict[str, Any]

    _alone = "ts", 1

    def plot(self):
        """The components that move most, against time. A matplotlib figure (needs the `app` extra)."""
        from ..plot import trajectory

        return trajectory(self)

    def _leaves(self) -> dict[str, np.ndarray]:
        """The arrays of the states by name: "state", or one name for each leaf of a pytree.

        Where two names would be the same, each name ends in the leaf's number."""
        found = jax.tree_util.tree_leaves_with_path(self.states)
        names = ["_".join(["state", *_names(path)]) for path, _ in found]
        if len(set(names)) < len(names):
            names = [f"{name}_{i}" for i, name in enumerate(names)]
        return {name: np.asarray(leaf) for name, (_, leaf) in zip(names, found, strict=True)}

    def _tables(self) -> tuple[Table, ...]:
        leaves = self._leaves()
        names, rows = _numbers_of(leaves), _flat(leaves, len(self.ts))
        write = complex_number if np.iscomplexobj(rows) else number
        ended, total, size = how_it_ended(self.result), len(rows), len(names)
        count = total if ended == "successful" else int(np.cumprod(np.isfinite(rows).all(axis=1)).sum())
        columns = Column("t", ">"), *(Column(name, ">") for name in names[:_SHOWN])
        digits = digits_of(self.ts, 4) if total else 4
        lines = tuple((number(self.ts[i], digits), *map(write, rows[i, :_SHOWN])) for i in some_of(count, _SHOWN_ROWS))
        title = (
            f"A run: {total} states of {counted(size, 'number')}" if size else f"A run: {total} times, and no states"
        )
        title += "." if count == total else f", of which {count} before it ended early."
        few = f"Shown: {len(lines)} of {count} times" if count > len(lines) else ""
        few += f"{', ' if few else 'Shown: '}{_SHOWN} of {size} numbers" if size > _SHOWN else ""
        notes = (f"{few}." if few else "", "" if ended == "successful" else ended)
        return (Table(columns, lines, title, tuple(filter(None, notes))),)

    def _data(self) -> dict[str, Any]:
        leaves = self._leaves()
        states = leaves["state"] if leaves.keys() == {"state"} else leaves
        stats = {name: in_words(value) for name, value in self.stats.items()}
        found = {"ts": self.ts, "states": states, "result": how_it_ended(self.result), "stats": stats}
        return plain(found, infinities=True)

    def _variables(self) -> Variables:
        found: Variables = {"time": (("time",), self.ts, "the unit of dt")}
        leaves = self._leaves()
        alike = len({leaf.shape for leaf in leaves.values()}) == 1
        for name, leaf in leaves.items():
            ending = "" if alike else name.removeprefix("state")
            axes = (f"unit{ending}" if axis == 1 else f"axis_{axis}{ending}" for axis in range(1, leaf.ndim))
            found[name] = ("time", *axes), leaf, ""
        return found


_SHOWN = 6  # numbers of a state
_SHOWN_ROWS = 12


def _names(path: Any) -> list[str]:
    """The names of the steps of a path into a pytree."""
    return [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path]


def _flat(leaves: dict[str, np.ndarray], count: int) -> np.ndarray:
    """The states as rows (n, M); M is 0 if nothing of them is kept."""
    return np.concatenate([np.empty((count, 0)), *(leaf.reshape(count, -1) for leaf in leaves.values())], axis=1)


def _numbers_of(leaves: dict[str, np.ndarray]) -> list[str]:
    """The names of the numbers of a state: "h[0]", or of a pytree "0[1]"."""
    return [
        f"{name.removeprefix('state').removeprefix('_') or 'h'}{list(index) if index else ''}".replace(", ", ",")
        for name, leaf in leaves.items()
        for index in np.ndindex(leaf.shape[1:])
    ]


def as_trajectory(
    ts: Float[Array, " n"],
    states: State,
    ended: RESULTS,
    stable: Bool[Array | np.ndarray, ""],
    throw: bool,
    stats: dict[str, Any],
) -> Trajectory:
    """Return the trajectory of a run by a scheme, whose result is `unstable_scheme` where the scheme is not `stable`.

    With `throw` a run raises if rows are missing. A complete run of an unstable scheme does not raise."""
    result = _or_unstable(ended, stable)
    check_flag("throw", throw)
    if throw:
        states = or_raise(states, ended, result)
    return Trajectory(ts, states, result, stats)


@eqx.filter_jit
def _or_unstable(ended: RESULTS, stable: Bool[Array | np.ndarray, ""]) -> RESULTS:
    has_reason = (ended == RESULTS.gap_too_long) | (ended == RESULTS.times_not_increasing)
    return RESULTS.where(has_reason | stable, ended, RESULTS.unstable_scheme)


def or_raise(part: PyTree, ended: RESULTS, reason: RESULTS | None = None) -> PyTree:
    """Return a part of a run, or raise `EquinoxRuntimeError` with the reason (default: how it ended) if the run was not
    successful. That of a traced run is raised when the part is computed."""
    if is_successful(ended):
        return part
    reason = ended if reason is None else reason
    if is_concrete(ended):
        raise eqx.EquinoxRuntimeError(how_it_ended(reason))
    if not jax.tree.leaves(part):
        return part
    # `error_if` returns one flag and not the part, which under `vmap` would be copied to put the batch in front of the time
    failed = reason.error_if(jnp.array(False), ended != RESULTS.successful)
    return jax.tree.map(lambda leaf: jnp.where(failed, _no_result(leaf), leaf), part)


def _no_result(leaf: Array) -> Array:
    """What a failed run returns where Equinox is told not to raise (EQX_ON_ERROR=nan): NaN, or the largest integer."""
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        return jnp.full_like(leaf, jnp.nan)
    return jnp.full_like(leaf, jnp.iinfo(leaf.dtype).max) if jnp.issubdtype(leaf.dtype, jnp.integer) else leaf


def is_successful(result: RESULTS) -> bool:
    """Whether a run is known to be successful. The host looks, which compiles nothing; a traced result is not known."""
    (code,), (successful,) = jax.tree.leaves(result), jax.tree.leaves(RESULTS.successful)
    return is_concrete(code) and bool(np.all(np.asarray(code) == np.asarray(successful)))
