"""`sweep`: a function of a network's parameters on a whole grid of them, on every device of every process."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from .._base.checks import as_texts, brief, check_callable, check_count, check_flag
from .._files.atomic import check_folder_writable
from .._files.lock import held
from .dataset import gathered, opened
from .grid import Chunk, Grid, as_grid
from .plan import Plan, planned
from .program import Found
from .progress import Show, shown
from .store import Store, damage_told

if TYPE_CHECKING:
    import xarray


def sweep(
    f: Callable[..., Any],
    axes: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    store: str | os.PathLike | None = None,
    chunk: int | None = None,
    progress: bool | Callable[[int, int], None] = True,
    static: Sequence[str] = (),
) -> "xarray.Dataset":
    """Call `f` for every member of a grid or list of parameters, on every device of every process.

    The members are computed in chunks, each on one device. The results do not depend on how many devices or processes there
    are, to the last bit, as long as these are of one kind.

    **Arguments:**

    - `f`: a function of one member. It takes the parameters as keyword arguments, scalars of JAX, and returns arrays: one, or
      a dictionary, a tuple or a result of this package, whose parts then have names. It is compiled, so that it must be
      written as for `jax.jit`.
    - `axes`: the values of each parameter by name, of which every combination is a member; or a list of dictionaries, one for
      each member. Values are numbers: give seeds in place of random keys, and call `jax.random.key(seed)` in `f`.
    - `store`: a folder for a Zarr store, into which finished chunks are written. A sweep that was killed goes on from there
      if it is called again with the same arguments. All processes must reach the same folder.
    - `chunk`: the largest number of members in a chunk: less memory and smaller losses at an interruption if it is small.
      By default it is chosen by the number of members and the size of the results.
    - `progress`: whether a bar is shown on standard error, in a terminal; or a function of the number of members that are
      done, and of all, in this process.
    - `static`: names of axes whose values `f` gets as Python numbers, such as the number of units. `f` is compiled anew for
      each of their values, and must return arrays of the same shapes.

    **Returns:** an `xarray.Dataset`. Its dimensions are the axes in their order (`member` for a list), then those of the
    results. Items of `Verdict` and `Kind` are their names. The variable `outcome` says in words how each member ended:
    "successful"; "a result is NaN"; the first sentence of the text of `RESULTS`, if a run or a solve failed; or "the function
    raised an error". A failed member stops no other one. (In `f`, `throw=False` costs less time: a chunk in which a member
    raises an error is computed several times.) `attrs` has the numbers of members that were `computed` and `reused`. With a
    store, numbers are read when they are needed. With a store and several processes, a process returns as soon as its own
    chunks are done, and members that others have not finished by then are "not computed".

    **Raises:** `TypeError` or `ValueError` for axes that are not finite numbers, and for results that are not arrays; with a
    store, `ValueError` for the store of another sweep, `BlockingIOError` if another run writes to it, and `OSError` if the
    disk is full or the folder cannot be written to; `ModuleNotFoundError` without the extra `sweep`.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> def exponent(gain, seed):
    ...     W = gain * jax.random.orthogonal(jax.random.key(seed), 4)
    ...     return ro.lyapunov(ro.Map(lambda x, h: W @ h), jnp.ones(4), 100.0, count=1).exponents[0]
    >>> found = ro.sweep(exponent, {"gain": [0.5, 1.0, 2.0], "seed": range(4)})
    >>> found["value"].mean("seed").values.round(3) + 0.0
    array([-0.693,  0.   ,  0.693], dtype=float32)
    >>> set(found["outcome"].values.flat)
    {'successful'}

    ```
    """
    check_callable("f", f, "f(**parameters)")
    if callable(progress):
        check_callable("progress", progress, "progress(done, total)")
    else:
        check_flag("progress", progress)
    if chunk is not None:
        check_count("chunk", chunk)
    folder = None if store is None else _as_folder(store)
    _check_installed()
    grid = as_grid(axes)
    _check_takes(f, grid)
    plan = planned(f, grid, chunk, _as_static(static, grid))
    with shown(progress) as show:
        if folder is None:
            return gathered(plan, _told(plan, show, plan.chunks())).assign_attrs(computed=grid.size, reused=0)
        with held("store", folder, jax.process_index(), needed=True):
            return _stored(plan, folder, show)


def _stored(plan: Plan, folder: Path, show: Show) -> "xarray.Dataset":
    """Compute the chunks that the store does not hold, each of which is written as soon as it is there."""
    there = Store(folder, plan.grid, plan.box, plan.outputs, plan.configuration())
    own = plan.chunks()
    missing = [chunk for chunk in own if not there.holds(chunk)]
    for chunk, found in _told(plan, show, missing):
        there.write(chunk, found)
    computed = sum(map(plan.size, missing))
    counts = {"computed": computed, "reused": sum(map(plan.size, own)) - computed}
    with damage_told(folder):
        return opened(folder, plan.grid, plan.outputs).assign_attrs(counts)


def _told(plan: Plan, show: Show, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Found]]:
    """Compute chunks, and show the number of members that are done as the next chunk is asked for."""
    total = sum(map(plan.size, plan.chunks()))
    done = total - sum(map(plan.size, chunks))
    show(done, total)
    for chunk, found in plan.computed(chunks):
        yield chunk, found
        done += plan.size(chunk)
        show(done, total)


def _as_folder(store: Any) -> Path:
    """The folder of a store, which can be written to."""
    if not isinstance(store, str | os.PathLike) or not os.fspath(store):
        raise TypeError(f"store must be a folder, such as 'sweep.zarr'; got {brief(store)}.")
    if "://" in str(store):
        raise ValueError(f"store must be a folder on a file system, which renames and locks files; got {store}.")
    folder = Path(store)
    check_folder_writable("store", folder)
    return folder


def _check_takes(f: Callable[..., Any], grid: Grid) -> None:
    """`TypeError` unless f takes the axes by name, as far as its signature can be read."""
    try:
        signature = inspect.signature(f)
    except ValueError:  # a compiled function
        return
    try:
        signature.bind(**dict.fromkeys(grid.parameters))
    except TypeError as error:
        raise TypeError(
            f"f must take each parameter of axes by name, f({', '.join(grid.parameters)}), and no others: {error}."
        ) from None


def _as_static(static: Any, grid: Grid) -> tuple[str, ...]:
    """The names of the static parameters."""
    names = as_texts("static", static)
    for name in names:
        if name not in grid.names:
            raise ValueError(f"static must name axes of a grid, out of {', '.join(grid.names)}; got {name!r}.")
    if len(names) == len(grid.parameters):
        raise ValueError("static must leave at least one axis whose values are arrays; it names all.")
    return names


def _check_installed() -> None:
    try:
        import filelock  # noqa: F401
        import xarray  # noqa: F401
        import zarr  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "rnn_ode.sweep needs xarray, zarr and filelock: pip install '.[sweep]' in a clone of rnn_ode",
            name=error.name,
        ) from error
