"""Compiled functions read anew what their arguments read from outside."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnn_ode as ro
from rnn_ode._base.compiled import compiled, cond, read_by

KEY = jax.random.key(0)
GAIN, WEIGHTS, SETTINGS = 1.0, np.eye(2), {"gain": 1.0, "more": (1.0,)}


def scaled(x):
    return GAIN * x


def by_another(x):
    return scaled(x) + 1


def by_an_inner_one(x):
    return (lambda y: WEIGHTS @ y)(x)


def by_a_dictionary(x):
    return SETTINGS["gain"] * SETTINGS["more"][0] * x


class Holder(eqx.Module):
    function: object = eqx.field(static=True)

    def __call__(self, x):
        return self.function(x)


@compiled
def call(function, x):
    return function(x)


@pytest.mark.parametrize(
    "function",
    [scaled, by_another, functools.partial(scaled), Holder(scaled), (lambda k: lambda x: k * scaled(x))(1.0)],
)
def test_a_global_number_is_read_anew(function, monkeypatch):
    one = call(function, jnp.ones(2))
    monkeypatch.setitem(globals(), "GAIN", 3.0)
    offset = 1.0 if function is by_another else 0.0
    np.testing.assert_array_equal(call(function, jnp.ones(2)) - offset, 3 * (one - offset))


def test_an_array_is_read_anew_also_if_it_was_written_to(monkeypatch):
    monkeypatch.setitem(globals(), "WEIGHTS", np.eye(2))
    np.testing.assert_array_equal(call(by_an_inner_one, jnp.ones(2)), [1, 1])
    WEIGHTS[0, 0] = 5
    np.testing.assert_array_equal(call(by_an_inner_one, jnp.ones(2)), [5, 1])


def test_a_container_is_read_anew(monkeypatch):
    assert call(by_a_dictionary, jnp.ones(())) == 1
    monkeypatch.setitem(SETTINGS, "more", (4.0,))
    assert call(by_a_dictionary, jnp.ones(())) == 4


def test_a_variable_of_an_enclosing_function_is_read_anew():
    value = 2.0

    def times(x):
        return value * x

    assert call(times, jnp.ones(())) == 2
    value = 3.0
    assert call(times, jnp.ones(())) == 3


def test_nothing_is_compiled_twice_while_nothing_changes(monkeypatch):
    traced = []

    def noted(x):
        traced.append(1)
        return GAIN * x

    assert [float(call(noted, jnp.ones(()))) for _ in range(3)] == [1, 1, 1]
    monkeypatch.setitem(globals(), "GAIN", float("1"))  # another object, the same number
    assert call(noted, jnp.ones(())) == 1 and len(traced) == 1
    monkeypatch.setitem(globals(), "GAIN", 2.0)
    assert call(noted, jnp.ones(())) == 2 and len(traced) == 2


def test_what_a_function_writes_itself_is_not_read():
    calls = 0

    def counted(x):
        nonlocal calls
        calls += 1
        return GAIN * x

    assert [float(call(counted, jnp.ones(()))) for _ in range(3)] == [1, 1, 1] and calls == 1


@pytest.mark.parametrize("value", [jnp.tanh, ro.VanillaCell([[0.5]], [[1.0]], [0.0]), None, 1.0, len])
def test_what_reads_nothing_has_no_key(value):
    assert read_by(value) is None


@pytest.mark.gate
def test_a_run_after_a_change_of_its_matrix_is_of_the_new_matrix():
    """Each function is made once, and W is bound again below it."""
    W = 0.5 * np.eye(2)
    cell = lambda x, h: W @ h + x  # noqa: E731
    field = lambda t, h, path: W @ h  # noqa: E731
    numerical = ro.to_rnn(field, ro.RungeKutta())

    def answers():
        return (
            ro.iterate(cell, np.ones((2, 1)), np.zeros(2)).states[-1, 0],
            ro.integrate(field, None, np.ones(2), ts=np.array([0.0, 1.0])).states[-1, 0],
            ro.iterate(numerical, np.ones((1, 1)), np.ones(2)).states[-1, 0],
        )

    np.testing.assert_allclose(answers(), [1.5, np.exp(0.5), np.exp(0.5)], rtol=1e-3)
    W = 0.4 * np.eye(2)
    np.testing.assert_allclose(answers(), [1.4, np.exp(0.4), np.exp(0.4)], rtol=1e-3)


@pytest.mark.gate
def test_an_analysis_after_a_change_of_its_matrix_is_of_the_new_matrix():
    W = 0.5 * np.eye(2)
    system = ro.Flow(lambda t, h, path: W @ h - h + 1)
    make = lambda p: ro.Map(ro.VanillaCell(p * W, np.ones((2, 1)), np.zeros(2), jnp.tanh), np.zeros(1))  # noqa: E731

    def answers():
        branch = ro.continue_branch(make, np.zeros(2), (0.2, 3.0))
        return ro.fixed_points(system, np.zeros((1, 2))).points[0, 0], branch.bifurcations[0].parameter

    np.testing.assert_allclose(answers(), [2, 2], rtol=1e-5)
    W = 0.4 * np.eye(2)
    np.testing.assert_allclose(answers(), [1 / 0.6, 2.5], rtol=1e-5)


def test_a_training_after_a_change_of_its_data_uses_the_new_data():
    target = 1.0

    def loss(model, batch):
        return jnp.sum((model - target) ** 2)

    def trained():
        return float(
            ro.learn.fit(jnp.zeros(1), loss, [jnp.zeros(1)], optimiser=optax.sgd(0.5), steps=3, key=KEY).model[0]
        )

    assert trained() == 1
    target = 2.0
    assert trained() == 2


def test_a_known_condition_asks_for_one_branch_and_a_traced_one_for_both():
    asked = []

    def branch(name, sign):
        return lambda x: (asked.append(name), sign * x)[1]

    def either(is_true, x):
        return cond(is_true, branch("then", 1), branch("otherwise", -1), x)

    assert [float(either(np.bool_(is_true), 2.0)) for is_true in (True, False)] == [2, -2] and asked == [
        "then",
        "otherwise",
    ]
    traced = jax.jit(either)
    assert [float(traced(is_true, 2.0)) for is_true in (True, False)] == [2, -2] and len(asked) == 4
