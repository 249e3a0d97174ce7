"""A small training, which the tests of `fit` and of its files share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn

XS = jnp.asarray(np.random.default_rng(0).normal(size=(32, 6, 1)))
TARGETS = 0.3 * XS.sum(1)


def small(seed: int = 0, hidden: int = 3):
    cell = drawn(lambda key: ro.VanillaCell.random(key, 1, hidden, activation=jnp.tanh), seed=seed)
    return learn.ManyToOne(learn.Iterated(cell), drawn(eqx.nn.Linear, hidden, 1, seed=seed))


def squares(model, batch):
    xs, targets = batch
    return jnp.mean((jax.vmap(model)(xs) - targets) ** 2)


QUIET = {"optimiser": optax.adam(0.01), "key": jax.random.key(1), "progress": False}
