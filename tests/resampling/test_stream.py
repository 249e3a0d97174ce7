"""A network at another rate in blocks: against one call of `evolve`, closed forms, and rational arithmetic."""

from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode._resampling.stream import as_rate

LSTM = drawn(eqx.nn.LSTMCell, 1, 3)
GRU = drawn(eqx.nn.GRUCell, 1, 3, seed=1)
TANH = ro.VanillaCell(np.diag([0.6, -0.3]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
XS = np.random.default_rng(0).standard_normal((211, 1))


def state(x, h):
    return h


def everything(x, h):
    """The state and the input, in one row."""
    return jnp.concatenate([*jax.tree.leaves(h), x])


def streamed(stream, xs, *cuts):
    return np.concatenate([*(stream.push(part) for part in np.split(xs, cuts)), stream.flush()])


def evolved(cell, xs, rate_in, rate_out, trained, **scheme):
    """One call of `evolve` with the same meaning, in steps of the network."""
    step, gap = float(trained / rate_in), float(trained / rate_out)
    path = ro.BandLimited(xs, dt=step)
    ts = step + gap * np.arange(-1, -(-len(xs) * rate_out // rate_in))
    rows = jax.tree.map(lambda leaf: leaf[1:], ro.evolve(cell, path, ts, **scheme).states)
    return np.asarray(jax.vmap(everything)(jax.vmap(path)(ts[1:]), rows))


CASES = {
    "a small change of rate": (TANH, 44_100, 48_000, 44_100, {}),
    "two whole steps and a third": (GRU, 8, 3, 10, {"ahead": 2, "behind": 3, "band": 0.1}),
    "nothing behind, a pair for a state": (LSTM, Fraction(1, 10), Fraction(3, 10), Fraction(1, 10), {"behind": 0}),
    "three results, one more than there are states behind": (TANH, 1, Fraction(1, 100), 1, {"behind": 2}),
}


@pytest.mark.gate
@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.slow] * (c[0] != "a")) for c in CASES])
def test_blocks_are_one_call_of_evolve(case):
    cell, *rates, scheme = CASES[case]
    rates = [Fraction(rate) for rate in rates]
    want = evolved(cell, XS, *rates, **scheme)
    for block, cuts in ((None, ()), (7, (1, 2, 150))):
        rows = streamed(ro.Stream(cell, everything, *rates, **scheme, block=block), XS, *cuts)
        assert rows.shape == want.shape
        np.testing.assert_allclose(rows, want, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_at_its_own_rate_it_is_the_network():
    rows = streamed(ro.Stream(TANH, state, 1, 1, 1, block=50), XS)
    assert np.array_equal(rows, ro.iterate(TANH, XS).states[1:])


@pytest.mark.slow
def test_a_stream_starts_from_the_given_state():
    """h' = ½ h + x from 4 on: 2, 1, ½, and so on under silence. A list of numbers in another type is a state too."""
    cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], None)
    stream = ro.Stream(cell, state, 1, 1, 1, ahead=1, behind=1, block=4, h0=[4])
    np.testing.assert_allclose(streamed(stream, np.zeros((6, 1)))[:, 0], 4 * 0.5 ** np.arange(1, 7), rtol=1e-12)
    with pytest.raises(ValueError, match=r"h0 must have shape \(1,\) for this VanillaCell; got \(2,\)"):
        ro.Stream(cell, state, 1, 1, 1, h0=[4, 4])


@pytest.mark.slow
def test_an_affine_network_under_a_wave_is_its_transfer_function():
    """h(t) = a h(t − 1) + x(t), x = cos ωt: h → Re e^{iωt} / (1 − a e^{−iω}), the input itself at another rate again."""
    a, omega = 0.7, 0.2
    cell = ro.VanillaCell([[a]], [[1.0]], [0.0], activation=None)
    t = np.arange(600) / 1.5  # steps of the network since the first sample
    rows = streamed(ro.Stream(cell, state, 1.5, 1.2, 1.0, ahead=4, behind=4), np.cos(omega * t)[:, None])
    at = np.arange(len(rows)) / 1.2
    want = np.real(np.exp(1j * omega * at) / (1 - a * np.exp(-1j * omega)))
    inner = slice(60, -40)
    assert abs(rows[inner, 0] - want[inner]).max() < 2e-4  # −79 dB is the input's


