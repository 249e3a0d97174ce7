"""The error of a step: in any unit, and of the size of each component."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import DT, H0, LINEAR, SAMPLES, XS, Sum, closed_form, held, summed
from telling import telling

import rnn_ode as ro


@pytest.mark.slow
def test_tolerances_are_of_a_step():
    path = ro.Hold(XS, DT)
    loose, tight = (ro.integrate(LINEAR, path, H0, solver=diffrax.Bosh3(), rtol=tol, atol=tol) for tol in (1e-3, 1e-8))
    error = [np.max(np.abs(run.states - closed_form(held, SAMPLES))) for run in (loose, tight)]
    assert error[1] < 1e-6 < error[0] < 1e-2
    assert loose.stats["num_steps"] < tight.stats["num_steps"]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", telling([np.float64, np.float32], np.float32))
@pytest.mark.parametrize("start", [[0.0, 0.0], [0.3, -0.7]], ids=["from rest", "from a state"])
def test_units_of_time_and_state_change_nothing_else(dtype, start):
    """Powers of two, so that every rounding is the same, and every step."""

    def states(c, s):
        # with t in the field, and a component that passes through zero
        field = eqx.tree_at(
            lambda f: (f.a, f.b, f.f),
            summed(),
            tuple(jnp.asarray(value, dtype) for value in (-0.3 / c, 0.2 / (c * s), 2.0 / c)),
        )
        path = ro.Hold(np.asarray(s / c * XS, dtype), float(c))
        run = ro.integrate(
            Driven(field), path, np.asarray(start, dtype) * dtype(s), ts=c * np.array([0.0, 0.7, 2.0, 5.0])
        )
        return np.asarray(run.states) / s, int(run.stats["num_steps"])

    wanted, steps = states(1.0, 1.0)
    for c, s in ((1.0, 2.0**20), (1.0, 2.0**-20), (2.0**20, 2.0**-20), (2.0**-20, 1.0)):
        got, taken = states(c, s)
        assert taken == steps
        np.testing.assert_array_equal(got, wanted)


class Driven(eqx.Module):
    field: Sum

    def __call__(self, t, h, path):
        return self.field(t, h, None) + path(t)


class Turning(eqx.Module):
    """An oscillation whose components have units of their own."""

    units: jax.Array

    def __call__(self, t, h, path):
        a, b = h / self.units
        return self.units * jnp.stack([b, -a])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "units", "tolerance"),
    # measured: 2e-11 and 3e-11; 2e-5 and 4e-5
    [
        pytest.param(np.float64, (1.0, 1.0), 1e-10, marks=pytest.mark.thorough),
        (np.float64, (1e-6, 65.0), 1e-10),
        pytest.param(np.float32, (1.0, 1.0), 1e-4, marks=pytest.mark.thorough),
        pytest.param(np.float32, (0.065, 1.0), 1e-4, marks=pytest.mark.thorough),
        (np.float32, (1e-6, 1e-6), 1e-4),
    ],
)
def test_every_component_has_the_accuracy_of_its_own_size(dtype, units, tolerance):
    ts = np.linspace(0, 10, 11)
    units = np.asarray(units, dtype)
    run = ro.integrate(Turning(jnp.asarray(units)), None, units * np.asarray([0, 1], dtype), ts=ts)
    wanted = np.stack([np.sin(ts), np.cos(ts)], axis=1)
    assert np.max(np.abs(np.asarray(run.states, float) / units - wanted)) < tolerance
