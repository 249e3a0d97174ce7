"""The case "evolve": an LSTM at another rate than its own, for a smooth input."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._paths.interpolated import BandLimited
from ..._resampling.alternatives import delayed_feedback
from ..._resampling.evolve import evolve
from ..._run.iterate import iterate
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row

AUDIO = (40, 48_000, 147, 160)  # units of the LSTM; results; 147 steps of the LSTM for 160 results (44.1 to 48 kHz)


def rows(plan: Plan) -> list[Row]:
    units, count, steps, results = AUDIO
    plan = plan.of_size(units, 1, count)
    with jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(plan.seed))
        cell = eqx.nn.LSTMCell(1, units, key=keys[0])
        noise = jax.random.normal(keys[1], (count * steps // results + 64,))
        xs = jnp.convolve(noise, jnp.hanning(15) / 3, mode="same")[:, None]
        ts = 1 + steps / results * np.arange(count)
        plan.progress("evolve: the reference")
        # the results with numbers results//2, 3·results//2, … are whole steps apart, so that the network itself gives their
        # exact values; only those count at which it has forgotten its start
        begin = results // 2
        shifted = jax.jit(lambda xs: jax.vmap(BandLimited(xs))(ts[begin] + 1 + jnp.arange(len(xs) - steps - 2)))(xs)
        chosen = np.arange(begin, count, results)[len(range(begin, count, results)) // 2 :]
        exact = np.asarray(iterate(cell, shifted).states[0])[(chosen - begin) // results * steps]

        def error(states: Any) -> float | None:
            return distance(states[0][chosen], exact) if len(states) == 2 else None

        def at_rate(scheme: Callable, cell: Any, xs: Array) -> Any:
            return scheme(cell, BandLimited(xs), ts, throw=False).states

        fed_back = partial(delayed_feedback, order=5)
        calls = {
            OURS: (partial(at_rate, evolve), cell, xs, "ahead=3, behind=3, jitted, throw=False"),
            "delayed_feedback": (partial(at_rate, fed_back), cell, xs, "order=5, one application a result"),
            "… with band=0.075": (partial(at_rate, partial(fed_back, band=0.075)), cell, xs, "the same cost"),
            "3 hand-written lax.scan": (_three_scans, cell, jnp.resize(xs, (count, 1)), "the network, three times"),
        }
        contenders = [
            Contender(name, partial(jitted(call), *arguments), note) for name, (call, *arguments, note) in calls.items()
        ]
        return race("evolve", contenders, plan, error, 1e-2)


def _three_scans(cell: Any, xs: Array) -> list[Any]:
    """The cell applied as often as `evolve` does, and nothing else. Its values are different and are not compared."""

    def body(h: Any, x: Array) -> tuple[Any, Any]:
        h = cell(x, h)
        return h, h

    zeros = jnp.zeros(cell.hidden_size)
    return [jax.lax.scan(body, (zeros, zeros), xs + k)[1] for k in range(3)]
