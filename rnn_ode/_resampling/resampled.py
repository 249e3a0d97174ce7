"""`resampled`: run a network at its own rate, on an input of any rate, and read its states at any times.

The network itself is not changed. Its input is read at its own steps, and its states are read between them, each by a
windowed sinc. A result therefore waits for states after it. Source of the idea for networks, with several filters: Carson,
Välimäki, Wright & Bilbao, "Resampling filter design for multirate neural audio effect processing", IEEE/ACM Transactions on
Audio, Speech and Language Processing, 2025 (arXiv 2501.18470).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree, Real

from .._base.checks import check_count, check_flag
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.types import Cell, Path, State
from .._paths.base import is_held
from .._paths.half_band import HalfBand, delay_of, half_band
from .._paths.interpolated import Linear
from .._paths.sinc import as_beta, fitted_beta, offsets, sinc_weights
from .._run.clock import ROWS, Clock
from .._run.iterate import iterate
from .._run.kept import Kept, with_result
from .._run.trajectory import Trajectory, as_trajectory
from .times import prepared

WIDEST = 512  # half-width of a window; wider ones gain nothing in float64 and fill the memory

_MOST = 10**8  # steps of the network: half an hour at 48 kHz, and the memory of most machines


class Window(NamedTuple):
    """The window of the sinc by which states are read: `half_width` steps of the network to either side, and its β.

    With `half_band` a `HalfBand` reads them, and the width counts samples of the doubled rate."""

    half_width: int
    beta: float
    half_band: bool = False

    @property
    def after(self) -> int:
        """How many steps after a time count."""
        return int(np.ceil(self.reach)) + 1 if self.half_band else self.half_width

    @property
    def reach(self) -> float:
        """How far after a time the newest step lies that counts, at most."""
        return (self.half_width + delay_of(half_band())) / 2 if self.half_band else float(self.half_width)

    @classmethod
    def of(
        cls,
        half_width: Any,
        beta: Any,
        name: str = "half_width",
        name_of_beta: str = "beta",
        half_band: bool = False,
    ) -> "Window":
        """The window of checked arguments; its β is fitted to the width where it is `None`."""
        if half_band and beta is not None:
            raise ValueError(
                f"{name_of_beta} was given with half_band, whose window has a β of its own; got {beta}. Leave one out."
            )
        check_count(name, half_width)
        if half_width > WIDEST:
            raise ValueError(f"{name} must be at most {WIDEST}; got {half_width}. More than 64 seldom help.")
        fitted = fitted_beta(int(half_width))
        return cls(int(half_width), fitted if beta is None else as_beta(name_of_beta, beta), half_band)


def resampled(
    cell: Cell,
    path: Path,
    ts: Real[ArrayLike, " n"],
    h0: PyTree[ArrayLike] | None = None,
    *,
    half_width: int = 8,
    beta: float | None = None,
    half_band: bool = False,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network at its own rate and read its states at any times, between its steps by a windowed sinc.

    This is more accurate than `evolve` where results may wait: a result needs the states up to `half_width` steps after it,
    and these need the input, which the path reads by a window of its own. A stream has that latency.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `path`: the input, a smooth one of rnn_ode's paths or any smooth function of time, such as
      `BandLimited(xs, dt, half_width=8)`. Not `Hold`: its jumps at the samples are no signal that can be read at other times.
    - `ts`: (n,) increasing times, in the unit of `dt`, which must not be traced.
    - `h0`: the state at the last step of the network at or before ts[0]. The steps are at the whole multiples of dt, as those
      of `iterate` are. Default: zeros, for our cells and Equinox's.
    - `half_width`: how many states to either side of a time count. Default 8.
    - `beta`: β of the window, as of `BandLimited`. Default: fitted to `half_width`.
    - `half_band`: read the states as `HalfBand` reads samples, with few operations and a phase of its own; `half_width` then
      counts samples of the doubled rate, such as 4. With a `HalfBand` as the path too this is the published efficient form.
      Default `False`.
    - `dt`: length of the network's step, in time. Default 1.
    - `save`: what to keep of each state of the network, a function of it that returns floating-point arrays. What is kept is
      read between the steps. Default: all of the state.
    - `throw`: whether a run that fails raises.

    **Returns:** a `Trajectory` at `ts`. At whole steps of the network it is the network. Before its first step the state is
    h0, and after the last stamp the path holds its end value, so that the first and last results are less accurate. `result`
    is `successful`, `left_float_range` or `not_a_number`. `stats` holds `num_steps`, and `num_applications` of the network.

    Nothing is filtered out: frequencies above half of the rate of `ts` alias, as they do if samples are left out.

    **Raises:** `ValueError` or `TypeError` for a held path, for traced times, for a half_width that is not whole or outside
    1 … 512, for a beta with half_band, for times that span more than 10⁸ steps, and as `evolve`.

    ```python
    >>> import jax, jax.numpy as jnp, numpy as np, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.GRUCell(1, 8, key=jax.random.key(0))
    >>> xs = jnp.sin(0.1 * jnp.arange(1.0, 101.0))[:, None]
    >>> run = ro.resampled(cell, ro.BandLimited(xs), np.arange(0, 90, 0.5))  # at twice the rate
    >>> bool(abs(run.states[::2] - ro.iterate(cell, xs).states[:90]).max() < 1e-6)
    True

    ```
    """
    check_flag("half_band", half_band)
    window = Window.of(half_width, beta, half_band=bool(half_band))
    if is_held(path):
        raise ValueError(
            f"path must be a smooth input for resampled; {type(path).__name__} jumps at its samples. For a held input use "
            "evolve, or iterate at the network's own steps."
        )
    clock, h0, dt = prepared(cell, path, ts, h0, dt, save)
    if not clock.known:
        raise TypeError(
            "ts must be known when resampled is traced; got a tracer. Make ts a NumPy array outside of what is traced."
        )
    places = Clock.of(Linear(jnp.zeros(1), dt), ts, dt)  # in steps of the network
    begin = int(places.whole[0])
    if places.whole[-1] - begin > _MOST:
        raise ValueError(
            f"ts spans {float(places.whole[-1] - begin):.4g} steps of dt = {dt:g}: are ts and dt in the same unit? At most "
            f"{_MOST:.0e} steps are run."
        )
    count = int(places.whole[-1]) + window.after - begin
    steps = Clock.of(path, dt * np.arange(begin, begin + count + 1, dtype=float), dt)
    rows, ended = _run_and_read(cell, path, steps, h0, places.whole - begin, places.fraction, window, save)
    stats = {"num_steps": clock.ts.shape[0] - 1, "num_applications": count}
    return as_trajectory(clock.ts, rows, ended, np.array(True), throw, stats)


