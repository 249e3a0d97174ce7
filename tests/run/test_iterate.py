"""Running a network: against a plain Python loop, and what overflow and bad input get."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import assert_close, loop
from parts import CELLS, KEY, STATES, WEIGHTS, XS, D, N, T

import rnn_ode as ro


def function(x, h):
    return jnp.tanh(h) + x.sum()


BY_HAND = ("relu", "tanh", "affine", "piecewise")


def by_hand(name):
    W, W_x, b = WEIGHTS
    activation = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "affine": lambda z: z}
    if name in activation:
        return lambda x, h: activation[name](W @ h + W_x @ x + b)
    return lambda x, h: b * h + W @ np.maximum(h, 0) + W_x @ x + b


@pytest.mark.parametrize("name", BY_HAND)
def test_a_run_is_the_loop_with_the_initial_state_first(name):
    """Against the formula in NumPy. `tests/test_conformance.py` has every cell against a loop over itself."""
    run = ro.iterate(CELLS[name], XS, STATES[name])
    assert_close(run.states, loop(by_hand(name), XS, STATES[name]), rtol=1e-12, atol=1e-14)
    assert np.array_equal(run.states[0], STATES[name]) and np.array_equal(run.ts, np.arange(T + 1))
    assert run.result == ro.RESULTS.successful
    assert run.stats["num_steps"] == T


def test_a_converted_cell_starts_from_its_own_zeros():
    cell = ro.to_rnn(ro.to_ode(CELLS["lstm"], ro.Forward(1)), ro.Euler())
    assert_close(ro.iterate(cell, XS).states, ro.iterate(CELLS["lstm"], XS).states, atol=1e-14)


@pytest.mark.slow
def test_a_stack_can_be_a_layer_of_a_stack():
    bottom, middle, top = CELLS["stacked"].cells
    nested = ro.StackedCell([ro.StackedCell([bottom, middle]), top])
    (lstm, relu), gru = ro.iterate(nested, XS).states
    states = ro.iterate(CELLS["stacked"], XS).states
    assert_close((lstm, relu, gru), states, rtol=1e-14)
    assert CELLS["stacked"].output(states) is states[-1]
    assert nested.input_size == D


def test_a_layer_of_its_own_kind_says_what_its_output_is():
    class Pair(eqx.Module):
        def __call__(self, x, h):
            return (h[0] + x, 2.0 * x)

    class Telling(Pair):
        def output(self, h):
            return h[1]

    def run(cell):
        start = ((np.zeros(D), np.zeros(D)), np.zeros(D))
        return ro.iterate(ro.StackedCell([cell, lambda x, h: x]), XS, start).states[1]

    np.testing.assert_allclose(run(Telling())[1:], 2 * XS)
    with pytest.raises(TypeError, match=r"the state of a Pair is PyTreeDef.* only the cell can say.* `output\(h\)`"):
        run(Pair())


def test_ts_count_in_units_of_time():
    run = ro.iterate(CELLS["relu"], XS, dt=0.1)
    np.testing.assert_allclose(run.ts, 0.1 * np.arange(T + 1), rtol=1e-15)
    assert_close(run.states, ro.iterate(CELLS["relu"], XS).states, rtol=0)


@pytest.mark.slow
def test_save_keeps_what_it_returns():
    everything = ro.iterate(CELLS["lstm"], XS).states
    run = ro.iterate(CELLS["lstm"], XS, save=lambda state: {"out": state[0][:2], "big": state[1][0] > 0})
    assert np.array_equal(run.states["out"], everything[0][:, :2])
    assert np.array_equal(run.states["big"], everything[1][:, 0] > 0)
    constant = ro.iterate(CELLS["lstm"], XS, save=lambda state: 1.0)
    assert np.array_equal(constant.states, np.ones(T + 1))


@pytest.mark.slow
def test_the_widest_type_wins():
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), CELLS["relu"])
    xs = XS.astype(np.float32)
    assert ro.iterate(single, xs).states.dtype == jnp.float32
    assert ro.iterate(single, XS).states.dtype == jnp.float64
    assert ro.iterate(single, xs, np.zeros(N)).states.dtype == jnp.float64
    assert ro.iterate(CELLS["relu"], xs, np.zeros(N, np.float32)).states.dtype == jnp.float64
    assert ro.iterate(CELLS["relu"], np.ones((T, D), int), np.zeros(N, int)).states.dtype == jnp.float64


def test_a_run_in_float32(float32):
    cell = ro.VanillaCell(*WEIGHTS)
    run = ro.iterate(cell, XS)
    assert run.states.dtype == run.ts.dtype == jnp.float32
    assert_close(run.states, loop(by_hand("relu"), XS, np.zeros(N)), rtol=2e-5, atol=1e-5)


# overflow


def doubling(h0, **options):
    """h' = 2 h, which leaves the range of float64 from 2^1020 at the fourth step."""
    return ro.iterate(ro.VanillaCell([[2.0]], [[0.0]], [0.0]), np.ones((9, 1)), h0, **options)


