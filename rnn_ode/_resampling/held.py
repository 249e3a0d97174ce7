"""A network at any times under a held input.

The input jumps at the samples, and no polynomial may cross a jump. The states at the samples are states of the network itself
where its step is the sampling interval. From each of them the orbit under that one sample is computed, ahead + behind
applications of the network, and the states until the next sample are read off it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from .._base.states import after, like, mask_failed
from .._base.types import Cell, State
from .._cells.protocol import hoisted
from .._paths.base import AbstractPath
from .._run.clock import ROWS, Clock
from .._run.kept import Kept, keep
from .interpolation import Interpolation, orbit_of, read_off, whole_steps
from .times import Bounds


def run_held(
    cell: Cell,
    path: AbstractPath,
    clock: Clock,
    h0: State,
    rule: Interpolation,
    bounds: Bounds,
    save: Callable[[Any], Any] | None,
) -> tuple[Kept, Bool[Array, ""]]:
    """Return what is kept of the states (n, …) at the times, and whether no time was further than `bounds` allow."""
    drive, step = hoisted(cell)
    nodes = rule.ahead + rule.behind
    each = path.dt / clock.dt  # steps of the network in a sampling interval
    cap = int(whole_steps(np.float64(each), nodes, np))
    begin, samples = clock.whole[0], bounds.samples
    whole_interval = round(each) if abs(each - round(each)) < 1e-12 * each else None

    def drive_of(k):
        return drive(path.at(k, jnp.zeros_like(clock.fraction[0])))

    def part(k, h, place):
        """The state `place` steps into the interval of sample k, from the state h at its beginning."""
        drives = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (cap + nodes, *leaf.shape)), drive_of(k))
        return read_off(orbit_of(step, h, drives), place, rule)

    def interval(k, h):
        """The state at the end of the interval of sample k."""
        if whole_interval is None:
            return part(k, h, jnp.asarray(each, clock.gaps.dtype))
        u = drive_of(k)
        return jax.lax.fori_loop(0, whole_interval, lambda _, h: like(h, step(u, h)), h)

    def body(h, k):
        return (h := interval(k, h)), h

    entered = clock.fraction[0]  # the part of the first interval that is over at the first time
    anchors = jax.tree.map(lambda leaf: leaf[None], h0)
    if samples:
        rest = part(begin, h0, (1 - entered) * each)
        whole = interval(begin, h0)
        second = jax.tree.map(lambda a, b: jnp.where(entered == 0, a, b), whole, rest)
        _, later = jax.lax.scan(body, second, begin + jnp.arange(1, samples))
        anchors = after(h0, after(second, later))

    def at(i: Array) -> Kept:
        k = clock.whole[i] - begin
        anchor = jax.tree.map(lambda leaf: leaf[jnp.clip(k, 0, samples)], anchors)
        place = (clock.fraction[i] - jnp.where(k == 0, entered, 0)) * each
        return keep(mask_failed(k > samples, part(clock.whole[i], anchor, place)), save)

    rows = jax.lax.map(at, jnp.arange(1, clock.ts.shape[0]), batch_size=ROWS)
    return after(keep(h0, save), rows), clock.whole[-1] - begin <= samples
