"""Networks by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import learn

SINE = np.sin(np.arange(240) / 5)[:, None] + 3


@pytest.mark.parametrize(
    "model", ["gru", *(pytest.param(name, marks=pytest.mark.slow) for name in learn.CORES if name != "gru")]
)
def test_every_core_makes_a_model(model):
    given = learn.many_to_one(model, 6)(jax.random.key(1), 1, 2)(jnp.asarray(SINE[:8]))
    assert given.shape == (2,) and jnp.isfinite(given).all()
