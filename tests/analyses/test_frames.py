"""Frames that are carried along a system, against dense products in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._analyses import frames
from rnn_ode._analyses.frames import Sum, carry, first_frame, no_growth

factor, is_undefined = map(eqx.filter_jit, (frames.factor, frames.is_undefined))

A = np.array([[0.9, 0.4, 0.0], [-0.3, 0.8, 0.2], [0.1, 0.0, 0.5]])
COUNT = 4


@jax.jit
def carried(h, live, patient, matrix):
    def advance(k, h):
        return matrix @ h

    def weigh(k, after):
        return k + after

    Q = jnp.asarray(first_frame(3, 3))
    return carry(advance, weigh, jnp.asarray(10), live, h, Q, patient, COUNT)


def gains(steps):
    """log of what each row of the frame gains in each step, made orthonormal after every one."""
    Q, logs = first_frame(3, 3), []
    for _ in range(steps):
        Q, R = np.linalg.qr(A @ Q.T)
        Q = Q.T
        logs.append(np.log(np.abs(np.diag(R))))
    return np.array(logs)


@pytest.mark.slow
@pytest.mark.parametrize("patient", [True, False])
def test_rows_gain_what_the_qr_factorisations_say(patient):
    h, Q, growth, again = carried(np.ones(3), np.asarray(COUNT), np.asarray(patient), A)
    np.testing.assert_allclose(h, np.linalg.matrix_power(A, COUNT) @ np.ones(3))
    np.testing.assert_allclose(np.asarray(Q) @ np.asarray(Q).T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(growth.logs, gains(COUNT).sum(axis=0), rtol=1e-12)
    assert again == patient and growth.finite and not growth.lost.any() and not growth.undefined


def test_each_step_has_its_own_weight_unless_the_frame_is_orthonormalised_once():
    """Steps 10 to 13 have the weights 10.5 to 13.5 one by one, and 12, that of their middle, together."""
    logs, weights = gains(COUNT), 10.5 + np.arange(COUNT)
    _, _, growth, _ = carried(np.ones(3), np.asarray(COUNT), np.asarray(False), A)
    np.testing.assert_allclose(growth.weighted, weights @ logs, rtol=1e-12)
    np.testing.assert_allclose(growth.weight, weights.sum())
    _, _, growth, _ = carried(np.ones(3), np.asarray(COUNT), np.asarray(True), A)
    np.testing.assert_allclose(growth.weighted, 12 * logs.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(growth.weight, 12 * COUNT)


def test_only_the_live_steps_are_made():
    h, _, growth, again = carried(np.ones(3), np.asarray(2), np.asarray(True), A)
    np.testing.assert_allclose(h, A @ A @ np.ones(3))
    np.testing.assert_allclose(growth.logs, gains(2).sum(axis=0), rtol=1e-12)
    assert again  # a block that ends early says nothing of the frame


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1e-4, 1e-4]), -A, np.diag([1.0, 0.5, 0.0])])
def test_a_frame_that_degenerates_or_turns_is_orthonormalised_after_each_step(matrix):
    _, _, growth, again = carried(np.ones(3), np.asarray(COUNT), np.asarray(True), matrix)
    assert not again
    np.testing.assert_allclose(growth.weight, np.sum(10.5 + np.arange(COUNT)))


def test_a_direction_that_a_step_destroys_is_lost():
    growth = carried(np.ones(3), np.asarray(COUNT), np.asarray(True), np.diag([1.0, 0.5, 0.0]))[2]
    assert growth.lost.tolist() == [False, False, True] and growth.logs.tolist()[2] == 0 and growth.finite


def test_a_state_that_overflows_is_not_finite_and_one_that_is_undefined_says_so():
    overflow = carried(1e300 * np.ones(3), np.asarray(COUNT), np.asarray(True), 1e10 * A)[2]
    assert not overflow.finite and not overflow.undefined
    undefined = carried(np.ones(3), np.asarray(COUNT), np.asarray(True), np.full((3, 3), np.nan))[2]
    assert not undefined.finite and undefined.undefined


def test_a_state_is_ordinary_in_its_own_units():
    nan = np.array([np.nan])
    limit = float(np.finfo(float).max ** (1 / 27))
    assert is_undefined(np.array([0.9 * limit]), nan) and not is_undefined(np.array([1.1 * limit]), nan)
    assert is_undefined(np.array([1.1 * limit]), nan, 2.0)
    assert not is_undefined(np.ones(1), np.array([np.inf]))


def test_a_smaller_frame_is_the_beginning_of_a_larger_one():
    frame = first_frame(4, 5)
    np.testing.assert_allclose(frame @ frame.T, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(np.abs(np.sum(first_frame(2, 5) * frame[:2], axis=1)), 1)


def test_the_factors_of_a_frame_and_their_derivative():
    """Against central differences; the signs of the rows are those of LAPACK."""
    P, dP = np.random.default_rng(0).normal(size=(2, 2, 3))
    (L, Q), tangents = eqx.filter_jit(jax.jvp)(frames.factor, (P,), (dP,))
    np.testing.assert_allclose(np.asarray(L) @ Q, P, atol=1e-14)
    np.testing.assert_allclose(np.triu(L, 1), 0, atol=1e-15)
    for tangent, over, under in zip(
        tangents, jax.device_get(factor(P + 1e-6 * dP)), jax.device_get(factor(P - 1e-6 * dP)), strict=True
    ):
        np.testing.assert_allclose(tangent, (over - under) / 2e-6, atol=1e-8)


@pytest.mark.slow
def test_a_sum_of_many_numbers_keeps_its_digits(float32):
    gain = no_growth(jnp.eye(1, dtype=jnp.float32))._replace(logs=jnp.full(1, 0.1, jnp.float32))
    total = jax.lax.fori_loop(
        0, 100_000, lambda _, total: total.plus(gain), Sum.of(no_growth(jnp.eye(1, dtype=jnp.float32)))
    )
    np.testing.assert_allclose(total.value.logs, 1e4, rtol=1e-6)
