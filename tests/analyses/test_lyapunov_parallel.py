"""Lyapunov exponents in parallel: against known values, and the same run step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._base.verdict import names_of

TURN = np.array([[0.8, -0.5, 1.0], [0.5, 0.8, 0.0], [0.0, 0.0, 0.5]])  # |λ|² = 0.89 twice, and ½
START = np.array([0.2, 0.3, 0.4])


def way(run):
    return names_of(ro.ParallelChoice, run.stats["parallel"])


def exponents(W, parallel=True):
    return ro.lyapunov(ro.Map(lambda x, h: jnp.tanh(W @ h) + 0.3), START, 60.0, parallel=parallel).exponents


def test_a_pair_that_turns_has_the_exponents_of_its_eigenvalues():
    run = ro.lyapunov(ro.Map(lambda x, h: TURN @ h + 1), START, 400.0, parallel=True)
    assert way(run) == "NEWTON"
    np.testing.assert_allclose(run.exponents, [np.log(0.89) / 2] * 2 + [np.log(0.5)], atol=1e-9)
    assert float(jnp.sum(run.exponents)) == pytest.approx(np.log(np.linalg.det(TURN)), abs=1e-12)


@pytest.mark.slow
def test_a_chaotic_map_has_its_known_exponents_and_its_states_from_the_scan():
    """Hénon's map: 0.41922, and the sum is log 0.3 at every step (Sprott, Chaos and Time-Series Analysis, 2003)."""
    henon = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]))
    runs = [ro.lyapunov(henon, np.zeros(2), 4000.0, transient=50.0, parallel=p) for p in (True, False)]
    assert way(runs[0]) == "FRAMES" and runs[1].stats is None
    assert float(runs[0].exponents[0]) == pytest.approx(0.41922, abs=0.02)
    assert float(jnp.sum(runs[0].exponents)) == pytest.approx(np.log(0.3), abs=1e-12)
    # rounding makes two chaotic runs different ones, which agree within their standard errors
    error = np.hypot(runs[0].stderr, runs[1].stderr)
    assert np.all(np.abs(runs[0].exponents - runs[1].exponents) < 5 * error + 1e-6)
    assert "FRAMES" in runs[0].to_dict()["stats"]["parallel"]


@pytest.mark.gate
def test_every_field_is_that_of_the_run_step_by_step():
    """With a transient, fewer exponents than states, and a number of steps that no block divides."""
    system = ro.Map(lambda x, h: jnp.tanh(1.5 * TURN @ h + x), np.sin(np.arange(900.0))[:, None])
    runs = [ro.lyapunov(system, START, 777.0, transient=101.0, count=2, parallel=p) for p in (True, False)]
    for name in ("times", "state"):
        np.testing.assert_allclose(getattr(runs[0], name), getattr(runs[1], name), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(runs[0].history[:-1], runs[1].history[:-1], rtol=1e-9, atol=1e-12)
    # the window of the last row weighs a step or a stride as a whole, which each run chooses anew in each block
    assert np.all(np.abs(runs[0].exponents - runs[1].exponents) < 3 * runs[1].stderr)


@pytest.mark.gate
def test_a_flow_in_parallel_has_the_exponents_of_its_fixed_point():
    field = ro.Flow(lambda t, h, path: jnp.array([[-0.2, 1.0], [-1.0, -0.2]]) @ h + 1)
    run = ro.lyapunov(field, np.ones(2), 60.0, step=0.1, parallel=True)
    np.testing.assert_allclose(run.exponents, [-0.2, -0.2], atol=1e-5)
    assert way(run) == "NEWTON" and run.result == ro.RESULTS.successful


@pytest.mark.gate
def test_a_state_that_decays_to_a_kink_keeps_its_exponents():
    """Newton's method has states to 1e-12 of the largest, which says nothing of the signs of later ones. The scan does."""
    W = np.array([[0.5, 0.2], [0.0, 0.4]])
    run = ro.lyapunov(ro.Map(lambda x, h: jax.nn.relu(W @ h)), np.ones(2), 300.0, parallel=True)
    assert way(run) == "FRAMES"
    np.testing.assert_allclose(run.exponents, np.log([0.5, 0.4]), atol=1e-6)


@pytest.mark.gate
def test_gradients_and_batches_are_those_of_the_run_step_by_step():
    W = jnp.asarray(0.9 * TURN)
    both = jax.jit(lambda W: (jax.jacrev(exponents)(W), jax.jacfwd(lambda W: exponents(W, False))(W)))(W)
    np.testing.assert_allclose(*both, atol=1e-11)
    batch = jax.vmap(exponents)(jnp.stack([W, 2 * W]))
    np.testing.assert_allclose(batch[1], exponents(2 * W, False), atol=1e-11)


@pytest.mark.slow
def test_none_is_the_scan_on_a_cpu_and_without_known_steps():
    system = ro.Map(lambda x, h: TURN @ h + 1)
    assert way(ro.lyapunov(system, START, 30.0, parallel=None)) == "SCAN_ON_CPU"
    traced = jax.jit(lambda h: ro.lyapunov(system, h, 30.0, parallel=None))(START)
    assert way(traced) == "SCAN_TRACED"


def test_another_value_is_refused(as_user):
    with pytest.raises(TypeError, match="parallel must be True or False"):
        ro.lyapunov(ro.Map(lambda x, h: TURN @ h), START, 30.0, parallel="yes")