def test_hours_are_as_exact_as_seconds():
    stream = ro.Stream(TANH, state, 44_100, 48_000, 96_000, behind=0, block=5)
    stream._done = 10**12 + 7
    whole, fraction = stream._places()
    for n, row in enumerate(zip(whole, fraction, strict=True)):
        before = (stream._done - 1 + n) * Fraction(44_100, 48_000)
        places = [*(before + j * Fraction(44_100, 96_000) for j in (1, 2, 3)), before + Fraction(44_100, 48_000)]
        assert [int(k) for k in row[0]] == [place // 1 for place in places]
        np.testing.assert_allclose(row[1], [float(place % 1) for place in places], rtol=1e-15)


@pytest.mark.slow
def test_samples_that_are_done_with_are_forgotten():
    stream = ro.Stream(TANH, state, 3, 2, 3, block=16)
    for _ in range(40):
        stream.push(XS)
        assert len(stream._samples) < 100
    assert stream.flush().shape[0] < 100


def test_rates_are_the_decimals_that_they_print_as():
    assert as_rate("rate", 0.1) == Fraction(1, 10) and as_rate("rate", 48e3) == 48_000
    assert as_rate("rate", Fraction(1, 3)) == Fraction(1, 3)


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ((0, 1, 1), "rate_in must be a positive rate; got 0"),
        ((1, -2.0, 1), "rate_out must be positive and finite; got -2.0"),
        ((1, 1, np.nan), "trained must be positive and finite; got nan"),
        ((1, np.pi, np.e), "must have a larger common measure"),
    ],
)
def test_bad_rates(rates, words, as_user):
    with pytest.raises(ValueError, match=words):
        ro.Stream(TANH, state, *rates)


def test_bad_samples(as_user):
    stream = ro.Stream(TANH, state, 1, 2, 1)
    with pytest.raises(ValueError, match="at least one sample"):
        stream.flush()
    with pytest.raises(ValueError, match=r"xs must have shape \(T, 1\) for this cell; got \(3, 2\)"):
        stream.push(np.zeros((3, 2)))
    stream.push(np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"sample 5 is \[nan\]"):
        stream.push(np.array([[0.0], [np.nan]]))


def test_flush_ends_the_series(as_user):
    stream = ro.Stream(TANH, state, 1, 2, 1)
    rows = [stream.push(XS), stream.flush()]
    assert len(np.concatenate(rows)) == 2 * len(XS) and len(stream.flush()) == 0
    with pytest.raises(ValueError, match="the series ended with flush, after 211 samples"):
        stream.push(XS)


@pytest.mark.slow
def test_models_and_samples_that_do_not_serve_are_named(as_user, float32):
    class Bare(eqx.Module):
        def initial_state(self):
            return jnp.zeros(2)

        def __call__(self, x, h):
            return jnp.tanh(h + x)

    with pytest.raises(TypeError, match="cell must tell its input_size, a whole number; the Bare has None"):
        ro.Stream(Bare(), state, 1, 2, 1)
    with pytest.raises(TypeError, match=r"output\(x, h\) must return one array; it returns .*\*, \*"):
        ro.Stream(drawn(eqx.nn.LSTMCell, 1, 3), state, 1, 2, 1)
    stream = ro.Stream(drawn(eqx.nn.GRUCell, 1, 3), state, 1, 2, 1)
    with pytest.raises(ValueError, match="xs must be real numbers; got entries of type complex128"):
        stream.push(np.ones((3, 1), complex))
    with pytest.raises(ValueError, match=r"xs must be finite in float32; sample 1 is \[1e\+300\]"):
        stream.push(np.array([[0.0], [1e300]]))


@pytest.mark.slow
def test_an_unstable_scheme_of_a_stream_raises():
    cell = ro.VanillaCell([[-0.9]], [[1.0]], [0.0], activation=None)
    assert (1, 4) not in ro.root_condition(cell, np.zeros(1), 0.5).stable
    with pytest.raises(ValueError, match="is not finite"):
        streamed(ro.Stream(cell, state, 1, 2, 1, ahead=1, behind=4), np.ones((4000, 1)))
