"""The error of a step: in any unit, and of the size of each component."""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import DT, H0, LINEAR, SAMPLES, XS, Sum, closed_form, held, summed
from telling import telling

import rnn_ode as ro
from rnn_ode._run.tolerances import Controller, moved_by, shortest_step, tolerances_of


@pytest.mark.slow
def test_tolerances_are_of_a_step():
    path = ro.Hold(XS, DT)
    loose, tight = (ro.integrate(LINEAR, path, H0, solver=diffrax.Bosh3(), rtol=tol, atol=tol) for tol in (1e-3, 1e-8))
    error = [np.max(np.abs(run.states - closed_form(held, SAMPLES))) for run in (loose, tight)]
    assert error[1] < 1e-6 < error[0] < 1e-2
    assert loose.stats["num_steps"] < tight.stats["num_steps"]


@pytest.mark.gate
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


@pytest.mark.gate
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


# by hand, without a run


@pytest.mark.parametrize(
    ("h0", "field", "solver", "wanted"),
    [
        (np.ones(2), LINEAR, None, 1e-12),
        (np.ones(2), summed(), None, 1e-10),
        (np.ones(2), LINEAR, diffrax.Kvaerno5(), 1e-8),
        (np.ones(2), LINEAR, diffrax.Tsit5(), 1e-12),
        (np.ones(2, np.float32), LINEAR, diffrax.Kvaerno5(), 1e-5),
        ((np.ones(2, np.float32), np.ones(1, np.complex64)), LINEAR, None, 1e-5),
        ((np.ones(2, np.float32), np.ones(1)), summed(), None, 1e-10),
    ],
)
def test_the_default_tolerance_follows_the_type_the_solver_and_the_field(h0, field, solver, wanted):
    rtol, atol = tolerances_of(field, jax.tree.map(jnp.asarray, h0), solver, None, None)
    assert rtol == wanted and atol is None


def test_tolerances_that_are_given_are_kept_and_must_be_positive():
    rtol, atol = tolerances_of(LINEAR, jnp.ones(2), None, 1e-3, 1e-4)
    assert (rtol, atol) == (1e-3, 1e-4) and rtol.dtype == atol.dtype == jnp.float64
    for name in ("rtol", "atol"):
        with pytest.raises(ValueError, match=f"^{name} must be positive; got 0"):
            tolerances_of(LINEAR, jnp.ones(2), None, **{"rtol": 1.0, "atol": 1.0, name: 0})


def test_the_shortest_step_still_moves_the_time():
    u = np.finfo(float).eps
    np.testing.assert_array_equal([shortest_step(jnp.asarray(s)) for s in (0.0, 0.5, 1.0)], [u**2, 8 * u, 16 * u])


Y0, Y1, BEFORE = (np.array(y) for y in ([1.0, 0.1, 0.0], [-2.0, 0.05, 0.0], [0.5, 0.3, 0.0]))
ENDS, SIZES = np.array([2.0, 0.1, 0.0]), np.array([2.0, 0.3, 0.0])  # of the step, and of the run so far
ROUNDING = np.finfo(float).eps  # half a unit of the largest component, 2


@jax.jit
def _adapted(error, size, atol, t1):
    controller = Controller(1e-3, atol, jnp.asarray(7.0), size, jnp.asarray(0.25))
    _, state = controller.init(None, 0.0, 1.0, jnp.zeros(3), None, None, None, 4.0)
    keep, t0, t1, _, (_, size), result = controller.adapt_step_size(0.0, t1, Y0, Y1, None, error, 4.0, state)
    return keep, t1 - t0, size, result == diffrax.RESULTS.dt_min_reached


@pytest.mark.parametrize(
    ("atol", "allowed"),
    [
        (None, 1e-3 * ENDS + np.maximum(1e-5 * SIZES, ROUNDING)),
        (1e-4, 1e-3 * ENDS + 1e-4),
    ],
)
def test_a_step_is_kept_if_its_error_is_within_what_each_component_may_have(atol, allowed):
    for share, kept in ((0.999, True), (1.001, False)):
        keep, _, size, short = _adapted(share * allowed, jnp.asarray(BEFORE), atol, 0.25)
        assert bool(keep) == kept and not short
        np.testing.assert_allclose(size, SIZES if kept else BEFORE)
    # one component alone, in the mean square of three
    assert _adapted(1.73 * allowed * [0, 1, 0], jnp.asarray(BEFORE), atol, 0.25)[0]
    assert not _adapted(1.74 * allowed * [0, 1, 0], jnp.asarray(BEFORE), atol, 0.25)[0]


def test_a_step_without_error_is_followed_by_a_longer_one_and_a_hopeless_step_ends_the_run():
    keep, step, *_ = _adapted(jnp.zeros(3), jnp.asarray(BEFORE), None, 0.25)
    assert keep and step > 0.25
    keep, step, _, short = _adapted(jnp.full(3, 1e30), jnp.asarray(BEFORE), None, 1e-31)
    assert not keep and short


def test_the_size_of_an_unknown_state_is_that_of_its_own():
    """An adjoint equation has a state of another structure."""
    tight, size, first = jnp.asarray(1e-9), jnp.ones(2), jnp.asarray(0.25)
    controller = Controller(1e-3, None, tight, size, first)
    _, (_, own) = controller.init(None, 0.0, 1.0, (jnp.array([-3.0]),), None, None, None, 4.0)
    assert own[0].tolist() == [3.0]
    assert controller.atol == 1e-9 and Controller(1e-3, jnp.asarray(1e-4), tight, size, first).atol == 1e-4


class Decay(NamedTuple):
    """An interval in which h falls towards 5 at the rate a."""

    a: float
    segment: tuple = (0, jnp.zeros(()), jnp.ones(()))

    def rate(self, s, h):
        return self.a * (5.0 - h)


@pytest.mark.parametrize(("a", "moved"), [(1e6, 5.0), (1e-6, 5e-6), (1.0, 2.5), (0.0, 0.0)])
def test_a_state_moves_no_further_than_to_where_it_comes_to_rest(a, moved):
    np.testing.assert_allclose(moved_by(Decay(a), jnp.zeros(2)), moved, rtol=1e-5)
