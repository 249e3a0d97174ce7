"""The trainings of one forecast, and those of forecasts of one shape, are compiled once."""

import jax
import numpy as np
import pytest

from rnn_ode import learn


@pytest.mark.gate
def test_a_step_of_training_is_compiled_once_for_all_trainings_of_one_shape(monkeypatch):
    """Each of the short trainings compiled its own, and so did every seed."""
    traced = []

    class Counting(learn.ManyToOne):
        def __call__(self, xs, length=None):
            traced.append(xs.shape)
            return super().__call__(xs, length)

    def make(key, inputs, outputs):
        model = learn.many_to_one("tanh", 3)(key, inputs, outputs)
        return Counting(model.runner, model.readout)

    noise = np.random.default_rng(0).normal(size=(90, 1))
    way = {
        "history": 3,
        "needs": learn.Needs(log=False),
        "members": 2,
        "steps": 4,
        "validation": 0.2,
        "progress": False,
    }
    counts = []
    for seed in range(2):
        learn.forecast(noise, make, key=jax.random.key(seed), **way)
        counts.append(len(traced))
    assert counts[0] > 0 and counts[1] == counts[0], counts
