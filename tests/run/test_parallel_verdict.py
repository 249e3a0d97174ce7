"""The decision whether a run is computed in parallel, and the prediction that it rests on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._base.verdict import names_of
from rnn_ode._run import parallel_verdict

XS = np.random.default_rng(0).normal(size=(2048, 1))
RATES = np.array([0.9, 0.5])


def linear(x, h):
    return RATES * h + x


def name_of(choice):
    return names_of(ro.ParallelChoice, choice)


@pytest.fixture
def on_an_accelerator(monkeypatch):
    monkeypatch.setattr(parallel_verdict, "platform_of", lambda array: "gpu")


@pytest.mark.slow
def test_the_exponent_of_a_linear_network_is_that_of_its_slowest_direction():
    verdict = ro.parallel_verdict(linear, XS, np.zeros(2))
    assert float(verdict.exponent) == pytest.approx(np.log(0.9), abs=1e-6)
    # windows of 32 steps: errors of 0.9³² = 0.034, squared until they are below ε^¾ = 1.8e-12
    assert verdict.window == 32 and float(verdict.predicted_steps) == 1 + np.ceil(np.log2(27.03 / (32 * 0.10536)))
    assert int(verdict.depth) == 32 * (5 + 3) and bool(verdict.converges)


@pytest.mark.slow
def test_growth_and_death_are_predicted():
    grows = ro.parallel_verdict(lambda x, h: 1.01 * h, XS, np.ones(2))
    assert np.isinf(grows.predicted_steps) and not bool(grows.converges)
    assert "too many" in grows.table()
    dies = ro.parallel_verdict(lambda x, h: jax.nn.relu(-jnp.ones(2) - h), XS, np.zeros(2))
    assert float(dies.exponent) == -np.inf and float(dies.predicted_steps) == 1
    bursts = ro.parallel_verdict(lambda x, h: 1e300 * h**2, XS, np.ones(2))
    assert not bool(bursts.converges)


def test_none_decides_by_device_length_and_growth(on_an_accelerator):
    def choice(cell, xs=XS, **options):
        return name_of(ro.iterate(cell, xs, np.zeros(2), parallel=None, **options).stats["parallel"])

    assert choice(linear) == "NEWTON"
    assert choice(linear, XS[:500]) == "SCAN_SHORT"
    assert choice(lambda x, h: 1.001 * h + x) == "SCAN_GROWS"
    assert choice(linear, fold=(lambda acc, h, row: acc, 0.0, None)) == "SCAN_FOLDS"
    traced = jax.jit(lambda xs: ro.iterate(linear, xs, np.zeros(2), parallel=None))(XS)
    assert name_of(traced.stats["parallel"]) == "SCAN_TRACED" and "newton_steps" not in traced.stats


def test_on_a_cpu_none_is_the_scan():
    run = ro.iterate(linear, XS, np.zeros(2), parallel=None)
    assert name_of(run.stats["parallel"]) == "SCAN_ON_CPU"
    np.testing.assert_array_equal(run.states, ro.iterate(linear, XS, np.zeros(2)).states)
    assert name_of(ro.parallel_verdict(linear, XS, np.zeros(2)).choice) == "SCAN_ON_CPU"
    assert "parallel" not in ro.iterate(linear, XS, np.zeros(2)).stats


def test_a_verdict_shows_itself():
    verdict = ro.parallel_verdict(linear, XS, np.zeros(2))
    assert "Newton steps expected" in verdict.table() and "SCAN_ON_CPU" in verdict.table()
    assert verdict.to_dict()["predicted_steps"] == 5 and len(verdict.to_dict()["growth"]) == 256
    batch = jax.jit(jax.vmap(lambda xs: ro.parallel_verdict(linear, xs, jnp.zeros(2))))(np.stack([XS, -XS]))
    assert batch.exponent.shape == (2,) and "A batch (2,)" in batch.table()
    assert verdict.plot().axes[0].get_ylabel() == "log of a disturbance's size, nats"


def test_a_verdict_refuses_what_a_run_refuses(as_user):
    with pytest.raises(ValueError, match="must return a state like h"):
        ro.parallel_verdict(lambda x, h: jnp.concatenate([h, h]), XS, np.zeros(2))
    with pytest.raises(ValueError, match="Pass h0"):
        ro.parallel_verdict(linear, XS)
    with pytest.raises(ValueError, match="at least one sample"):
        ro.parallel_verdict(linear, XS[:0], np.zeros(2))
