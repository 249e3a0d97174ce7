"""Recordings of several channels through a network that takes one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recordings import KNOB, TONE, network, write

import rnn_ode as ro
from rnn_ode import audio, interop
from rnn_ode._resampling.files import resample_file
from rnn_ode._resampling.files_channels import on_channels
from rnn_ode._resampling.files_scheme import Scheme

STEREO = np.hstack([TONE[:60], 0.5 * TONE[30:90]])


@pytest.fixture
def stereo(tmp_path):
    return audio.read_wav(write(tmp_path / "in.wav", STEREO, "double"))


def outputs(net, xs):
    states = jax.tree.map(lambda rows: rows[1:], ro.iterate(net.cell, xs, net.initial).states)
    return np.asarray(jax.vmap(net.output)(jnp.asarray(xs), states))


@pytest.mark.parametrize("residual", [pytest.param(False, marks=pytest.mark.slow), 0.5])
@pytest.mark.slow
def test_each_channel_runs_through_a_network_of_its_own(stereo, residual, tmp_path):
    net = dataclasses.replace(network(KNOB), residual=residual, initial=jnp.array([0.3, -0.2]))
    wide, source = on_channels(net, stereo, 1, None)
    assert source is stereo and (wide.cell.input_size, wide.output_size) == (3, 2)
    resample_file(wide, source, tmp_path / "out.wav", 8000, 8000, scheme=Scheme(1, 1), hold=[0.5])
    rows = next(audio.read_wav(tmp_path / "out.wav").blocks())
    for k in range(2):
        alone = np.hstack([STEREO[:, [k]], np.full((60, 1), 0.5)])
        np.testing.assert_allclose(rows[:, [k]], outputs(net, alone), atol=1e-12)


def test_one_channel_may_be_chosen(stereo):
    net = network()
    for which, wanted in (
        ("left", STEREO[:, :1]),
        ("right", STEREO[:, 1:]),
        ("mix", STEREO.mean(axis=1, keepdims=True)),
    ):
        same, source = on_channels(net, stereo, 0, which)
        assert same is net
        np.testing.assert_allclose(next(source.blocks()), wanted, atol=1e-15)


def test_a_network_that_takes_all_channels_runs_as_it_is(stereo):
    net = network(KNOB)
    assert on_channels(net, stereo, 0, None) == (net, stereo)
    assert on_channels(network(), stereo, 0, None)[0].output_size == 2


def test_a_network_that_adds_its_input_to_several_outputs_takes_no_copies(stereo):
    net = interop.Network(KNOB, residual=True)  # two outputs, of the sound and the knob
    with pytest.raises(ValueError, match="--channel each: the network adds its input to 2 outputs; choose left"):
        on_channels(net, stereo, 1, "each")


@pytest.mark.slow
def test_copies_of_an_lstm_are_copies(stereo):
    """With a state of two parts, which differ from channel to channel, and layers on top of each other."""
    keys = jax.random.split(jax.random.key(0))
    lower, upper = (ro.interop.from_torch(_lstm(key)) for key in keys)
    net = interop.Network(ro.StackedCell([lower, upper]))
    wide, _ = on_channels(net, stereo, 0, "each")
    both = outputs(wide, STEREO)
    alone = np.hstack([outputs(net, STEREO[:, [k]]) for k in range(2)])
    np.testing.assert_allclose(both, alone, atol=1e-12)


def _lstm(key):
    rng = np.random.default_rng(int(jax.random.randint(key, (), 0, 1000)))
    return {"weight_ih_l0": rng.normal(size=(4, 1)), "weight_hh_l0": rng.normal(size=(4, 1))}
