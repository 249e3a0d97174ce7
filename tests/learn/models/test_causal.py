"""No output depends on a later sample."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runners import FLOWS, ITERATED, KEYS, LINEAR, RUNNERS, XS, D, N

import rnn_ode as ro
from rnn_ode import learn


def changed_from(k):
    return XS[0].at[k:].set(3 * XS[1, k:])


@eqx.filter_jit
def many(runner, xs):
    model = learn.ManyToMany(runner, lambda output: output[-2:])
    return jax.vmap(model)(xs)


def leaves_the_past_alone(runner):
    """Assert that outputs[:k] stay the same bit by bit when xs[k:] changes, and that later outputs change."""
    places = (1, 2, 4)
    outputs, *rows = np.asarray(many(runner, jnp.stack([XS[0], *(changed_from(k) for k in places)])))
    assert np.isfinite(outputs).all()
    assert all((row[k] != outputs[k]).any() for k, row in zip(places, rows, strict=True))
    return all((row[:k] == outputs[:k]).all() for k, row in zip(places, rows, strict=True))


# they read at the time or later, are anchored or not, and have a state of one part or two
KINDS_OF_FLOWS = [
    pytest.param("peeking"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("anchored", "cornn")),
    # test_the_outputs_of_a_shorter_series_are_the_first_of_a_longer_one has the first two of these
    *(pytest.param(name, marks=pytest.mark.thorough) for name in ("tustin", "affine", "forward")),
]


@pytest.mark.parametrize("name", KINDS_OF_FLOWS)
def test_no_output_depends_on_a_later_sample(name):
    assert leaves_the_past_alone(learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-4, atol=1e-6))
    if name == "anchored":
        assert leaves_the_past_alone(learn.Integrated(FLOWS[name], ro.Hold, rtol=1e-4, atol=1e-6))


@pytest.mark.slow
def test_no_output_of_networks_and_layers_depends_on_a_later_sample():
    flow = learn.Integrated(FLOWS["forward"], ro.Linear, rtol=1e-4, atol=1e-6)
    assert leaves_the_past_alone(ITERATED["lstm"])
    assert leaves_the_past_alone(learn.Stacked([flow, learn.Iterated(eqx.nn.GRUCell(N, N, key=KEYS[8]))]))
    assert not leaves_the_past_alone(RUNNERS["bidirectional"])


@pytest.mark.slow
def test_the_outputs_of_a_shorter_series_are_the_first_of_a_longer_one():
    """A field that reads later than a step's own sample gets the value of that sample, as after the last sample."""
    for name in ("tustin", "affine"):
        runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-8, atol=1e-10)
        outputs = runner.outputs(XS[0])
        np.testing.assert_allclose(runner.outputs(XS[0, :3]), outputs[:3], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(runner.outputs(XS[0], 3)[:3], outputs[:3], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(runner.last(XS[0]), outputs[-1], rtol=1e-12)
    held = learn.Integrated(FLOWS["forward"], ro.Hold, rtol=1e-8, atol=1e-10)  # it reads nothing but what comes later
    straight = learn.Integrated(FLOWS["forward"], ro.Linear, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(straight.outputs(XS[0]), held.outputs(XS[0]), rtol=1e-9, atol=1e-11)


@pytest.mark.thorough
def test_white_noise_cannot_be_predicted():
    """The share of the next sample's variance that a linear readout explains: of n = 600 samples and p = 3 outputs p/n on
    average where nothing is known, and beyond 0.03 once in 10^3 (chi squared of 3 degrees)."""
    xs = jax.random.normal(KEYS[6], (601, D))
    for name in ("tustin", "anchored"):
        runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-4, atol=1e-6)
        outputs, following = np.asarray(runner.outputs(xs))[:-1], np.asarray(xs)[1:]
        outputs, following = outputs - outputs.mean(0), following - following.mean(0)
        left = following - outputs @ np.linalg.lstsq(outputs, following)[0]
        assert (1 - left.var(0) / following.var(0)).max() < 0.03


class Unsaid(ro.Hold):
    beyond = None  # pyright: ignore[reportAssignmentType]


@pytest.mark.parametrize("path", [ro.Cubic, ro.BandLimited, Unsaid])
def test_paths_that_need_later_samples_are_refused_for_causal_outputs(path):
    runner = learn.Integrated(LINEAR, path)
    for call in (runner.outputs, runner.states, learn.ManyToMany(runner, lambda output: output)):
        with pytest.raises(ValueError, match=rf"path = {path.__name__} cannot give a state after.*rnn_ode\.Linear"):
            call(XS[0])


@pytest.mark.slow
def test_paths_that_need_later_samples_are_taken_for_the_whole_sequence():
    runner, h0 = learn.Integrated(LINEAR, ro.Cubic), jnp.zeros(N)
    states = ro.integrate(LINEAR, ro.Cubic(XS[0]), h0).states
    np.testing.assert_allclose(runner.last(XS[0]), states[-1], rtol=1e-12)
    there = learn.Bidirectional(runner, ITERATED["gru"]).outputs(XS[0])[:, :N]
    np.testing.assert_allclose(there, states[1:], rtol=1e-12)
    np.testing.assert_allclose(learn.Stacked([runner, runner]).layers[1].last(XS[0]), states[-1], rtol=1e-12)
    assert learn.EncoderDecoder(runner, runner, eqx.nn.Linear(N, D, key=KEYS[10]))(XS[0], 2).shape == (2, D)


@pytest.mark.slow
@pytest.mark.parametrize("path", [ro.Hold, ro.Linear])
def test_a_later_sample_that_is_nan_changes_no_earlier_output(path):
    runner = learn.Integrated(ro.CTRNN.random(jax.random.key(0), 1, 2), path=path)
    xs = jnp.ones((6, 1))
    outputs = eqx.filter_jit(runner.outputs)(xs.at[4:].set(jnp.nan))
    np.testing.assert_array_equal(outputs[:4], runner.outputs(xs)[:4])
