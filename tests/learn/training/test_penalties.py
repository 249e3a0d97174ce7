"""Penalties on gradients, against the formulas with explicit Jacobians, known exponents and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn

KEYS = [jax.random.key(k) for k in range(6)]
XS = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2)))
TANH = drawn(lambda key: ro.VanillaCell.random(key, 2, 3, activation=jnp.tanh), seed=1)
LSTM = drawn(eqx.nn.LSTMCell, 2, 2, seed=2)


def of_the_end(states):
    """A loss of the last state alone."""
    return jnp.sum(jnp.sin(ravel_pytree(jax.tree.map(lambda leaf: leaf[-1], states))[0]))


def of_every_step(states):
    return sum(jnp.sum(jnp.cos(leaf) * jnp.arange(1.0, leaf.shape[0] + 1)[:, None]) for leaf in jax.tree.leaves(states))


def flat_step(cell, unravel):
    return jax.jit(lambda x, h: ravel_pytree(cell(x, unravel(h)))[0])


def run_and_gradients(cell, xs, loss):
    """The states before each step (T, N) and g_k = ∂loss/∂h_k by the chain rule, backwards, from explicit Jacobians."""
    zero = jnp.zeros(cell.hidden_size)
    h, unravel = ravel_pytree((zero, zero) if isinstance(cell, eqx.nn.LSTMCell) else zero)
    step = flat_step(cell, unravel)
    states = [h]
    for x in xs:
        states.append(step(x, states[-1]))
    direct = jax.grad(lambda rows: loss(jax.vmap(unravel)(rows)))(jnp.stack(states[1:]))
    jacobian = jax.jit(jax.jacobian(step, 1))
    g = [np.asarray(direct[-1])]
    for k in range(len(xs) - 1, 0, -1):
        g.append(np.asarray(direct[k - 1]) + g[-1] @ np.asarray(jacobian(xs[k], states[k])))
    return states[:-1], g[::-1], unravel


def omega(cell, xs, before, gradients, unravel):
    """Pascanu's formula, the run and the g_k given."""
    jacobian = jax.jit(jax.jacobian(flat_step(cell, unravel), 1))
    ratios = [
        np.linalg.norm(g @ np.asarray(jacobian(x, h))) / np.linalg.norm(g) if g.any() else 1.0
        for x, h, g in zip(xs, before, gradients, strict=True)
    ]
    return np.mean((np.array(ratios) - 1) ** 2)


