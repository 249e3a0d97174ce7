"""Ensembles."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import equal

from rnn_ode import learn


def gru(key, inputs, outputs):
    return learn.many_to_one("gru", 8)(key, inputs, outputs)


@pytest.mark.gate
def test_members_have_their_own_keys_and_outputs():
    """Adam does not see the factor of the mean over members; every member has its own key."""
    keys = jax.random.split(jax.random.key(4), 3)
    ensemble = learn.Ensemble(lambda key: gru(key, 1, 1), 3, key=jax.random.key(4))
    for i, key in enumerate(keys):
        assert equal(eqx.filter(ensemble.member(i), eqx.is_array), eqx.filter(gru(key, 1, 1), eqx.is_array))
    xs = jnp.ones((5, 1))
    np.testing.assert_allclose(ensemble(xs)[1], ensemble.member(1)(xs), rtol=1e-12)
