"""A stream of a fitted feedback: against one call of `fitted_feedback`, whatever the blocks, and its latency."""

from fractions import Fraction

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro

GRU = drawn(eqx.nn.GRUCell, 1, 3, seed=1)
TANH = ro.VanillaCell(np.diag([0.6, -0.3]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
XS = np.random.default_rng(0).standard_normal((211, 1))
ONCE = {"predict": (1.2, -0.3, 0.1)}
TWICE = {"predict": (1.2, -0.2), "correct": (0.1, 0.8, 0.2, -0.1)}


def state(x, h):
    return h


def streamed(stream, xs, *cuts):
    return np.concatenate([*(stream.push(part) for part in np.split(xs, cuts)), stream.flush()])


def one_call(cell, xs, rate_in, rate_out, trained, h0=None, **weights):
    """`fitted_feedback` with the same meaning, in steps of the network: h0 one result before the first sample, at 1."""
    gap = float(trained / rate_out)
    ts = 1 + gap * np.arange(-1, -(-len(xs) * rate_out // rate_in))
    path = ro.BandLimited(xs, float(trained / rate_in), t0=1.0, half_width=8)
    return np.asarray(ro.fitted_feedback(cell, path, ts, h0, **weights).states)[1:]


CASES = {
    "a sample for each result": (TANH, (48_000, 48_000, 44_100), TWICE),
    "three rates": (GRU, (8, 9, 10), TWICE),
    "applied once": (TANH, (44_100, 48_000, 44_100), ONCE),
    "every second sample": (TANH, (96_000, 48_000, 44_100), ONCE),
}


@pytest.mark.gate
@pytest.mark.parametrize("case", CASES)
def test_blocks_are_one_call_of_fitted_feedback(case):
    cell, rates, weights = CASES[case]
    rates, h0 = [Fraction(rate) for rate in rates], np.full(TANH.b.shape if cell is TANH else 3, 0.3)
    want = one_call(cell, XS, *rates, h0, **weights)
    for block, cuts in ((None, ()), (1, range(1, 211)), (7, (1, 2, 150))):
        rows = streamed(ro.Stream(cell, state, *rates, **weights, input_half_width=8, block=block, h0=h0), XS, *cuts)
        assert rows.shape == want.shape
        np.testing.assert_allclose(rows, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rate_in", "latency"), [(48_000, 0), (44_100, 8)])
def test_a_result_waits_for_no_sample_after_it_unless_it_lies_between_samples(rate_in, latency):
    stream = ro.Stream(TANH, state, rate_in, 48_000, 44_100, **TWICE, input_half_width=8, block=1)
    assert stream.latency == pytest.approx(latency)
    counts = [len(stream.push(XS[k : k + 1])) for k in range(60)]
    if latency == 0:
        assert counts == [1] * 60
    waits = 44_100 * (np.repeat(np.arange(60), counts) / rate_in - np.arange(sum(counts)) / 48_000)
    assert latency - 1 < waits.max() <= latency + 1e-9


def test_samples_that_are_done_with_are_forgotten():
    stream = ro.Stream(TANH, state, 48_000, 48_000, 44_100, **ONCE, block=16)
    for _ in range(5):
        assert len(stream.push(XS)) and len(stream._samples) < 40


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"predict": [0.5, 0.4]}, "predict must hold finite weights whose sum is 1"),
        ({"correct": [1.0]}, "correct was given without predict"),
        ({**ONCE, "half_width": 8}, "half_width and predict were given"),
        ({**ONCE, "ahead": 2}, "predict and ahead were given; ahead, behind and band belong to evolve"),
        ({**ONCE, "beta": 2.0}, "beta was given without half_width"),
    ],
)
def test_weights_that_do_not_serve_and_options_without_effect_are_refused(given, words, as_user):
    with pytest.raises(ValueError, match=words):
        ro.Stream(TANH, state, 1, 1, 1, **given)