def test_overflow_raises_with_advice():
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"^The state left the float range.*scale the weights.*decay\.$"):
        doubling(np.array([2.0**1020]))
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"left the float range(.|\n)*scale the weights"):
        eqx.filter_jit(lambda h0: doubling(h0).states)(jnp.array([2.0**1020]))


@pytest.mark.slow
@pytest.mark.parametrize("save", [None, lambda h: {"h": h, "count": 1}])
def test_overflow_keeps_the_rows_before_it(save):
    run = doubling(np.array([2.0**1020]), throw=False, save=save)
    rows = run.states if save is None else run.states["h"]
    assert run.result == ro.RESULTS.left_float_range
    assert "throw=False" in ro.RESULTS[run.result]
    np.testing.assert_array_equal(rows[:, 0], [2.0**1020, 2.0**1021, 2.0**1022, 2.0**1023] + [np.inf] * 6)


@pytest.mark.slow
def test_in_a_batch_the_members_that_overflow_keep_the_rows_before_it_and_the_others_all():
    starts = jnp.array([[1.0], [2.0**1020]])
    run = jax.vmap(lambda h0: doubling(h0, throw=False, save=lambda h: h / 2))(starts)
    np.testing.assert_array_equal(run.states[0, :, 0], 2.0 ** np.arange(-1.0, 9))
    np.testing.assert_array_equal(run.states[1, :, 0], [2.0**1019, 2.0**1020, 2.0**1021, 2.0**1022] + [np.inf] * 6)


@pytest.mark.slow
def test_overflow_never_shows_a_nan():
    cell = ro.VanillaCell([[2.0, -3.0], [1.0, 2.0]], np.zeros((2, 1)), np.zeros(2), activation=None)  # inf − inf
    run = ro.iterate(cell, np.ones((700, 1)), np.full(2, 1e300), throw=False)
    assert run.result == ro.RESULTS.left_float_range
    finite = np.isfinite(run.states).all(axis=1)
    assert 10 < finite.sum() < 100
    assert np.all(np.isinf(run.states[~finite]))
    assert np.all(np.diff(finite.astype(int)) <= 0)


@pytest.mark.slow
def test_a_state_that_comes_back_from_infinity_is_no_result():
    def cell(x, h):
        return jnp.where(jnp.isfinite(h), h * 1e200, 0.0)

    run = ro.iterate(cell, np.ones((5, 1)), np.array([1e10]), throw=False)
    assert run.result == ro.RESULTS.left_float_range
    np.testing.assert_array_equal(run.states[:, 0], [1e10, 1e210] + [np.inf] * 4)


# bad input