def along(cell):
    """A direction in the space of the weights, and what takes a step along it."""
    params, static = eqx.partition(cell, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    direction = jnp.sin(1.0 + jnp.arange(flat.size, dtype=flat.dtype))
    return (lambda s: eqx.combine(unravel(flat + s * direction), static)), direction


@eqx.filter_jit
def vanishing_gradient(cell, loss):
    """The penalty and its gradient."""
    return eqx.filter_value_and_grad(lambda cell: learn.vanishing_gradient(cell, XS, loss))(cell)


@pytest.mark.parametrize(
    "cell, loss",
    [
        (TANH, of_every_step),
        pytest.param(LSTM, of_the_end, marks=pytest.mark.slow),
        pytest.param(TANH, of_the_end, marks=pytest.mark.slow),
        pytest.param(LSTM, of_every_step, marks=pytest.mark.slow),
    ],
    ids=["tanh", "LSTM", "tanh, the end", "LSTM, every step"],
)
@pytest.mark.gate
def test_the_vanishing_gradient_penalty_is_the_published_formula(cell, loss):
    held = run_and_gradients(cell, XS, loss)
    value, gradient = vanishing_gradient(cell, loss)
    np.testing.assert_allclose(value, omega(cell, XS, *held), rtol=1e-10)
    moved, direction = along(cell)
    measured = (omega(moved(1e-6), XS, *held) - omega(moved(-1e-6), XS, *held)) / 2e-6
    np.testing.assert_allclose(ravel_pytree(gradient)[0] @ direction, measured, rtol=1e-7)


@pytest.mark.slow
def test_a_step_on_which_the_loss_does_not_depend_adds_nothing():
    def second(states):
        return jnp.sum(states[1] ** 2)

    held = run_and_gradients(TANH, XS, second)
    assert [bool(g.any()) for g in held[1]] == [True, True, False, False, False, False]
    value, gradient = vanishing_gradient(TANH, second)
    np.testing.assert_allclose(value, omega(TANH, XS, *held), rtol=1e-10)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.slow
def test_a_dead_network_has_a_finite_gradient():
    dead = ro.VanillaCell(TANH.W_h, TANH.W_x, TANH.b - 1e3, activation=jnp.tanh)  # J = 0, since tanh is −1 to rounding
    value, gradient = vanishing_gradient(dead, of_every_step)
    assert value == 1 and all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_weights_in_the_loss_have_no_gradient():
    @jax.jit
    @jax.value_and_grad
    def penalty(weights):
        return learn.vanishing_gradient(TANH, XS, lambda states: jnp.sum((states @ weights) ** 2))

    weights = jnp.array([1.0, -2.0, 0.5])
    value, gradient = penalty(weights)
    assert value > 0 and value != penalty(weights[::-1])[0] and not gradient.any()


@pytest.mark.gate
@pytest.mark.parametrize("h0", [None, jnp.array([1.0, 0.0, -1.0])])
def test_penalties_of_a_multiple_of_an_orthogonal_matrix(h0):
    """‖g J‖/‖g‖ is the gain at every step, and every exponent its logarithm."""
    cell = ro.VanillaCell.random(KEYS[3], 2, 3, activation=None, recurrent=jax.nn.initializers.orthogonal(0.8))
    np.testing.assert_allclose(learn.vanishing_gradient(cell, XS, of_the_end, h0), 0.2**2, rtol=1e-10)
    np.testing.assert_allclose(learn.flossing(cell, XS, 3, h0), np.log(0.8) ** 2, rtol=1e-10)
    np.testing.assert_allclose(learn.orthogonality_penalty(cell.W_h), (0.8**2 - 1) ** 2, rtol=1e-10)
    np.testing.assert_allclose(learn.orthogonality_penalty(cell.W_h, 0.8), 0, atol=1e-12)
    np.testing.assert_allclose(learn.spectral_penalty(cell.W_h, 0.5), 0.3**2, rtol=1e-10)
    np.testing.assert_allclose(learn.spectral_penalty(cell.W_h, np.full(len(cell.W_h), 0.5)), 0.3**2, rtol=1e-10)


@pytest.mark.gate
@pytest.mark.parametrize("count", [1, 2, 3])
def test_flossing_of_a_diagonal_matrix_uses_its_largest_exponents(count):
    """Its exponents are log|λ|, once the frame is aligned; of all three the sum is exact from the start."""
    cell = ro.VanillaCell(jnp.diag(jnp.array([0.1, 2.0, -0.5])), jnp.zeros((3, 2)), jnp.zeros(3), activation=None)
    wanted = np.mean(np.log([2.0, 0.5, 0.1][:count]) ** 2)
    np.testing.assert_allclose(learn.flossing(cell, jnp.zeros((200, 2)), count), wanted, rtol=1e-3)


@pytest.mark.gate
@pytest.mark.parametrize("cell", [TANH, LSTM], ids=["tanh", "LSTM"])
def test_the_gradient_of_flossing_equals_finite_differences(cell):
    penalty = eqx.filter_jit(eqx.filter_value_and_grad(lambda cell: learn.flossing(cell, XS, 2)))
    moved, direction = along(cell)
    measured = (penalty(moved(1e-5))[0] - penalty(moved(-1e-5))[0]) / 2e-5
    np.testing.assert_allclose(ravel_pytree(penalty(cell)[1])[0] @ direction, measured, rtol=1e-6)


@pytest.mark.gate
def test_training_on_flossing_moves_the_exponents_to_zero():
    cell = ro.VanillaCell.random(KEYS[4], 2, 3, activation=jnp.tanh, recurrent=jax.nn.initializers.orthogonal(0.3))
    xs = 0.1 * jax.random.normal(KEYS[5], (20, 2))
    done = learn.fit(
        cell,
        lambda cell, xs: learn.flossing(cell, xs, 2),
        [xs],
        optimiser=optax.adam(0.03),
        steps=60,
        key=jax.random.key(0),
        progress=False,
    )
    assert done.history.loss[0] > 1 and done.history.loss[-1] < 0.01
    exponents = ro.lyapunov(ro.Map(done.model, xs), jnp.zeros(3), 20.0).exponents
    assert jnp.abs(exponents[:2]).max() < 0.15


MATRIX = np.random.default_rng(0).standard_normal((4, 4))


@pytest.mark.parametrize(
    "penalty, formula",
    [
        (learn.spectral_penalty, lambda W: np.mean((np.abs(np.linalg.eigvals(W)) - 1) ** 2)),
        (lambda W: learn.spectral_penalty(W, 0.9), lambda W: np.mean((np.abs(np.linalg.eigvals(W)) - 0.9) ** 2)),
        (lambda W: learn.orthogonality_penalty(W, 0.9), lambda W: np.linalg.norm(W.T @ W - 0.81 * np.eye(4)) ** 2 / 4),
    ],
    ids=["spectral", "radius", "orthogonality"],
)
def test_a_matrix_penalty_and_its_gradient_are_the_formula(penalty, formula):
    value, gradient = jax.jit(jax.value_and_grad(penalty))(jnp.asarray(MATRIX))
    np.testing.assert_allclose(value, formula(MATRIX), rtol=1e-10)
    direction = np.random.default_rng(1).standard_normal((4, 4))
    measured = (formula(MATRIX + 1e-6 * direction) - formula(MATRIX - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(np.sum(gradient * direction), measured, rtol=1e-7)
    single = penalty(jnp.asarray(MATRIX, jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, value, rtol=1e-4)


@pytest.mark.slow
def test_a_singular_matrix_has_a_finite_gradient():
    gradient = jax.grad(learn.spectral_penalty)(jnp.diag(jnp.array([0.0, 0.5, 2.0])))
    np.testing.assert_allclose(jnp.diag(gradient)[1:], [-1 / 3, 2 / 3], rtol=1e-12)
    assert jnp.isfinite(gradient).all()


def test_penalties_refuse_what_does_not_fit(as_user):
    for penalty in (learn.spectral_penalty, learn.orthogonality_penalty):
        with pytest.raises(ValueError, match=r"W must be a square matrix .* got \(2, 3\)"):
            penalty(jnp.ones((2, 3)))
    with pytest.raises(TypeError, match="gain must be a number"):
        learn.orthogonality_penalty(jnp.eye(2), "one")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="count must be at most the number of states, 3; got 4"):
        learn.flossing(TANH, XS, 4)
    with pytest.raises(ValueError, match="h0=None means zeros"):
        learn.vanishing_gradient(lambda x, h: h, XS, of_the_end)


@pytest.mark.gate
def test_a_gradient_smaller_than_any_float_is_measured():
    """Halving 400 times in float32: every step's factor is ½, and so Ω = ¼, with the gradient of that."""
    with jax.enable_x64(False):
        cell = ro.VanillaCell(0.5 * jnp.eye(3), jnp.ones((3, 1)), jnp.zeros(3), activation=None)

        def omega(W):
            return learn.vanishing_gradient(
                eqx.tree_at(lambda cell: cell.W_h, cell, W), jnp.ones((400, 1)), lambda states: jnp.sum(states[-1])
            )

        value, gradient = jax.value_and_grad(omega)(cell.W_h)
        np.testing.assert_allclose(value, 0.25, rtol=1e-5)
        np.testing.assert_allclose(gradient, np.full((3, 3), -1 / 3), rtol=1e-4)  # (‖Wᵀu‖ − 1)² at u = (1, 1, 1)/√3
