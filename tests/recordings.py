"""Networks and recordings, which the tests of resampled files share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro
from rnn_ode import audio, interop

TONE = (0.4 * np.sin(0.05 * np.arange(1500)) + 0.2 * np.sin(0.31 * np.arange(1500)))[:, None]
CELL = ro.VanillaCell(np.diag([0.8, -0.4]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
KNOB = ro.VanillaCell(np.diag([0.8, -0.4]), np.ones((2, 2)), np.zeros(2), jnp.tanh)


def network(cell=CELL):
    readout = eqx.nn.Linear(2, 1, key=jax.random.key(0))
    quiet = jax.tree.map(lambda leaf: 0.5 * leaf, readout)  # within full scale
    return interop.Network(cell, quiet)


def write(path, samples, subtype="float", rate=8000):
    with audio.wav_writer(path, rate, samples.shape[1], subtype) as append:
        append(samples)
    return path