@pytest.mark.parametrize(
    ("cell", "xs", "error", "message"),
    [
        ("relu", np.ones((T, 3)), ValueError, r"xs must have shape \(T, 2\) for this cell; got \(7, 3\)\.$"),
        ("gru", np.ones((T, 3)), ValueError, r"xs must have shape \(T, 2\) for this cell; got \(7, 3\)\.$"),
        ("relu", np.ones(T), ValueError, r"xs must have shape \(T, 2\) for this cell; got \(7,\)\.$"),
        ("one channel", np.ones(T), ValueError, r"got \(7,\)\. For one input channel write xs\[:, None\]\."),
        ("relu", np.ones((4, T, D)), ValueError, r"got \(4, 7, 2\)\. For a batch use jax\.vmap over the first axis\."),
        ("relu", np.ones((0, D)), ValueError, r"xs must be a sequence with at least one sample.*got shape \(0, 2\)"),
        ("relu", 1.0, ValueError, r"xs must be a sequence with at least one sample.*got shape \(\)"),
        ("relu", [[0, 0], [0, np.nan]], ValueError, r"xs must be finite; 1 of 4 entries are not, .* \(1, 1\): nan"),
        ("relu", "noise", TypeError, r"xs must be an array of numbers; got str"),
        ("relu", XS + 0j, TypeError, r"xs must hold real floating-point numbers; got dtype complex128"),
    ],
)
def test_bad_inputs_are_named(cell, xs, error, message, as_user):
    cell = ro.VanillaCell([[1.0]], [[1.0]], [0.0]) if cell == "one channel" else CELLS[cell]
    with pytest.raises(error, match=message):
        ro.iterate(cell, xs)


@pytest.mark.parametrize(
    ("name", "h0", "error", "message"),
    [
        ("relu", np.ones(2), ValueError, r"h0 must have shape \(3,\) for this VanillaCell; got \(2,\)"),
        ("relu", np.ones((4, 3)), ValueError, r"h0 must have shape \(3,\) for this VanillaCell; got \(4, 3\)"),
        ("gru", 1.0, ValueError, r"h0 must have shape \(3,\) for this GRUCell; got \(\)"),
        ("lstm", np.ones(3), ValueError, r"h0 must have shape \(\(3,\), \(3,\)\) for this LSTMCell; got \(3,\)"),
        (
            "stacked",
            np.ones(3),
            ValueError,
            r"shape \(\(\(2,\), \(2,\)\), \(3,\), \(3,\)\) for this StackedCell; got \(3,",
        ),
        ("relu", np.array([0, np.inf, 0]), ValueError, r"h0 must be finite; 1 of 3 entries .* \(1,\): inf"),
        ("lstm", (np.ones(3), np.full(3, np.nan)), ValueError, r"h0 must be finite; 3 of 3"),
        ("relu", [1.0, 2.0], ValueError, r"h0 must have shape \(3,\) for this VanillaCell; got \(2,\)"),
        ("relu", "zero", TypeError, r"h0 must be an array of numbers; got str"),
        ("relu", (), ValueError, r"h0 must hold at least one array; got \(\)"),
        ("function", None, ValueError, r"h0=None means zeros, .* known only for .* got function\. Pass h0\."),
    ],
)
def test_bad_initial_states_are_named(name, h0, error, message, as_user):
    with pytest.raises(error, match=message):
        ro.iterate(function if name == "function" else CELLS[name], XS, h0)


@pytest.mark.parametrize(
    ("dt", "error", "message"),
    [
        (0, ValueError, r"dt must be positive and finite; got 0\.0"),
        (-0.1, ValueError, r"dt must be positive and finite; got -0\.1"),
        (np.nan, ValueError, r"dt must be positive and finite; got nan"),
        ("1", TypeError, r"dt must be a number; got '1'"),
    ],
)
def test_the_time_step_is_a_positive_number(dt, error, message, as_user):
    with pytest.raises(error, match=message):
        ro.iterate(CELLS["relu"], XS, dt=dt)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (lambda x, h: (h, h), r"must return a state like h: h is float64\[3\], the cell returned \('float64\[3\]', "),
        (lambda x, h: h[:2], r"h is float64\[3\], the cell returned float64\[2\]"),
        (lambda x, h: h.astype(jnp.float32), r"h is float64\[3\], the cell returned float32\[3\]"),
        (lambda x, h: None, r"h is float64\[3\], the cell returned None"),
    ],
)
def test_a_cell_returns_a_state_like_its_own(cell, message):
    with pytest.raises(ValueError, match=message):
        ro.iterate(cell, XS, np.zeros(3))


