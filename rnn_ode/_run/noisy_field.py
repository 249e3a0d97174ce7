"""A field under noise, dh = f(t, h) dt + σ dB, in equal steps.

σ does not depend on the state, so Itô's and Stratonovich's readings are one, and Euler–Maruyama has strong order 1:

    h + f(h) Δt + σ ΔB,    ΔB of variance Δt.

The default is the stochastic Heun scheme, which has strong order 1 and weak order 2 for such noise, and order 2 without noise
(Kloeden & Platen, "Numerical Solution of Stochastic Differential Equations", 1992, ch. 14 and 15):

    h' = h + f(h) Δt + σ ΔB,    h + (f(h) + f(h')) Δt/2 + σ ΔB.

The steps of all intervals are one scan, cut into blocks. The normal numbers of a block are drawn at once, and reverse mode
keeps only the states between blocks. So neither takes memory for all steps.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._base.checks import as_step, brief
from .._base.compiled import compiled
from .._base.results import RESULTS
from .._base.states import after, real_dtype
from .._base.types import Field, State
from .._paths.base import AbstractPath
from .clock import Clock
from .intervals import Interval, segments_of
from .kept import Kept, keep, with_result
from .noise import BLOCK, Noise
from .scan import kicked
from .solve import promoted

_ROUNDING = 1e-5  # by how much a step that fits a whole number of times may be too short, relative


def check_options(solver: Any, **others: Any) -> None:
    """`TypeError` for a solver that has no version for noise, `ValueError` for options of adaptive solvers."""
    if not (solver is None or type(solver) in (diffrax.Euler, diffrax.Heun)):
        raise TypeError(
            "with noise, solver must be diffrax.Heun() (the default) or diffrax.Euler() (Euler–Maruyama), whose steps are "
            f"equal; got {brief(solver)}."
        )
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise ValueError(f"with noise the steps are equal, and {given[0]} is not used; leave it out, and choose step=.")


def count_of_steps(step: Any, path: Any, clock: Clock | None) -> int:
    """Return into how many equal steps of at most `step` each interval is divided."""
    if step is None:
        raise TypeError(
            "noise needs step=, the longest step of the solver, in time: a tenth of the fastest decay time, say."
        )
    step = as_step("step", step)
    if clock is not None and clock.increasing is not None:
        raise TypeError(
            "with noise, ts must be known while Python runs, since they say how many steps there are; got traced ts. Under "
            "jit, make them with NumPy."
        )
    with jax.ensure_compile_time_eval():
        (_, begin, end, *length), *_ = (
            segments_of(path, clock) if clock is not None else ((0, np.zeros(1), np.ones(1)),)
        )
        lengths = np.asarray(length[0] if length else end - begin, float)
    unit = path.dt if isinstance(path, AbstractPath) else 1.0
    longest = unit * lengths.max(initial=0.0)
    count = max(1, math.ceil(longest / step * (1 - _ROUNDING)))
    parts = math.ceil(count / BLOCK)
    return parts * math.ceil(count / parts)


@compiled
def solve_with_noise(
    field: Field,
    path: Any,
    h0: State,
    clock: Clock | None,
    count: int,
    euler: bool,
    noise: Noise,
    save: Callable[[Any], Any] | None,
) -> tuple[Array, State, RESULTS, dict[str, Any]]:
    """Return the times, what is kept of the states, how the run ended, and counts of steps. Each interval is divided into
    `count` steps."""
    (whole, *ends), times, picks, _ = segments_of(path, clock)
    h0 = promoted(field, path, h0, (whole, *(end.astype(real_dtype(h0)) for end in ends)))
    segments = (whole, *(end.astype(real_dtype(h0)) for end in ends))
    step = partial(_step, field, path, count, _euler if euler else _heun)
    rows = _blocks(step, segments, count, noise, h0, save)
    kept = after(keep(h0, save), rows)
    kept = kept if picks is None else jax.tree.map(lambda leaf: leaf[picks], kept)
    states, result = with_result(kept)
    undefined = result == RESULTS.not_a_number
    result = RESULTS.where(undefined, RESULTS.field_undefined, result)  # pyright: ignore
    total = whole.shape[0] * count
    stats = {"num_steps": total, "num_accepted_steps": total, "num_rejected_steps": 0, "max_steps": total}
    return times, states, result, stats


def _blocks(step: Callable, segments: tuple[Array, ...], count: int, noise: Noise, h0: State, save: Any) -> Kept:
    """Return what is kept of the state after each interval."""
    intervals = segments[0].shape[0]
    # a block is some intervals, or a part of one
    size = count * max(1, min(BLOCK // count, intervals)) if count <= BLOCK else count // math.ceil(count / BLOCK)
    blocks = -(-intervals * count // size)

    def block(carry, number):
        kicks = noise.steps(number, size, h0, size)
        places = number * size + jnp.arange(size)

        def one(carry, given):
            place, kick = given
            i, k = place // count, place % count
            # the steps that fill up the last block have no length
            segment = tuple(leaf[jnp.minimum(i, intervals - 1)] for leaf in segments)
            h, anchor = step(segment, k, i < intervals, kick, *carry)
            return (h, anchor), h

        carry, states = jax.lax.scan(one, carry, (places, kicks))
        ends = jax.tree.map(lambda leaf: leaf[count - 1 :: count] if count <= size else leaf[-1:], states)
        return carry, jax.vmap(lambda h: keep(h, save))(ends)

    block = jax.checkpoint(block, prevent_cse=False)  # in a scan nothing can be shared with the forward pass
    _, rows = jax.lax.scan(block, (h0, h0), jnp.arange(blocks))
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), rows)
    parts = max(1, count // size)
    return jax.tree.map(lambda leaf: leaf[parts - 1 :: parts][:intervals], rows)


def _step(field, path, count: int, scheme: Callable, segment, k, alive, kick, h, anchor):
    """Return the state after step k of an interval, and the state at which the field is anchored."""
    interval, anchor = Interval.of(field, path, segment).anchored(_where(k == 0, h, anchor), anchor)
    kind = real_dtype(h)
    part = jnp.where(alive, jnp.asarray(1 / count, kind), 0)
    deviation = jnp.sqrt(part * interval.dt * jnp.asarray(interval.length, kind))
    dB = jax.tree.map(lambda leaf: deviation.astype(leaf.dtype) * leaf, kick)
    return scheme(interval.rate, k.astype(kind) * part, part, h, dB), anchor


def _euler(rate, s, ds, h, dB):
    return kicked(_moved(h, rate(s, h), ds), dB)


def _heun(rate, s, ds, h, dB):
    first = rate(s, h)
    second = rate(s + ds, kicked(_moved(h, first, ds), dB))
    return kicked(_moved(h, jax.tree.map(lambda a, b: (a + b) / 2, first, second), ds), dB)


def _moved(h, rate, ds):
    return jax.tree.map(lambda leaf, along: leaf + ds.astype(leaf.dtype) * along.astype(leaf.dtype), h, rate)


def _where(condition, new, old):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)
