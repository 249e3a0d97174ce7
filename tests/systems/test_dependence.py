"""Whether a function depends on its first argument, of programs of every kind."""

import jax
import jax.numpy as jnp

import rnn_ode as ro
from rnn_ode._systems.dependence import depends_on_first


def test_what_depends_on_time_is_told_from_what_only_takes_it():
    h = jnp.ones(2)
    uses = {
        "cosine": lambda t, h: -h + jnp.cos(t),
        "a switch": lambda t, h: jnp.where(t > 1, h, -h),
        "inside jit": jax.jit(lambda t, h: t * h),
        "in a scan": lambda t, h: jax.lax.scan(lambda c, _: (c + t, None), h, None, 2)[0],
        "through a carry": lambda t, h: jax.lax.scan(lambda c, _: ((c[0], c[1] + c[0]), None), (t, h), None, 2)[0][1],
        "by a branch": lambda t, h: jax.lax.cond(t > 1, lambda h: h, lambda h: -h, h),
    }
    ignores = {
        "nothing": lambda t, h: -h,
        "inside jit": jax.jit(lambda t, h: -h),
        "a constant path": lambda t, h: ro.Flow(lambda t, h, path: path(t) - h, h).path(t) - h,
        "in a scan": lambda t, h: jax.lax.scan(lambda c, _: ((c[0] + 1, -c[1]), None), (t, h), None, 2)[0][1],
        "in a branch": lambda t, h: jax.lax.cond(h[0] > 1, lambda t, h: h, lambda t, h: -h, t, h),
        "relu": lambda t, h: jax.nn.relu(h),
    }
    assert [name for name, f in uses.items() if not depends_on_first(f, 0.0, h)] == []
    assert [name for name, f in ignores.items() if depends_on_first(f, 0.0, h)] == []
