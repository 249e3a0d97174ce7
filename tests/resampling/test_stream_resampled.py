"""A stream of a network at its own rate: against one call of `resampled`, whatever the blocks, and its latency."""

from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode._paths.half_band import delay_of, half_band

DELAY = delay_of(half_band())
GRU = drawn(eqx.nn.GRUCell, 1, 3, seed=1)
TANH = ro.VanillaCell(np.diag([0.6, -0.3]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
XS = np.random.default_rng(0).standard_normal((211, 1))


def state(x, h):
    return h


def streamed(stream, xs, *cuts):
    return np.concatenate([*(stream.push(part) for part in np.split(xs, cuts)), stream.flush()])


def resampled(cell, xs, rate_in, rate_out, trained, half_width, reads, h0=None, beta=None, input_beta=None):
    """One call of `resampled` with the same meaning, in steps of the network: h0 at 0, the first sample at 1."""
    gap = float(trained / rate_out)
    ts = np.append(0.0, 1 + gap * np.arange(-(-len(xs) * rate_out // rate_in)))
    given = min(2.5 * reads - 0.5, 8.6) if input_beta is None else input_beta
    path = ro.BandLimited(xs, float(trained / rate_in), t0=1.0, half_width=reads, beta=given)
    return np.asarray(ro.resampled(cell, path, ts, h0, half_width=half_width, beta=beta).states)[1:]


CASES = {
    "a small change of rate": (TANH, (44_100, 48_000, 44_100), 8, 8),
    "three rates and narrow windows": (GRU, (8, 3, 10), 2, 3),
    "a wide window": (TANH, (Fraction(1, 10), Fraction(3, 10), Fraction(1, 10)), 40, 1),
}


@pytest.mark.gate
@pytest.mark.parametrize("case", CASES)
def test_blocks_are_one_call_of_resampled(case):
    cell, rates, half_width, reads = CASES[case]
    rates, h0 = [Fraction(rate) for rate in rates], np.full(TANH.b.shape if cell is TANH else 3, 0.3)
    want = resampled(cell, XS, *rates, half_width, reads, h0)
    for block, cuts in ((None, ()), (1, range(1, 211)), (17, range(17, 211, 17)), (7, (1, 2, 150))):
        given = {"half_width": half_width, "input_half_width": reads, "h0": h0}
        rows = streamed(ro.Stream(cell, state, *rates, block=block, **given), XS, *cuts)
        assert rows.shape == want.shape
        np.testing.assert_allclose(rows, want, rtol=0, atol=1e-13)


@pytest.mark.slow
def test_the_windows_of_a_stream_have_the_shapes_that_are_given():
    rates, widths = [Fraction(rate) for rate in (44_100, 48_000, 40_000)], (8, 8)
    want = resampled(TANH, XS, *rates, *widths, beta=3.0, input_beta=5.0)
    given = {"half_width": 8, "input_half_width": 8, "beta": 3.0, "input_beta": 5.0}
    np.testing.assert_allclose(streamed(ro.Stream(TANH, state, *rates, **given), XS), want, rtol=0, atol=1e-12)
    assert abs(want - resampled(TANH, XS, *rates, *widths)).max() > 1e-3


HALF_BAND = {
    "a small change of rate": (TANH, (44_100, 48_000, 44_100), 4, 4),
    "three rates": (GRU, (8, 3, 10), 2, 5),
}


@pytest.mark.gate
@pytest.mark.parametrize("case", ["a small change of rate", "three rates"])
def test_blocks_through_half_band_filters_are_one_call_of_resampled(case):
    cell, rates, half_width, reads = HALF_BAND[case]
    (rate_in, rate_out, trained), h0 = (
        [Fraction(rate) for rate in rates],
        np.full(TANH.b.shape if cell is TANH else 3, 0.3),
    )
    ts = np.append(0.0, 1 + float(trained / rate_out) * np.arange(-(-len(XS) * rate_out // rate_in)))
    path = ro.HalfBand(XS, float(trained / rate_in), t0=1.0, half_width=reads)
    want = ro.resampled(cell, path, ts, h0, half_width=half_width, half_band=True).states[1:]
    given = {"half_width": half_width, "input_half_width": reads, "half_band": True, "h0": h0}
    for block, cuts in ((None, ()), (1, range(1, 211)), (17, range(17, 211, 17)), (7, (1, 2, 150))):
        rows = streamed(ro.Stream(cell, state, *rates, block=block, **given), XS, *cuts)
        np.testing.assert_allclose(rows, want, rtol=0, atol=1e-12)


@pytest.mark.gate
def test_evolve_in_a_stream_reads_its_input_by_the_window_that_is_given():
    ts = 1 + 44.1 / 48 * np.arange(-1, -(-len(XS) * 160 // 147))
    path = ro.BandLimited(XS, half_width=3, beta=7.0)
    want = ro.evolve(TANH, path, ts).states[1:]
    rows = streamed(ro.Stream(TANH, state, 44_100, 48_000, 44_100, input_half_width=3, block=50), XS, 100)
    np.testing.assert_allclose(rows, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "latency"),
    [
        ({"half_width": 8, "input_half_width": 8}, 8 + 8 * 44.1 / 48),
        ({"ahead": 3}, 3 - 44.1 / 48 + 16 * 44.1 / 48),
        ({"half_band": True}, (4 + DELAY) / 2 * (1 + 44.1 / 48)),
        pytest.param({"half_width": 2, "input_half_width": 4}, 2 + 4 * 44.1 / 48, marks=pytest.mark.slow),
    ],
)
def test_the_latency_is_that_of_the_newest_sample_that_a_result_needs(given, latency):
    """A sample at a time: no result comes later than the stream says, and the latest no more than a step and a sample
    earlier."""
    step = 44.1 / 48  # a network of 44.1 kHz between files of 48 kHz; a result has the stamp of a sample
    stream = ro.Stream(TANH, state, 48_000, 48_000, 44_100, block=1, **given)
    assert stream.latency == pytest.approx(latency)
    counts = [len(stream.push(XS[k : k + 1])) for k in range(80)]
    came_with = np.repeat(np.arange(80), counts)
    waits = (step * (came_with - np.arange(len(came_with))))[10:]  # the first results are read off a longer orbit
    assert len(waits) > 40 and latency - 1 - step < waits.max() <= latency + 1e-9


@pytest.mark.slow
def test_at_its_own_rate_it_is_the_network():
    rows = streamed(ro.Stream(TANH, state, 1, 1, 1, half_width=8, block=50), XS)
    np.testing.assert_allclose(rows, ro.iterate(TANH, XS).states[1:], rtol=1e-13, atol=1e-15)


@pytest.mark.slow
def test_samples_and_rows_that_are_done_with_are_forgotten(float32):
    stream = ro.Stream(jax.tree.map(lambda leaf: leaf.astype(np.float32), TANH), state, 3, 2, 3, half_width=4, block=16)
    for _ in range(40):
        rows = stream.push(XS)
        assert len(stream._samples) < 100 and len(stream._other._outputs._rows) < 40
    assert rows.dtype == np.float32
    assert stream.flush().shape[0] < 100


def test_a_short_series_has_its_results_too():
    """Shorter than the latency: everything comes with the end."""
    stream = ro.Stream(TANH, state, 1, 2, 1, half_width=8)
    assert len(stream.push(XS[:3])) == 0 and len(stream.flush()) == 6 and len(stream.flush()) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"half_width": 0}, "^half_width must be at least 1; got 0"),
        ({"input_half_width": 0}, "input_half_width must be at least 1; got 0"),
        ({"half_width": 100_000}, "^half_width must be at most 512; got 100000"),
        ({"input_half_width": 513}, "^input_half_width must be at most 512; got 513"),
        ({"half_width": 8, "ahead": 9}, "half_width and ahead were given; ahead, behind and band belong to evolve"),
        ({"half_width": 8, "behind": 0, "band": 0.2}, "half_width and behind, band were given"),
        ({"beta": 4.0}, "beta was given without half_width"),
        ({"half_band": True, "input_beta": 4.0}, "input_beta was given with half_band"),
        ({"half_band": True, "predict": [1.0]}, "half_band and predict were given; half_band runs resampled"),
    ],
)
def test_widths_that_do_not_serve_and_options_without_effect_are_refused(given, words, as_user):
    with pytest.raises(ValueError, match=words):
        ro.Stream(TANH, state, 1, 2, 1, **given)


@pytest.mark.slow
def test_a_network_that_leaves_the_float_range_is_named():
    cell = ro.VanillaCell([[4.0]], [[1.0]], [0.0], activation=None)
    with pytest.raises(ValueError, match="is not finite"):
        streamed(ro.Stream(cell, state, 1, 2, 1, half_width=4), np.ones((4000, 1)))
