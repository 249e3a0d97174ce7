"""Matrices whose eigenvalues are known, methods by their definition, and names of verdicts."""

import jax.numpy as jnp
import numpy as np
import scipy.linalg

import rnn_ode as ro

METHODS = (
    ro.Textbook(),
    ro.Forward(1),
    ro.Forward(3),
    ro.Backward(1),
    ro.Backward(2),
    ro.Tustin(),
    ro.Exact(),
)
NAMES = ("DECAYS", "PERSISTS", "GROWS", "UNDETERMINED")
VERDICTS = [getattr(ro.Verdict, name) for name in NAMES]


def code(verdict):
    return jnp.argmax(jnp.stack([verdict == v for v in VERDICTS]))


def name(verdict) -> str:
    return ro.Verdict[verdict].split(":")[0]


def g(method, z):
    """g by its definition, with numpy, for the network log λ."""
    z = np.asarray(z, complex)
    with np.errstate(all="ignore"):
        match method:
            case None | ro.Exact():
                return np.log(z)
            case ro.Textbook():
                return z
            case ro.Tustin():
                return 2 * (z - 1) / (z + 1)
            case ro.Forward():
                return sum((-1) ** (k + 1) * (z - 1) ** k / k for k in range(1, method.order + 1))
            case ro.Backward():
                return sum((1 - 1 / z) ** k / k for k in range(1, method.order + 1))
    raise TypeError(method)


def rotated(rng, T):
    Q = scipy.linalg.qr(rng.standard_normal(T.shape))[0]
    return Q @ T @ Q.T


def jordan(value, size, coupling=1.0):
    return value * np.eye(size) + coupling * np.eye(size, k=1)


def gaussian(n, count, dtype):
    """Gaussian matrices; every other one scaled so that its radius is 1e-6 to 0.1 from 1, evenly in the logarithm."""
    rng = np.random.default_rng(n)
    Ws = rng.standard_normal((count, n, n)) / n**0.5 * rng.uniform(0.7, 1.3, (count, 1, 1))
    radius = np.abs(np.linalg.eigvals(Ws)).max(axis=1)
    wanted = 1 + rng.choice([-1, 1], count) * 10 ** rng.uniform(-6, -1, count)
    scale = np.where(np.arange(count) % 2, wanted / radius, 1)
    return (scale[:, None, None] * Ws).astype(dtype)
