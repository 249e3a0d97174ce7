"""The case "evolve": an LSTM at another rate than its own, under a smooth input."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro

from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row

AUDIO = (40, 48_000, 147, 160)  # units of the LSTM, results, and steps of it in how many results


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
        # the results results//2, 3·results//2, … are steps apart: the network's own, where it has forgotten its start
        begin = results // 2
        shifted = jax.jit(lambda xs: jax.vmap(ro.BandLimited(xs))(ts[begin] + 1 + jnp.arange(len(xs) - steps - 2)))(xs)
        chosen = np.arange(begin, count, results)[len(range(begin, count, results)) // 2 :]
        exact = np.asarray(ro.iterate(cell, shifted).states[0])[(chosen - begin) // results * steps]

        def error(states):
            return distance(states[0][chosen], exact) if len(states) == 2 else None

        def at_rate(scheme, cell, xs):
            return scheme(cell, ro.BandLimited(xs), ts, throw=False).states

        fed_back = partial(ro.delayed_feedback, order=5)
        calls = {
            OURS: (partial(at_rate, ro.evolve), cell, xs, "ahead=3, behind=3, jitted, throw=False"),
            "delayed_feedback": (partial(at_rate, fed_back), cell, xs, "order=5, one application a result"),
            "… with band=0.075": (partial(at_rate, partial(fed_back, band=0.075)), cell, xs, "the same cost"),
            "3 hand-written lax.scan": (_three_scans, cell, jnp.resize(xs, (count, 1)), "the network, three times"),
        }
        contenders = [
            Contender(name, partial(jitted(call), *arguments), note) for name, (call, *arguments, note) in calls.items()
        ]
        return race("evolve", contenders, plan, error, 1e-2)


def _three_scans(cell, xs):
    """As much as `evolve` has to compute, and nothing else: its values are another run's."""

    def body(h, x):
        h = cell(x, h)
        return h, h

    zeros = jnp.zeros(cell.hidden_size)
    return [jax.lax.scan(body, (zeros, zeros), xs + k)[1] for k in range(3)]
