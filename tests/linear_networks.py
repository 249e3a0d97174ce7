"""Linear networks, which the tests of gradients share."""

import numpy as np

import rnn_ode as ro

SIZE, STEPS = 10, 40  # the same for all, so that they share what is compiled


def linear(W, activation=None):
    return ro.VanillaCell(W, np.zeros((len(W), 1)), np.zeros(len(W)), activation=activation)


def zeros(steps=STEPS):
    return np.zeros((steps, 1))


def orthogonal(n=SIZE, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
