"""Inputs as functions of time: conventions, accuracy, exact time, gradients and what bad input gets."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._paths.base import Constant, read

KINDS = [ro.Hold, ro.Linear, ro.Cubic, ro.BandLimited]
SMOOTH = KINDS[1:]
AUDIO = 1 / 44100
XS = np.random.default_rng(0).normal(size=(6, 2))

kinds = pytest.mark.parametrize("kind", KINDS)
smooth = pytest.mark.parametrize("kind", SMOOTH)


SLOW_BAND_LIMITED = pytest.param(ro.BandLimited, None, marks=pytest.mark.slow)


def evaluate(path, ts, after=0.0):
    """The input at up to 64 times. Not jitted, and padded: dt and t0 are static, and each would be compiled anew."""
    padded = jnp.asarray(np.resize(np.asarray(ts, float), 64))
    return np.asarray(jax.vmap(lambda t: path(t, after))(padded))[: len(ts)]


# conventions


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


@pytest.mark.parametrize(("dt", "t0"), [(1.0, None), (0.1, None), (0.25, -3.5)])
def test_hold_gives_sample_k_from_the_start_of_step_k_until_its_end(dt, t0):
    path = ro.Hold(XS, dt, t0)
    starts = path.start + dt * np.arange(6)
    for inside in (0.0, 0.3, 0.999):
        assert np.array_equal(evaluate(path, jnp.asarray(starts + inside * dt)), XS)


@kinds
def test_end_values_hold_outside(kind):
    path = kind(XS, 0.5)
    far = jnp.array([-1e6, -0.5, 0.0, 0.25, 3.0, 3.1, 40.0, 1e6])
    np.testing.assert_array_equal(evaluate(path, far), XS[[0] * 4 + [5] * 4])


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
def test_the_first_samples_know_nothing_of_the_last(kind):
    """An index before the start must not count from the end."""
    quiet, loud = np.zeros((60, 1)), np.zeros((60, 1))
    loud[40:] = 1e6
    ts = np.linspace(0.0, 20.0, 64)
    assert np.array_equal(evaluate(kind(loud), ts), evaluate(kind(quiet), ts))


def test_a_piece_of_a_held_input_is_closed():
    piece = ro.Hold(XS).piece(jnp.array(2))
    for t in (0.0, 2.0, 2.5, 3.0, 3.5):
        assert np.array_equal(piece(t), XS[2])
        assert np.array_equal(piece.moment(t, 1.0)(t, 5.0), XS[2])


@smooth
def test_a_piece_of_a_smooth_input_reads_the_time_it_is_told(kind):
    path = kind(XS, 0.1)
    whole, fraction = np.resize([0, 2, 2, 5], 64), np.resize([0.0, 0.25, 1.0, 1.0], 64)
    exact = 0.1 * (whole + fraction)

    def near(whole, fraction, shift, after):
        t = path.time(whole, fraction)
        return path.piece(whole).moment(t, fraction)(t + shift, after)

    for shift, after in ((0.0, 0.0), (0.0, 0.15), (0.02, 0.0), (-0.03, 0.1)):
        came = jax.vmap(lambda w, f, s=shift, a=after: near(w, f, s, a))(whole, fraction)
        np.testing.assert_allclose(came, evaluate(path, exact + shift + after), atol=1e-13)


@smooth
@pytest.mark.parametrize("after", [0.3, -0.15, 7.0])
def test_after_reads_later_or_earlier(kind, after):
    path = kind(XS, 0.1)
    ts = np.linspace(-0.2, 0.8, 23)
    np.testing.assert_allclose(evaluate(path, ts, after), evaluate(path, ts + after), atol=1e-13)


def test_after_is_ignored_by_a_held_input_and_added_for_any_other_function():
    assert np.array_equal(ro.Hold(XS)(1.5, 3.0), XS[1])
    assert np.array_equal(Constant(jnp.ones(2))(0.0, 3.0), np.ones(2))
    assert read(lambda t: 2 * t, 1.0, 0.5) == 3.0
    assert read(lambda t: np.ones(2), 1.0).shape == (2,)


# accuracy


@pytest.mark.slow
def test_linear_is_exact_on_lines():
    path = ro.Linear(3 - 2 * 0.1 * np.arange(1, 7), 0.1)
    ts = np.linspace(0.1, 0.6, 41)
    np.testing.assert_allclose(evaluate(path, ts), 3 - 2 * ts, atol=1e-14)


@pytest.mark.parametrize("total", [4, 9, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3, 5))])
def test_cubic_is_exact_on_polynomials_its_samples_determine(total):
    polynomial = np.polynomial.Polynomial([1.0, -2.0, 0.7, 0.3][:total])
    path = ro.Cubic(polynomial(0.1 * np.arange(1, total + 1)), 0.1)
    ts = np.linspace(0.1, 0.1 * total, 41)
    np.testing.assert_allclose(evaluate(path, ts), polynomial(np.asarray(ts)), atol=1e-13)


@pytest.mark.slow
def test_cubic_is_of_fourth_order_up_to_the_ends_and_linear_of_second():
    def error(kind, total):
        dt = 2.0 / total
        path = kind(np.sin(1 + 3 * dt * np.arange(1, total + 1)), dt)
        middles = dt * np.concatenate([np.arange(1, 32), total / 2 + np.arange(31)]) + dt / 2
        return np.max(np.abs(evaluate(path, middles) - np.sin(1 + 3 * middles)))

    for kind, order in ((ro.Linear, 2), (ro.Cubic, 4)):
        assert np.log2(error(kind, 800) / error(kind, 1600)) == pytest.approx(order, abs=0.1)


def test_cubic_has_one_continuous_derivative():
    path = ro.Cubic(XS)
    stamps = np.array([2.0, 3.0, 4.0, 5.0])
    slopes = jax.jit(jax.vmap(jax.jacfwd(path)))(np.concatenate([stamps - 1e-9, stamps]))
    np.testing.assert_allclose(slopes[:4], slopes[4:], atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("half_width", [16, *(pytest.param(n, marks=pytest.mark.slow) for n in (8, 32))])
def test_band_limited_errs_by_less_than_79_decibels_in_its_band(half_width):
    edge = np.pi * (1 - 2.8 / half_width)  # radians per sample
    ts = np.linspace(100.0, 110.0, 64)  # a hundred samples from the ends
    for share in (0.1, 0.5, 0.9, 1.0):
        omega = share * edge
        path = ro.BandLimited(np.sin(omega * np.arange(1, 211)), half_width=half_width)
        assert np.max(np.abs(evaluate(path, ts) - np.sin(omega * ts))) < 10 ** (-79 / 20)
    beyond = ro.BandLimited(np.sin(0.97 * np.pi * np.arange(1, 211)), half_width=half_width)
    assert np.max(np.abs(evaluate(beyond, ts) - np.sin(0.97 * np.pi * ts))) > 1e-2


# time is exact


@pytest.mark.parametrize(("kind", "t0"), [(ro.Hold, None), (ro.Hold, 0.5), (ro.Linear, None), SLOW_BAND_LIMITED])
def test_float32_time_picks_the_right_one_of_200_000_samples(kind, t0, float32):
    total = 200_000
    k = np.arange(total)
    path = kind(np.arange(total, dtype=np.float32), AUDIO, t0)
    start = path.start
    dt = np.float32(AUDIO)
    times = {
        "product of floats": np.float32(start) + k.astype(np.float32) * dt,
        "rounded product": (start + k * AUDIO).astype(np.float32),
        "the path's own": np.asarray(path.time(jnp.asarray(k), 0.0)),
    }
    at = jax.jit(lambda ts: jax.lax.map(lambda t: (path(t), *path.split(t)), ts, batch_size=10_000))
    for name, ts in times.items():
        assert ts.dtype == np.float32
        samples, whole, fraction = at(ts)
        assert np.array_equal(whole, k), name
        np.testing.assert_allclose(fraction, 0, atol=0.05, err_msg=name)  # exactly 0 but where a compiler fuses
        wanted = k if kind is ro.Hold else np.maximum(k - 1, 0)
        np.testing.assert_allclose(samples, wanted, atol=0 if kind is ro.Hold else 0.05, err_msg=name)
    middle = at((start + (k + 0.5) * AUDIO).astype(np.float32))[0]
    if kind is ro.Hold:
        assert np.array_equal(middle, k)
    else:
        inner = slice(100, -100)  # a ramp has corners at its ends, which ring in BandLimited
        np.testing.assert_allclose(middle[inner], k[inner] - 0.5, atol=0.05)  # a rounding of 5 s is 0.02 samples


def test_a_sum_of_steps_is_not_a_time():
    """What `split` forgives is two roundings; a clock that adds up dt drifts by more, and reads where it says."""
    drift = np.cumsum(np.full(200_000, AUDIO, np.float32))[-1] / AUDIO - 200_000
    assert abs(drift) > 1


@pytest.mark.slow
def test_float32_integration_reads_every_one_of_200_000_samples(float32):
    xs = np.random.default_rng(0).integers(0, 61, 200_000)  # their sum is below 2^24: each increment is exact
    path = ro.Hold(xs.astype(np.float32)[:, None], AUDIO)
    run = ro.integrate(lambda t, h, path: path(t) / AUDIO, path, jnp.zeros(1), solver=diffrax.Euler())
    assert run.states.dtype == jnp.float32
    assert np.array_equal(np.round(np.diff(np.asarray(run.states[:, 0], np.float64))), xs)
    np.testing.assert_allclose(run.ts, AUDIO * np.arange(200_001), rtol=3e-7)


# derivatives


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


# bad input


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


@pytest.mark.parametrize(
    ("half_width", "error", "message"),
    [
        (0, ValueError, "half_width must be at least 1; got 0"),
        (1.5, TypeError, r"half_width must be a whole number, .* got 1\.5"),
        (True, TypeError, "half_width must be a whole number"),
    ],
)
def test_half_width_is_a_whole_number(half_width, error, message, as_user):
    with pytest.raises(error, match=message):
        ro.BandLimited(XS, half_width=half_width)


def test_the_interval_is_static(as_user):
    with pytest.raises(TypeError, match=r"dt must be a Python number, known when the function is traced"):
        jax.jit(lambda dt: ro.Hold(XS, dt)(0.0))(0.1)


@pytest.mark.slow
def test_a_float32_time_finds_its_sample_in_a_float64_session():
    """A stamp rounded to float32 is that sample, though float64 can tell the two apart."""
    path, k = ro.Hold(np.arange(1000.0)[:, None], 1 / 44100), np.arange(1000)
    found = jax.vmap(path)(jnp.asarray(k / 44100, jnp.float32))[:, 0]
    np.testing.assert_array_equal(found, k)
