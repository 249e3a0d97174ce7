"""A linear field under eight samples, its closed form, and other fields that the tests of runs share."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
import scipy.linalg

import rnn_ode as ro

T, DT = 8, 0.5
RNG = np.random.default_rng(0)
XS = RNG.normal(size=(T, 1))
A = np.array([[-0.4, 1.0], [-0.8, -0.1]])
B = np.array([[1.0], [0.5]])
C = np.array([0.2, -0.3])
H0 = np.array([1.0, -0.5])
STAMPS = DT * np.arange(1, T + 1)

# `Textbook` at dt = 1 is dh/dt = W h + W⁻¹ (W_x x + b): any linear system, its input read at t
LINEAR = ro.to_ode(ro.VanillaCell(A, A @ B, A @ C, activation=None), ro.Textbook())
SAMPLES = np.concatenate([[0.0], STAMPS])
TIMES = {  # nine runs each, so that they share one compilation
    "the samples": SAMPLES,
    "between them": np.linspace(0.0, 4.0, 9) ** 2 / 4,
    "from the middle of a step": 1.3 + np.linspace(0.0, 1.4, 9),
    "inside one step": 1.6 + np.linspace(0.0, 0.35, 9),
    "from one sample": np.concatenate([[1.5], 1.5 + np.geomspace(1e-3, 2.3, 8)]),
    "before and beyond the samples": np.linspace(-2.3, 7.9, 9),
    "before only": np.linspace(-5.0, -1.1, 9),
    "beyond only": np.linspace(4.2, 11.0, 9),
    "a hair to either side of a sample": np.array([0.0, 1 - 1e-9, 1.0, 1 + 1e-9, 2.0, 3.0, 3.5, 4 - 1e-9, 4 + 1e-9]),
}


def held(t):
    return XS[np.clip(int(np.floor(t / DT)), 0, T - 1)]


def breakpoints(start, end):
    return np.unique(np.clip([start, *SAMPLES, end], start, end))


def closed_form(reading, ts):
    """dh/dt = A h + B x(t) + c by matrix exponentials, over intervals in which the input is a line."""
    states = [H0]
    for start, end in itertools.pairwise(ts):
        h, points = states[-1], breakpoints(start, end)
        for a, b in itertools.pairwise(points):
            u, v = (B @ reading(a + f * (b - a)) + C for f in (0.25, 0.75))
            slope = (v - u) / ((b - a) / 2)
            block = np.zeros((4, 4))
            block[:2, :2], block[:2, 2], block[:2, 3], block[2, 3] = A, slope, u - slope * (b - a) / 4, 1
            h = (scipy.linalg.expm(block * (b - a)) @ np.concatenate([h, [0, 1]]))[:2]
        states.append(h)
    return np.array(states)


class Sum(eqx.Module):
    """dh/dt = a h + b h² + c log(d − t) + e sign(h) + f (h₂, −h₁): one field, compiled once, for every way to end."""

    a: jax.Array
    b: jax.Array
    c: jax.Array
    d: jax.Array
    e: jax.Array
    f: jax.Array

    def __call__(self, t, h, path):
        logs = jnp.log(jnp.where(self.c == 0, 1, self.d - t))
        turned = jnp.stack([h[1], -h[0]])
        return self.a * h + self.b * h**2 + self.c * logs + self.e * jnp.sign(h) + self.f * turned


def summed(**terms):
    return Sum(*(jnp.asarray(terms.get(name, 0.0), float) for name in "abcdef"))
