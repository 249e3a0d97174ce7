"""Parts that somebody outside the package adds, from its public names alone: each in under 40 lines."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import rnn_ode as ro


class Leaky(ro.AbstractCell):
    """A cell: h' = (1 − a) h + a tanh(W h + V x + b)."""

    W: jax.Array
    V: jax.Array
    b: jax.Array
    a: float = eqx.field(static=True)

    @property
    def input_size(self):
        return self.V.shape[1]

    def __call__(self, x, h):
        return (1 - self.a) * h + self.a * jnp.tanh(self.W @ h + self.V @ x + self.b)

    def initial_state(self):
        return jnp.zeros_like(self.b)


class Folded(ro.AbstractCell):
    """A piecewise-linear cell: h' = W |h| + V x + b."""

    W: jax.Array
    V: jax.Array
    b: jax.Array

    def __call__(self, x, h):
        return self.W @ jnp.abs(h) + self.V @ x + self.b

    def initial_state(self):
        return jnp.zeros_like(self.b)

    def pieces(self, x):
        c = self.b if x is None else self.V @ x + self.b
        return -self.W, 2 * self.W, c, False  # |h| = 2 relu(h) − h


class Central(ro.AbstractMethod):
    """A conversion by central differences: g(λ) = (λ − 1/λ)/2, with a pole at 0; the multiplier −1 is excluded."""

    label = "stranger"
    inverts = True
    pole = 0.0

    def of_number(self, z):
        return (z - 1 / z) / 2

    def of_matrix(self, W):
        return (W - jnp.linalg.inv(W)) / 2

    def excluded(self, multiplier, tolerance):
        return (abs(multiplier) <= tolerance) | (abs(multiplier + 1) <= tolerance)


class Heun(ro.AbstractScheme):
    """A scheme: Heun's method."""

    def step(self, field, x, h, dt):
        def rate(v):
            return field(0.0, v, lambda t: x)

        first = rate(h)
        second = rate(jax.tree.map(lambda a, b: a + dt * b, h, first))
        return jax.tree.map(lambda a, b, c: a + dt * (b + c) / 2, h, first, second)


class Steps(ro.AbstractPath):
    """A held path: the sample of a step during all of it."""

    degree = 0

    def within(self, step, fraction):
        return self.sample(step)


class Eased(ro.AbstractPath):
    """A smooth path: from stamp to stamp along a cubic that is level at both."""

    degree = 3

    def within(self, step, fraction):
        part = fraction**2 * (3 - 2 * fraction)
        return (1 - part) * self.sample(step - 1) + part * self.sample(step)


class Relaxing(ro.AbstractField):
    """A field: dh/dt = (tanh(V x) − h)/τ − h³, whose own linear part is the relaxation alone."""

    V: jax.Array
    tau: float

    def __call__(self, t, h, path):
        return (jnp.tanh(self.V @ path(t)) - h) / self.tau - h**3

    def initial_state(self):
        return jnp.zeros(self.V.shape[0], self.V.dtype)

    def generator(self, t, h, path):
        return -jnp.eye(len(h), dtype=h.dtype) / self.tau


class Delayed(ro.AbstractSystem):
    """A system in steps: the logistic map with a delay, (h, k) ↦ (r h (1 − k), h)."""

    r: float
    time: Any = ro.Discrete()

    def rule(self, h):
        return jnp.stack([self.r * h[0] * (1 - h[1]), h[0]])


class Ring(ro.AbstractSystem):
    """A system in continuous time: phases on a ring, dθ/dt = ω + K Σ sin(neighbour − θ), seen from the first one."""

    omega: jax.Array
    K: float
    time: Any = ro.Continuous()

    def rule(self, theta):
        pull = jnp.sin(jnp.roll(theta, 1) - theta) + jnp.sin(jnp.roll(theta, -1) - theta)
        rate = self.omega + self.K * pull
        return rate - jnp.mean(rate) - jnp.mean(theta)


def smallness(model):
    """A penalty for `learn.fit`: the mean square of the weights."""
    weights = [leaf for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)) if leaf.ndim == 2]
    return sum(jnp.mean(w**2) for w in weights)
