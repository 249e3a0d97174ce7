"""A trained network at any times, without an equation: interpolation along its own orbit (see `interpolation`).

*Smooth input.* From the state at one time to the next: the network is applied whole steps until the next time is no more
than half of `ahead` away, then `ahead` times more, and the orbit through these states and the `behind` ones before them,
whole steps or earlier results, is read at that time. The first `behind` results are read off the orbit of h0 alone,
through as many nodes, since there is nothing behind it.

*Held input.* The input jumps at the samples, and no polynomial may be laid across a jump. The states at the samples are the
anchors: exact states of the network where the two intervals agree. From an anchor the orbit under that sample alone is
read, through ahead + behind applications.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree, Real

from .._base.checks import as_band, check_count
from .._base.results import RESULTS
from .._base.states import after, frozen, like
from .._base.types import Cell, Path, State
from .._cells.protocol import hoisted
from .._paths.base import is_held
from .._run.clock import ROWS, Clock
from .._run.trajectory import Trajectory, conclude, finished, keep
from .interpolation import combined, lagrange, uniform_nodes, whole_steps
from .stability import TOLERANCE, beyond, companion, radii_of, resting_multipliers
from .times import prepared

_TRACED_WHOLE = 8


def evolve(
    cell: Cell,
    path: Path,
    ts: Real[ArrayLike, " n"],
    h0: PyTree[ArrayLike] | None = None,
    *,
    ahead: int = 3,
    behind: int = 3,
    band: float = 0.0,
    dt: float = 1.0,
    save: Callable[[Any], Any] | None = None,
    throw: bool = True,
) -> Trajectory:
    """Run a network at any times: between its steps, at another rate, or at irregular times.

    **Arguments:** `cell` any cell; `path` the input, one of rnn_ode's paths or any function of time, with an interval of
    its own; `ts` (n,) increasing times; `h0` the state at ts[0], zeros by default for our cells and Equinox's; `ahead`
    applications of the network and `behind` earlier states that a result is interpolated from; `band`, in cycles per step
    of the network (0.075 say, below 0.25), up to which the interpolation is fitted to what the states contain, 0 for
    polynomials; `dt` the network's step, time; `save` what to keep of each state, a function of it; `throw` whether a run
    that fails raises.

    **Returns:** a `Trajectory` at `ts`, h0 first. At whole steps of the network it is the network. `result` is `successful`,
    `left_float_range`, `not_a_number`, `gap_too_long` or `times_not_increasing` (of traced times only), or `unstable_scheme`:
    the run is then complete, and does not raise. `stats` holds `num_steps`; `num_applications`, whole steps aside; and
    `radius`, of the root condition: the largest modulus of the scheme's roots at the fixed point under the mean input, for
    the mean gap (1 or less is stable; NaN where no network at rest is to be found).

    **Raises:** `ValueError` or `TypeError` for times that do not increase, counts that are not whole, a state that does not
    fit, dt ≤ 0, a band outside 0 … 0.25.

    Give times as NumPy float64 where there are many: they are split on the host, also without `jax_enable_x64`. In float32
    a scheme amplifies rounding as gaps get short: by (4, 4) at an eighth of a step to 2e-4 on an LSTM of 16 units, where
    fewer states behind, or float64, lose less.

    ```python
    >>> import jax, jax.numpy as jnp, numpy as np, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.GRUCell(1, 8, key=jax.random.key(0))
    >>> xs = jnp.sin(0.1 * jnp.arange(1.0, 101.0))[:, None]
    >>> run = ro.evolve(cell, ro.Cubic(xs), np.arange(0, 90, 0.5))  # at twice the rate
    >>> error = run.states[::2] - ro.iterate(cell, xs).states[:90]
    >>> bool(abs(error).max() < 1e-3)
    True

    ```
    """
    check_count("ahead", ahead)
    check_count("behind", behind, 0)
    scheme = (int(ahead), int(behind), as_band("band", band))
    clock, h0, dt = prepared(cell, path, ts, h0, dt, save)
    count = clock.ts.shape[0] - 1
    rows, ended = _run(cell, path, clock, h0, scheme, _bounds(path, clock, scheme), save)
    radius, stable = _roots(frozen((cell, path, clock, h0)), scheme) if count else (jnp.nan, jnp.array(True))
    stats = {"num_steps": count, "num_applications": count * ahead, "radius": radius}
    return finished(clock.ts, rows, ended, stable, throw, stats)


class _Bounds(NamedTuple):
    """What a compiled run must know beforehand: the most whole steps in a gap, the length of the orbit that the first results
    are read off, and the number of samples that a held input moves on by."""

    whole: int
    start: int
    samples: int


def _bounds(path, clock: Clock, scheme) -> _Bounds:
    ahead, behind, _ = scheme
    first = min(behind, clock.gaps.shape[0])
    if clock.known:
        gaps = np.asarray(clock.gaps)
        whole, reach = int(whole_steps(np.max(gaps, initial=0), ahead, np)), np.sum(gaps[:first])
        samples = int(clock.whole[-1] - clock.whole[0]) if is_held(path) else 0
    else:
        whole, reach = _TRACED_WHOLE, first * (_TRACED_WHOLE + ahead / 2 + 1)
        samples = path.xs.shape[0] + _TRACED_WHOLE if is_held(path) else 0
    return _Bounds(whole, int(whole_steps(np.float64(reach), ahead + behind, np)) + ahead + behind, samples)


@eqx.filter_jit
def _run(cell, path, clock: Clock, h0, scheme, bounds: _Bounds, save):
    """What is kept of the states at the times, and how the run ended."""
    run = _held if is_held(path) else _smooth
    rows, within = run(cell, path, clock, h0, scheme, bounds, save)
    states, result = conclude(rows, clock.increasing)
    told = within | (result == RESULTS.times_not_increasing)
    return states, RESULTS.where(told, result, RESULTS.gap_too_long)


# A smooth input.


class Past(eqx.Module):
    """The last result `h`, and the states behind it, oldest first, `offsets` (behind,) steps from it."""

    h: State
    behind: tuple[State, ...]
    offsets: Float[Array, " behind"]


def _smooth(cell, path, clock: Clock, h0, scheme, bounds: _Bounds, save):
    """What is kept at the times, and whether every gap could be bridged."""
    ahead, behind, _ = scheme
    drive, step = hoisted(cell)
    count = clock.gaps.shape[0]
    first = min(behind, count)
    within = jnp.all(whole_steps(clock.gaps, ahead) <= bounds.whole)
    past, rows = _start(cell, path, clock, h0, scheme, first, bounds.start)
    early = jax.vmap(lambda h: keep(h, save))(rows)
    if first == count:
        return early, within

    def inputs(i):
        after = (whole_steps(clock.gaps[i], ahead) + 1) * clock.dt
        return jax.vmap(drive)(clock.read_ahead(path, i, after, ahead))

    index = jnp.arange(first, count)
    drives = jax.lax.map(inputs, index, batch_size=ROWS)
    always = _uniform_weights(clock, scheme, bounds.whole)

    def body(past, row):
        i, drives = row
        whole = whole_steps(clock.gaps[i], ahead)
        past = _walk(cell, path, clock, past, i, whole, bounds.whole)
        past = advance(step, past, drives, clock.gaps[i] - whole, scheme, always)
        if not clock.known:
            past = eqx.tree_at(lambda p: p.h, past, _unless(whole > bounds.whole, past.h))
        return past, keep(past.h, save)

    _, late = jax.lax.scan(body, past, (index, drives))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), early, late), within


def _uniform_weights(clock: Clock, scheme, cap: int):
    """The weights of every step where they are the same, `None` where each step has its own."""
    return _weights(clock.gaps[0], scheme) if clock.uniform and not cap else None


def _weights(gap, scheme):
    """The weights of a scheme whose gaps are equal."""
    ahead, behind, band = scheme
    nodes, whole = uniform_nodes(gap, ahead, behind, jnp)
    return lagrange(nodes, gap - whole, band)


def advance(step, past: Past, drives, gap, scheme, weights=None) -> Past:
    """The next result, `gap` steps after the last one, from the orbit's `ahead` next states under those `drives`."""
    ahead, _, band = scheme
    orbit = [past.h]
    for j in range(ahead):
        orbit.append(like(past.h, step(jax.tree.map(lambda leaf, j=j: leaf[j], drives), orbit[-1])))
    if weights is None:
        nodes = jnp.concatenate([past.offsets, jnp.arange(ahead + 1, dtype=past.offsets.dtype)])
        weights = lagrange(nodes, gap, band)
    return moved(past, combined(weights, [*past.behind, *orbit]), gap)


