"""What the checks say of a value that is not what is wanted: one line, with the way out where there is one."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode import datasets, learn
from rnn_ode._base.checks import (
    as_floats,
    as_number,
    as_numbers,
    as_step,
    brief,
    check_callable,
    check_count,
    check_key,
    check_on_host,
)

SERIES = datasets.sunspots()
CELL = ro.VanillaCell(0.5 * np.eye(2), np.ones((2, 1)), np.zeros(2))
ASK = {
    "iterate": lambda series: ro.iterate(CELL, series),
    "compare": lambda series: ro.compare(CELL, series),
    "BandLimited": ro.BandLimited,
    "spectrum": ro.spectrum,
    "split": lambda series: learn.split(series, history=10, gap=0, horizon=1),
    "forecast": lambda series: learn.forecast(series, learn.many_to_one("gru", 2), history=10, key=jax.random.key(0)),
}


@pytest.mark.parametrize("name", ASK)
def test_a_series_in_place_of_its_values_is_told_to_give_them(name, as_user):
    with pytest.raises((TypeError, ValueError), match=r"^\w+(:| must be) .*; got Series: give series\.values\.$"):
        ASK[name](SERIES)


@pytest.mark.parametrize("ask", [ro.spectrum, ro.logm, ro.linalg.eig])
def test_a_network_in_place_of_its_matrix_is_told_to_give_it(ask, as_user):
    with pytest.raises(TypeError, match=r"^\w+ must be .*; got VanillaCell: give its W_h\.$"):
        ask(CELL)


@pytest.mark.parametrize("value", [SERIES, drawn(eqx.nn.LSTMCell, 1, 4), "x" * 200, [1, [2] * 99]])
def test_what_came_is_told_on_one_short_line(value):
    assert "\n" not in brief(value) and len(brief(value)) <= 80
    for error in (ValueError(str(value)), TypeError("two\nlines")):
        assert "\n" not in brief(error) and len(brief(error)) <= 80
    with pytest.raises(TypeError) as raised:
        as_floats("xs", value)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 180
    if not callable(value):
        with pytest.raises(TypeError) as raised:
            check_callable("f", value, "f(x)")
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 180


def test_the_name_of_a_network_in_place_of_a_function_is_told_the_function(as_user):
    with pytest.raises(TypeError, match=r'such as learn\.many_to_one\("lstm", 32\); got \'lstm\''):
        learn.forecast(SERIES.values, "lstm", history=10, key=jax.random.key(0))


WINDOWS = learn.windows(np.arange(40.0)[:, None], history=4, gap=0, horizon=1)
MATRIX = ro.PiecewiseLinearCell(*(np.eye(2) * a for a in (0.5, -2.0)), np.ones((2, 1)), np.ones(2))
DRAW = {
    "VanillaCell.random": lambda key: ro.VanillaCell.random(key, 1, 2),
    "CoRNN.random": lambda key: ro.CoRNN.random(key, 1, 2),
    "GRUODE.random": lambda key: ro.GRUODE.random(key, 1, 2),
    "AntisymmetricRNN.random": lambda key: ro.AntisymmetricRNN.random(key, 1, 2),
    "CTRNN.random": lambda key: ro.CTRNN.random(key, 1, 2),
    "gradient_examples": lambda key: ro.gradient_examples(key, 1, 2),
    "draw_guesses": lambda key: ro.draw_guesses(key, 3, np.ones((4, 2))),
    "cycles": lambda key: ro.cycles(ro.Map(MATRIX, np.zeros(1)), 2, key=key),
    "Ensemble": lambda key: learn.Ensemble(lambda key: learn.many_to_one("gru", 2)(key, 1, 1), 2, key=key),
    "many_to_one": lambda key: learn.many_to_one("gru", 2)(key, 1, 1),
    "forecast": lambda key: learn.forecast(np.arange(40.0), learn.many_to_one("gru", 2), history=4, key=key),
    "split": lambda key: learn.split(np.arange(40.0)[:, None], history=4, gap=0, horizon=1, key=key),
    "thin": lambda key: learn.thin(key, WINDOWS),
    "Copy.draw": lambda key: learn.Copy().draw(key, 10, 2),
}


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize("key", [7, np.float32(0), np.zeros(2), jax.random.split(jax.random.key(0)), "key"], ids=str)
def test_a_seed_in_place_of_a_key_is_told_how_to_write_the_key(name, key, as_user):
    with pytest.raises(TypeError, match=r"^key must be one JAX random key, such as jax\.random\.key\(0\); got "):
        DRAW[name](key)


@pytest.mark.parametrize(
    "key", [jax.random.key(0), jax.random.PRNGKey(0), jax.random.key(0, impl="rbg")], ids=["typed", "plain", "rbg"]
)
def test_keys_of_every_kind_are_keys(key):
    check_key(key)
    jax.eval_shape(check_key, key)
    jax.eval_shape(jax.vmap(check_key), jax.random.split(key))


@pytest.mark.parametrize(
    ("value", "signature", "fits"),
    [
        (lambda h: h, "save(h)", True),
        (lambda: 0, "save(h)", False),
        (lambda a, b: 0, "save(h)", False),
        (lambda *a: 0, "save(h)", True),
        (lambda h, k=1: 0, "save(h)", True),
        (lambda model, batch: 0, "loss(model, batch[, key])", True),
        (lambda model, batch, key: 0, "loss(model, batch[, key])", True),
        (lambda model: 0, "loss(model, batch[, key])", False),
        (lambda gain: gain, "f(**parameters)", True),
        (jnp.tanh, "f(z)", True),
        (partial(max, 1), "f(z)", True),
        (int, "f(z)", True),
        (3, "f(z)", False),
    ],
)
def test_a_callable_must_take_the_arguments_that_it_is_given(value, signature, fits):
    if fits:
        check_callable("f", value, signature)
    else:
        with pytest.raises(TypeError, match=r"f must be a callable .*got"):
            check_callable("f", value, signature)


@pytest.mark.parametrize("value", [10**12, 10**30, -(10**30)])
def test_a_whole_number_that_no_integer_of_jax_holds_is_a_number_and_no_count(value, as_user):
    assert float(as_numbers("x", value)) == pytest.approx(float(value))
    with pytest.raises(ValueError, match=r"n must be at (most|least)"):
        check_count("n", value)


@pytest.mark.parametrize("value", [[[1.0], [1.0, 2.0]], [1.0], {}, np.ones(2), None, "1", 10**400])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match="x must be a number"):
        as_number("x", value)


@pytest.mark.parametrize("step", [1e300, 1e-300])
def test_a_step_that_float32_does_not_hold_is_refused(step, float32):
    with pytest.raises(ValueError, match=r"dt must be from 1\.2e-38 to 3\.4e\+38"):
        as_step("dt", step)


def test_a_traced_argument_of_a_function_on_the_host_is_named():
    with pytest.raises(TypeError, match="x must not be traced: explore runs on the host"):
        jax.jit(lambda x: check_on_host("explore", x=x))(1.0)


def test_an_array_of_numpy_is_copied_and_compiles_nothing(caplog):
    """JAX compiles a program for each shape of an array whose type it is not told; where it is, it may use the memory."""
    given = np.ones((100, 101))
    with jax.log_compiles():
        taken, listed = as_floats("x", given), as_floats("x", [[0.5] * 103])
    assert not [record for record in caplog.records if "ompil" in record.getMessage()]
    given[:] = 2
    np.testing.assert_array_equal(taken, np.ones((100, 101)))
    assert listed.shape == (1, 103) and listed.dtype == taken.dtype == jnp.float64
