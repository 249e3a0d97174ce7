"""Networks by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import learn

SINE = np.sin(np.arange(240) / 5)[:, None] + 3


@pytest.mark.slow
@pytest.mark.parametrize("model", learn.CORES)
def test_every_core_makes_a_model(model):
    given = learn.many_to_one(model, 6)(jax.random.key(1), 1, 2)(jnp.asarray(SINE[:8]))
    assert given.shape == (2,) and jnp.isfinite(given).all()


def test_the_gates_of_the_lstm_start_with_memories_of_1_to_256_steps():
    """Input and forget gates have opposite biases, the logarithms of the memories; the other gates have none."""
    cell = learn.CORES["lstm"](jax.random.key(0), 1, 64).cell
    entering, forgetting, other = cell.bias[:64], cell.bias[64:128], cell.bias[128:]
    np.testing.assert_array_equal(entering, -forgetting)
    memories = jnp.exp(forgetting)
    assert memories.min() >= 1 and 200 < memories.max() <= 256 and not other.any()
