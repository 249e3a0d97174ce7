"""A small training, which the tests of `fit` and of its files share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import rnn_ode as ro
from rnn_ode import learn

XS = jax.random.normal(jax.random.key(0), (32, 6, 1))
TARGETS = 0.3 * XS.sum(1)


def small(key: int = 0, hidden: int = 3):
    keys = jax.random.split(jax.random.key(key))
    cell = ro.VanillaCell.random(keys[0], 1, hidden, activation=jnp.tanh)
    return learn.ManyToOne(learn.Iterated(cell), eqx.nn.Linear(hidden, 1, key=keys[1]))


def squares(model, batch):
    xs, targets = batch
    return jnp.mean((jax.vmap(model)(xs) - targets) ** 2)


QUIET = {"optimiser": optax.adam(0.01), "key": jax.random.key(1), "progress": False}