def moved(past: Past, h, by) -> Past:
    """With `h` for its last result, `by` steps after the one that was."""
    if not past.behind:
        return Past(h, (), past.offsets)
    offsets = jnp.concatenate([past.offsets[1:], jnp.zeros(1, past.offsets.dtype)]) - by
    return Past(h, (*past.behind[1:], past.h), offsets)


def _walk(cell, path, clock: Clock, past: Past, i, whole, cap: int) -> Past:
    """After so many whole steps of the network from the i-th time, `cap` of them at most."""
    if cap == 0:
        return past

    def one(past, j):
        def go():
            return moved(past, cell(clock.read(path, i, (j + 1) * clock.dt), past.h), 1)

        return jax.lax.cond(j < whole, go, lambda: past), None

    def all_of_them():
        return jax.lax.scan(one, past, jnp.arange(cap))[0]

    return jax.lax.cond(whole > 0, all_of_them, lambda: past)


def _start(cell, path, clock: Clock, h0, scheme, first: int, length: int):
    """h0 and the first results, read off the orbit of h0 alone, as the past of the next one, and as rows."""
    kind = clock.gaps.dtype
    if first == 0:
        return Past(h0, (), jnp.zeros(0, kind)), jax.tree.map(lambda leaf: leaf[None], h0)
    drive, step = hoisted(cell)
    drives = jax.vmap(drive)(clock.read_ahead(path, 0, clock.dt, length))
    return begun(step, h0, drives, clock.gaps[:first], scheme)


