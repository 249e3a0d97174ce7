"""Units: with time and state in other units, runs give the same numbers in these units.

The units are powers of two, so that all numbers are the same but for their exponents, in floating point too.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

TIME, STATE = 2.0**20, 2.0**-20
XS = np.sin(0.7 * np.arange(1.0, 13.0))[:, None]
H0 = np.array([0.5, -0.2])
REGULAR, IRREGULAR = np.arange(0, 9, 0.75), np.array([0.0, 0.3, 1.1, 1.2, 4.0, 7.7])


class Scaled(eqx.Module):
    """A tanh network with its state in another unit."""

    W: jax.Array
    unit: jax.Array

    def __call__(self, x, h):
        return self.unit * jnp.tanh(self.W @ (h / self.unit) + x)


def cell(unit, dtype):
    return Scaled(jnp.asarray([[0.6, 0.3], [-0.2, 0.7]], dtype), jnp.asarray(unit, dtype))


RUNS = {
    "iterate": lambda cell, s, c, xs, h0: ro.iterate(cell, xs, s * h0, dt=c),
    "evolve, smooth": lambda cell, s, c, xs, h0: ro.evolve(cell, ro.Cubic(xs, c), c * IRREGULAR, s * h0, dt=c),
    "evolve, held": lambda cell, s, c, xs, h0: ro.evolve(cell, ro.Hold(xs, c), c * REGULAR, s * h0, dt=c),
    "feedback": lambda cell, s, c, xs, h0: ro.delayed_feedback(
        cell, ro.Linear(xs, c), c * REGULAR, s * h0, order=2, dt=c
    ),
    "feedback, irregular": lambda cell, s, c, xs, h0: ro.delayed_feedback(
        cell, ro.BandLimited(xs, c), c * IRREGULAR, s * h0, dt=c
    ),
    "state trajectory": lambda cell, s, c, xs, h0: ro.state_trajectory(
        cell, ro.Hold(xs, c), c * IRREGULAR, s * h0, dt=c
    ),
    "fitted feedback": lambda cell, s, c, xs, h0: ro.fitted_feedback(
        cell, ro.Cubic(xs, c), c * REGULAR, s * h0, predict=[0.75, 0.25], correct=[0.125, 0.875], dt=c
    ),
    "resampled": lambda cell, s, c, xs, h0: ro.resampled(cell, ro.BandLimited(xs, c), c * IRREGULAR, s * h0, dt=c),
    "to_ode": lambda cell, s, c, xs, h0: ro.integrate(
        ro.to_ode(cell, ro.Forward(2), dt=c), ro.Hold(xs, c), s * h0, ts=c * IRREGULAR
    ),
    "to_rnn": lambda cell, s, c, xs, h0: ro.iterate(
        ro.to_rnn(ro.to_ode(cell, ro.Forward(1), dt=c), ro.BackwardEuler(), dt=c), xs, s * h0, dt=c
    ),
    "iterate, noisy": lambda cell, s, c, xs, h0: ro.iterate(cell, xs, s * h0, dt=c, noise=s, key=jax.random.key(0)),
    "integrate, noisy": lambda cell, s, c, xs, h0: ro.integrate(
        ro.to_ode(cell, ro.Forward(2), dt=c),
        ro.Hold(xs, c),
        s * h0,
        ts=c * IRREGULAR,
        noise=s / c**0.5,
        key=jax.random.key(0),
        step=c / 4,
    ),
    "iterate in parallel": lambda cell, s, c, xs, h0: ro.iterate(cell, xs, s * h0, dt=c, parallel=True),
}


@pytest.mark.gate
@pytest.mark.parametrize(("name", "dtype"), [(name, (np.float64, np.float32)[k % 2]) for k, name in enumerate(RUNS)])
def test_runs_are_the_same_in_every_unit(name, dtype):
    xs, h0 = XS.astype(dtype), H0.astype(dtype)
    wanted, got = (RUNS[name](cell(s, dtype), s, c, xs, h0) for c, s in ((1.0, 1.0), (TIME, STATE)))
    assert wanted.result == ro.RESULTS.successful
    assert got.result == ro.RESULTS.successful
    np.testing.assert_array_equal(got.ts, TIME * wanted.ts)
    np.testing.assert_array_equal(got.states / STATE, wanted.states)
    if "radius" in wanted.stats:
        # by Newton's method and eigenvalues, which take other roads in float32
        np.testing.assert_allclose(got.stats["radius"], wanted.stats["radius"], rtol=100 * float(np.finfo(dtype).eps))


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_have_no_unit(dtype):
    wanted, got = (ro.gradient_flow(cell(s, dtype), XS.astype(dtype), s * H0.astype(dtype)) for s in (1.0, STATE))
    np.testing.assert_allclose(got.log_norms, wanted.log_norms, rtol=0, atol=20 * float(np.finfo(dtype).eps))
    np.testing.assert_allclose(got.lyapunov_rate, wanted.lyapunov_rate, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("path", [ro.Hold, ro.Linear, ro.Cubic, ro.BandLimited], ids=lambda kind: kind.__name__)
def test_paths_are_the_same_in_every_unit(path):
    ts = np.array([0.0, 0.5, 1.0, 2.25, 11.9, 30.0])
    wanted, got = path(XS), path(XS, TIME)
    for t in ts:
        np.testing.assert_array_equal(got(TIME * t), wanted(t))