def test_a_cell_is_callable(as_user):
    with pytest.raises(TypeError, match=r"cell must be a callable cell\(x, h\); got 0\.5"):
        ro.iterate(0.5, XS, np.zeros(3))


W, W_X, B = (np.asarray(w) for w in WEIGHTS)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ro.VanillaCell(W * np.nan, W_X, B), ValueError, r"W_h must be finite; 9 of 9 entries are not"),
        (lambda: ro.VanillaCell(W, W_X, [0, np.inf, 0]), ValueError, r"b must be finite; 1 of 3 .* \(1,\): inf"),
        (lambda: ro.VanillaCell(W[:2], W_X, B), ValueError, r"W_h, W_x and b must .* got \(2, 3\), \(3, 2\)"),
        (lambda: ro.VanillaCell(W, W_X[:2], B), ValueError, r"with one N ≥ 1; got \(3, 3\), \(2, 2\) and \(3,\)"),
        (lambda: ro.VanillaCell(W, W_X, B[:, None]), ValueError, r"b must have shape \(N,\); got \(3, 1\)"),
        (lambda: ro.VanillaCell(W[0], W_X, B), ValueError, r"W_h must have shape \(N, N\); got \(3,\)"),
        (lambda: ro.VanillaCell(W[:0, :0], W_X[:0], B[:0]), ValueError, r"one N ≥ 1; got \(0, 0\)"),
        (lambda: ro.VanillaCell(W + 0j, W_X, B), TypeError, r"W_h must hold real .* got dtype complex"),
        (lambda: ro.VanillaCell(W, W_X, B, "relu"), TypeError, r"activation must be a function or None .* got 'relu'"),
        (lambda: ro.PiecewiseLinearCell(W, W * np.inf, W_X, B), ValueError, r"W must be finite"),
        (lambda: ro.PiecewiseLinearCell(W[:2, :2], W, W_X, B), ValueError, r"A, W, W_x and b must .* got \(2, 2\)"),
        (lambda: ro.StackedCell([]), ValueError, r"cells must hold at least one cell; it is empty"),
        (lambda: ro.StackedCell([function, 0.5]), TypeError, r"cells\[1\] must be a callable cell\(x, h\); got 0\.5"),
        (
            lambda: ro.StackedCell([CELLS["relu"], CELLS["lstm"], CELLS["gru"]]),
            ValueError,
            r"cells\[1\] takes inputs \(2,\), but the layer below it, cells\[0\], gives outputs \(3,\)\.",
        ),
        (lambda: ro.VanillaCell.random(KEY, 0, 3), ValueError, r"input_size must be at least 1; got 0"),
        (lambda: ro.VanillaCell.random(KEY, 1, 3.0), TypeError, r"hidden_size must be a whole number, .* got 3\.0"),
    ],
)
def test_bad_weights_are_named(make, error, message, as_user):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.slow
@pytest.mark.parametrize("save", [None, lambda h: h[:1]], ids=["all", "some"])
def test_a_cell_that_returns_nan_is_no_overflow(save):
    """log(h) of 0.5 is negative, and its own logarithm NaN."""
    run = ro.iterate(lambda x, h: jnp.log(h), np.zeros((3, 1)), np.full(2, 0.5), throw=False, save=save)
    assert run.result == ro.RESULTS.not_a_number
    np.testing.assert_allclose(run.states[:, 0], [0.5, np.log(0.5), np.inf, np.inf])
    with pytest.raises(eqx.EquinoxRuntimeError, match="returned NaN for a state that is finite"):
        ro.iterate(lambda x, h: jnp.log(h), np.zeros((3, 1)), np.full(2, 0.5), save=save)