def begun(step, h0, drives, gaps, scheme):
    """h0 and the results after the `gaps` (n,), read off its orbit under the drives (L, …): as the past of the next one, and
    as rows."""
    places = jnp.cumsum(jnp.asarray(gaps))
    orbit = _orbit(step, h0, drives)
    rows = after(h0, jax.vmap(lambda place: _read_off(orbit, place, scheme))(places))
    states = [jax.tree.map(lambda leaf, k=k: leaf[k], rows) for k in range(len(gaps) + 1)]
    offsets = jnp.concatenate([jnp.zeros(1, places.dtype), places[:-1]]) - places[-1]
    return Past(states[-1], tuple(states[:-1]), offsets), rows


def _orbit(step, h, drives):
    """h and the states after it, (L + 1, …), under the drives (L, …)."""

    def body(h, u):
        new = like(h, step(u, h))
        return new, new

    return after(h, jax.lax.scan(body, h, drives)[1])


def _read_off(orbit, place, scheme):
    """The state at a place, in steps, of an orbit (L + 1, …) of whole steps, through the ahead + behind + 1 about it."""
    ahead, behind, band = scheme
    nodes = ahead + behind + 1
    begin = jnp.minimum(whole_steps(place, nodes - 1), jax.tree.leaves(orbit)[0].shape[0] - nodes)
    window = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, begin, nodes), orbit)
    weights = lagrange(jnp.arange(nodes, dtype=place.dtype), place - begin, band)
    return combined(weights, [jax.tree.map(lambda leaf, k=k: leaf[k], window) for k in range(nodes)])


def _unless(failed, state):
    return jax.tree.map(lambda leaf: jnp.where(failed, jnp.asarray(jnp.inf, leaf.dtype), leaf), state)


# A held input.


def _held(cell, path, clock: Clock, h0, scheme, bounds: _Bounds, save):
    """As `_smooth`: anchors at the samples from the first time on, then every time from the anchor before it."""
    ahead, behind, _ = scheme
    nodes = ahead + behind
    drive, step = hoisted(cell)
    each = path.dt / clock.dt
    cap = int(whole_steps(np.float64(each), nodes, np))
    begin, samples = clock.whole[0], bounds.samples
    whole_interval = round(each) if abs(each - round(each)) < 1e-12 * each else None

    def part(k, h, place):
        """The state some way into the interval of sample k, from the one at its beginning."""
        u = drive(path.at(k, jnp.zeros_like(clock.fraction[0])))
        orbit = _orbit(step, h, jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (cap + nodes, *leaf.shape)), u))
        return _read_off(orbit, place, scheme)

    def interval(k, h):
        if whole_interval is None:
            return part(k, h, jnp.asarray(each, clock.gaps.dtype))
        u = drive(path.at(k, jnp.zeros_like(clock.fraction[0])))
        return jax.lax.fori_loop(0, whole_interval, lambda _, h: like(h, step(u, h)), h)

    def body(h, k):
        return (h := interval(k, h)), h

    entered = clock.fraction[0]
    anchors = jax.tree.map(lambda leaf: leaf[None], h0)
    if samples:
        rest = part(begin, h0, (1 - entered) * each)
        whole = interval(begin, h0)
        second = jax.tree.map(lambda a, b: jnp.where(entered == 0, a, b), whole, rest)
        _, later = jax.lax.scan(body, second, begin + jnp.arange(1, samples))
        anchors = after(h0, after(second, later))

    def at(i):
        k = clock.whole[i] - begin
        anchor = jax.tree.map(lambda leaf: leaf[jnp.clip(k, 0, samples)], anchors)
        place = (clock.fraction[i] - jnp.where(k == 0, entered, 0)) * each
        return keep(_unless(k > samples, part(clock.whole[i], anchor, place)), save)

    rows = jax.lax.map(at, jnp.arange(1, clock.ts.shape[0]), batch_size=ROWS)
    return after(keep(h0, save), rows), clock.whole[-1] - begin <= samples


@eqx.filter_jit
def _roots(run, scheme) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The largest modulus of the scheme's roots on the multipliers at rest, for the mean gap, and whether all satisfy the
    root condition. A held input has no feedback between the times, only between its samples."""
    cell, path, clock, h0 = run
    ahead, behind, band = scheme
    if is_held(path):
        ahead, behind, gap = ahead + behind, 0, jnp.asarray(path.dt / clock.dt, clock.gaps.dtype)
    else:
        gap = clock.mean_gap
    multipliers = resting_multipliers(cell, clock.mean_input(path), h0)
    weights = _weights(gap, (ahead, behind, band))
    radii = radii_of(companion(weights, multipliers, behind, whole_steps(gap, ahead)))
    asked = jnp.all(jnp.isfinite(radii))
    stable = ~asked | (beyond(radii, multipliers, gap) <= TOLERANCE)
    return jnp.where(asked, jnp.max(radii), jnp.nan), stable
