"""Batches: every row once an epoch, and the same batch for the same step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_ode import learn

QUIET = {"optimiser": optax.adam(0.01), "key": jax.random.key(1), "progress": False}


def test_an_epoch_has_every_row_once_in_a_new_order():
    batches = learn.Minibatches(jnp.arange(12), 4)
    epochs = [jnp.concatenate([batches.at(3 * e + k, jax.random.key(0)) for k in range(3)]).tolist() for e in range(2)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs) and epochs[0] != epochs[1]
    left_out = learn.Minibatches(jnp.arange(5), 2)
    assert left_out.epoch == 2 and left_out.at(7, jax.random.key(0)).shape == (2,)


def test_batches_may_be_drawn_listed_or_iterated():
    """The parameter follows the mean of the batches under this loss and rate."""

    def loss(model, batch, key):
        return 0.5 * jnp.mean((model - batch) ** 2)

    way = {**QUIET, "optimiser": optax.sgd(1.0)}
    drawn = learn.fit(jnp.zeros(1), loss, lambda key: jax.random.normal(key, (3,)), **way, steps=5)
    key = jax.random.fold_in(jax.random.split(way["key"])[0], 4)
    np.testing.assert_allclose(drawn.model[0], jax.random.normal(key, (3,)).mean(), rtol=1e-12)
    listed = learn.fit(jnp.zeros(1), loss, [jnp.full(2, 1.0), jnp.full(2, 5.0)], **way, steps=4)
    assert listed.model[0] == 5 and listed.stopped_because == "all 4 steps are done"
    ended = learn.fit(jnp.zeros(1), loss, iter([jnp.ones(2)] * 3), **way, steps=10)
    assert ended.stopped_because == "the batches ended after 3 steps" and len(ended.history.loss) == 3


@pytest.mark.parametrize(
    ("data", "size", "message"),
    [
        ((jnp.ones(3), jnp.ones(4)), 2, "data must be arrays with one leading axis of equally many rows"),
        (jnp.array(1.0), 1, "data must be arrays with one leading axis"),
        ((), 1, r"data must be arrays .* got shapes \[\]"),
        (jnp.ones(3), 4, "size must be at most the number of rows of data, 3; got 4"),
        (jnp.ones(3), 0, "size must be at least 1; got 0"),
    ],
)
def test_minibatches_refuse_what_does_not_fit(data, size, message):
    with pytest.raises(ValueError, match=message):
        learn.Minibatches(data, size)