@compiled
def _run_and_read(
    cell: Cell,
    path: Any,
    steps: Clock,
    h0: State,
    whole: Any,
    fraction: Any,
    window: Window,
    save: Callable[[Any], Any] | None,
) -> tuple[State, RESULTS]:
    """Return what is kept of the states (n, …) at places among the network's steps, and how the run ended."""
    xs = jax.lax.map(lambda i: steps.read(path, i, 0.0), jnp.arange(1, steps.ts.shape[0]), batch_size=ROWS)
    run = iterate(cell, xs, h0, save=save, throw=False)
    rows, read = with_result(Kept(read_between(run.states, whole, fraction, window), None))
    # rows around a state that is not finite are NaN; why the run ended the network's own states tell
    own = RESULTS.where(run.result == RESULTS.successful, read, run.result)
    return rows, RESULTS.where(read == RESULTS.successful, read, own)


def read_between(rows: State, whole: Int[Array, " n"], fraction: Float[Array, " n"], window: Window) -> State:
    """Return the values (n, …) between rows (T, …), `whole` rows and a `fraction` after the first one.

    Beyond the ends the first and the last row hold. A row that is not finite is left out where its weight is 0."""

    def read(place: tuple[Array, Array]) -> State:
        k, f = place
        weights = sinc_weights(f, window.half_width, window.beta)

        def value(leaf: Array) -> Array:
            taps = leaf[jnp.clip(k + offsets(window.half_width), 0, leaf.shape[0] - 1)]
            unused = (weights == 0).reshape(-1, *[1] * (leaf.ndim - 1))
            return jnp.tensordot(weights.astype(leaf.dtype), jnp.where(unused & ~jnp.isfinite(taps), 0, taps), 1)

        return jax.tree.map(value, rows)

    for leaf in jax.tree.leaves(rows):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise TypeError(f"save must return floating-point arrays, which are read between steps; got {leaf.dtype}.")
    if window.half_band:
        paths = jax.tree.map(lambda leaf: HalfBand(leaf, half_width=window.half_width), rows)

        def read(place: tuple[Array, Array]) -> State:
            return jax.tree.map(
                lambda path: path.at(place[0] + 1, place[1]), paths, is_leaf=lambda p: isinstance(p, HalfBand)
            )

    return jax.lax.map(read, (jnp.asarray(whole), jnp.asarray(fraction)), batch_size=ROWS)
