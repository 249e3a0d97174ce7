"""Matrices for tests of linear algebra, methods by their definition, and names of verdicts."""

import jax
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


PLATFORMS = ("cpu", "cuda", "tpu")


def random_matrix(rng, n, dtype=np.float64, scale=1.0):
    """Circular law: spectral radius about `scale`."""
    A = rng.normal(size=(n, n))
    if np.issubdtype(dtype, np.complexfloating):
        A = (A + 1j * rng.normal(size=(n, n))) / np.sqrt(2)
    return (scale * A / np.sqrt(n)).astype(dtype)


def relative(x, reference):
    return np.max(np.abs(np.asarray(x) - reference)) / np.max(np.abs(reference))


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def lower(f, *args):
    """The lowered text of f for every platform."""
    traced = jax.jit(f).trace(*args)
    return {p: traced.lower(lowering_platforms=(p,)).as_text() for p in PLATFORMS}


def badly_scaled(rng, n, decades, dtype=float):
    """D R D⁻¹ for a Gaussian R and scales over so many decades, and R; exact but for the rounding to `dtype`."""
    R = rng.normal(size=(n, n)) / n**0.5
    d = 2.0 ** np.round(rng.uniform(-decades, decades, n) / 2 * np.log2(10))
    return (d[:, None] * R / d[None]).astype(dtype), R.astype(dtype), d
