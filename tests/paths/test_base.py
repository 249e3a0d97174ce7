"""What every path promises: conventions, pieces, derivatives, and what bad input gets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from readings import XS, evaluate

import rnn_ode as ro
from rnn_ode._paths.base import check_path_width, check_reading

KINDS = [ro.Hold, ro.Linear, ro.Cubic, ro.BandLimited]
SMOOTH = KINDS[1:]
kinds = pytest.mark.parametrize("kind", KINDS)
smooth = pytest.mark.parametrize("kind", SMOOTH)


@pytest.mark.slow
@kinds
@pytest.mark.parametrize(("dt", "t0"), [(0.1, None), (0.25, -3.5)])
def test_sample_k_is_stamped_one_step_after_the_start_of_its_step(kind, dt, t0):
    path = kind(XS, dt, t0)
    first = dt if t0 is None else t0
    np.testing.assert_allclose(path.stamps, first + dt * np.arange(6), rtol=1e-14, atol=1e-15)
    assert path.start == pytest.approx(first - dt, abs=1e-15)
    if kind is not ro.Hold:
        np.testing.assert_allclose(evaluate(path, path.stamps), XS, atol=1e-14)


@kinds
def test_end_values_hold_outside(kind):
    path = kind(XS, 0.5)
    far = jnp.array([-1e6, -0.5, 0.0, 0.25, 3.0, 3.1, 40.0, 1e6])
    np.testing.assert_array_equal(evaluate(path, far), XS[[0] * 4 + [5] * 4])


def test_a_path_must_say_what_it_is_within_an_interval():
    with pytest.raises(TypeError, match="abstract"):
        ro.AbstractPath(XS)


@kinds
def test_one_sample_is_a_constant(kind):
    assert np.array_equal(evaluate(kind(XS[:1]), jnp.array([-1.0, 0.0, 0.5, 1.0, 7.0])), XS[[0] * 5])


@kinds
def test_samples_may_be_scalars_or_arrays(kind):
    flat, deep = kind(XS[:, 0]), kind(XS[:, :, None])
    assert jax.eval_shape(flat, 2.3).shape == () and jax.eval_shape(deep, 2.3).shape == (2, 1)


@kinds
def test_samples_may_be_lists_and_whole_numbers(kind):
    path = kind([[1], [2], [4]])
    assert path.xs.dtype == jnp.result_type(float)
    assert np.array_equal(path.xs, [[1.0], [2.0], [4.0]])


@smooth
def test_early_readings_do_not_depend_on_late_samples(kind):
    """An index before the start must not count from the end."""
    quiet, loud = np.zeros((60, 1)), np.zeros((60, 1))
    loud[40:] = 1e6
    ts = np.linspace(0.0, 20.0, 64)
    assert np.array_equal(evaluate(kind(loud), ts), evaluate(kind(quiet), ts))


@pytest.mark.parametrize("kind", [ro.Linear, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SMOOTH[1:])])
def test_a_piece_of_a_smooth_input_reads_the_time_it_is_told(kind):
    path = kind(XS, 0.1)
    whole, fraction = np.resize([0, 2, 2, 5], 64), np.resize([0.0, 0.25, 1.0, 1.0], 64)
    exact = 0.1 * (whole + fraction)

    def near(whole, fraction, shift, after):
        t = path.time(whole, fraction)
        return path.piece(whole).moment(t, fraction)(t + shift, after)

    come = jax.jit(jax.vmap(near, in_axes=(0, 0, None, None)))
    for shift, after in ((0.0, 0.0), (0.0, 0.15), (0.02, 0.0), (-0.03, 0.1)):
        came = come(whole, fraction, shift, after)
        np.testing.assert_allclose(came, evaluate(path, exact + shift + after), atol=1e-13)


@pytest.mark.slow
@smooth
@pytest.mark.parametrize("after", [0.3, -0.15, 7.0])
def test_after_reads_later_or_earlier(kind, after):
    path = kind(XS, 0.1)
    ts = np.linspace(-0.2, 0.8, 23)
    np.testing.assert_allclose(evaluate(path, ts, after), evaluate(path, ts + after), atol=1e-13)


@pytest.mark.parametrize(("kind", "step"), [(ro.Linear, 0.2), (ro.BandLimited, 0.2), (ro.BandLimited, 0.04)])
def test_readings_ahead_are_those_at_their_times(kind, step):
    """From before the first stamp to beyond the last one; whole intervals apart, and parts of one."""
    path, after = kind(XS, 0.1), 0.03
    ahead = jax.jit(lambda whole, fraction: path.ahead(whole, fraction, after, step, 5))
    for whole in (-2, 0, 1, 4):
        ts = 0.1 * (whole + 0.4) + after + step * np.arange(5)
        np.testing.assert_allclose(ahead(whole, 0.4), evaluate(path, ts), atol=1e-13)


def test_the_width_of_an_input_is_that_which_a_cell_declares():
    cell, scalar = ro.VanillaCell.random(jax.random.key(0), 2, 3), jnp.tanh
    for path in (ro.Hold(XS), lambda t: jnp.zeros(2), lambda t: jnp.zeros(5), None):
        check_path_width(path, cell, "cell")  # of a function it is not known before it is read
        check_path_width(path, scalar, "cell")
        check_reading(path, scalar, "cell")
    for path in (ro.Hold(XS), ro.Hold(np.ones((4, 5))), lambda t: jnp.zeros(2), None):
        check_reading(path, cell, "cell")  # of samples it was checked before
    with pytest.raises(ValueError, match=r"path must have samples of shape \(2,\) for this cell; they are \(5,\)"):
        check_path_width(ro.Hold(np.ones((4, 5))), cell, "cell")
    with pytest.raises(ValueError, match=r"path\(t\) must return an input of shape \(2,\) for this cell; .* \(5,\)"):
        check_reading(lambda t: jnp.zeros(5), cell, "cell")


@pytest.mark.slow
@kinds
def test_gradients_with_respect_to_the_samples(kind):
    def value(xs):
        return kind(xs)(3.3)

    @jax.jit
    def three_ways(xs):
        differences = jax.vmap(lambda e: value(xs + e) - value(xs))(jnp.eye(6))  # the input is linear in its samples
        return jax.jacfwd(value)(xs), jax.jacrev(value)(xs), differences

    forward, reverse, differences = three_ways(jnp.asarray(XS[:, 0]))
    np.testing.assert_allclose(forward, differences, atol=1e-14)
    np.testing.assert_allclose(reverse, differences, atol=1e-14)
    np.testing.assert_allclose(jnp.sum(forward), 1.0, atol=1e-14)


@pytest.mark.slow
def test_derivatives_with_respect_to_time_at_a_stamp_and_between():
    t = np.array([3.0, 3.25, 50.0, 50.25])
    k = np.arange(1.0, 101.0)

    def slopes(path):
        return jax.jit(jax.vmap(jax.grad(path)))(t)

    np.testing.assert_allclose(slopes(ro.Hold(k**2)), 0)
    np.testing.assert_allclose(slopes(ro.Linear(k**2)), [7, 7, 101, 101])
    np.testing.assert_allclose(slopes(ro.Cubic(k**2)), 2 * t)
    np.testing.assert_allclose(slopes(ro.BandLimited(np.sin(0.6 * k)))[2:], 0.6 * np.cos(0.6 * t[2:]), atol=1e-3)


@pytest.mark.parametrize("kind", [ro.Hold, ro.Cubic])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"xs": np.zeros((0, 2))}, ValueError, r"xs must hold at least one sample, time first.*\(0, 2\)"),
        ({"xs": 1.0}, ValueError, r"xs must hold at least one sample.*got \(\)"),
        ({"xs": [[0.0], [np.nan]]}, ValueError, r"xs must be finite; 1 of 2 entries .* \(1, 0\): nan"),
        ({"xs": [1.0, -np.inf]}, ValueError, r"xs must be finite.*-inf"),
        ({"xs": "sine"}, TypeError, r"xs must be an array of numbers; got str"),
        ({"xs": [1j]}, TypeError, r"xs must hold real floating-point numbers; got dtype complex128"),
        ({"dt": 0.0}, ValueError, r"dt must be positive and finite; got 0\.0"),
        ({"dt": -1.0}, ValueError, r"dt must be positive and finite; got -1\.0"),
        ({"dt": np.inf}, ValueError, r"dt must be positive and finite; got inf"),
        ({"dt": np.nan}, ValueError, r"dt must be positive and finite; got nan"),
        ({"dt": None}, TypeError, r"dt must be a number; got None"),
        ({"dt": "1"}, TypeError, r"dt must be a number; got '1'"),
        ({"dt": [0.1, 0.2]}, TypeError, r"dt must be a number; got \[0\.1, 0\.2\]"),
        ({"t0": np.nan}, ValueError, r"t0 must be finite, the first sample's stamp; got nan"),
        ({"t0": "noon"}, TypeError, r"t0 must be a number; got 'noon'"),
    ],
)
def test_bad_arguments_are_named(kind, arguments, error, message, as_user):
    with pytest.raises(error, match=message):
        kind(**{"xs": XS, **arguments})


def test_the_interval_is_static(as_user):
    with pytest.raises(TypeError, match=r"dt must be a Python number, known when the function is traced"):
        jax.jit(lambda dt: ro.Hold(XS, dt)(0.0))(0.1)


@pytest.mark.parametrize(("t0", "start"), [(None, 0.0), (0.5, 0.0), (2.0, 1.5), (0.25, -0.25), (-1.0, -1.5)])
def test_the_first_step_begins_one_interval_before_the_first_stamp(t0, start):
    path = ro.Hold(np.ones((3, 1)), 0.5, t0)
    assert path.start == start
    np.testing.assert_array_equal(path.times, start + 0.5 * np.arange(4))
