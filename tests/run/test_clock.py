"""The times of a run: large ones, and traced ones that do not increase."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import DT, XS, summed

import rnn_ode as ro
from rnn_ode._run.clock import Clock


@pytest.mark.gate
def test_large_host_times_keep_their_differences_in_float32(float32):
    ts = 1.6e9 + np.array([0.0, 0.1, 0.3])
    run = ro.integrate(summed(a=-1.0), None, np.ones(2, np.float32), ts=ts)
    np.testing.assert_allclose(run.states[:, 0], np.exp([0, -0.1, -0.3]), rtol=1e-5)  # the default rtol
    ts = 1e6 + 0.1 * np.arange(101)
    run = ro.integrate(summed(a=-1.0), None, np.ones(2, np.float32), ts=ts)
    np.testing.assert_allclose(run.states[-1], np.exp(-10), rtol=1e-4)


BAD_TIMES = [
    ([1.0, 0.5, 0.0], 1),
    ([0.0, 1.0, 1.0], 2),
    ([0.0, np.nan, 1.0], 1),
    ([np.nan, 0.0, 1.0], 0),
    ([0.0, 1.0, np.inf], 2),
    ([0.0, 2.5, 2.25], 2),
]


@pytest.mark.slow
@pytest.mark.parametrize("path", [None, ro.Hold(XS, DT)], ids=["no samples", "samples"])
def test_traced_times_that_do_not_increase_are_told(path):
    field = summed(a=-1.0)
    run = jax.jit(jax.vmap(lambda ts: ro.integrate(field, path, jnp.ones(2), ts=ts, throw=False)))
    rows = np.array([ts for ts, _ in BAD_TIMES] + [[0.0, 0.5, 2.0]])
    got = run(rows)
    bad = np.asarray(got.result == ro.RESULTS.times_not_increasing)
    assert bad.tolist() == [True] * len(BAD_TIMES) + [False]
    assert bool(jax.tree.map(lambda leaf: leaf[-1], got.result) == ro.RESULTS.successful)
    for states, ts, kept in zip(got.states, rows, [k for _, k in BAD_TIMES] + [3], strict=True):
        np.testing.assert_allclose(states[:kept, 0], np.exp(-(ts - ts[0]))[:kept], rtol=1e-9)
        assert np.all(np.isinf(states[kept:]))
    with pytest.raises(Exception, match="do not increase strictly"):
        jax.jit(lambda ts: ro.integrate(field, path, jnp.ones(2), ts=ts).states)(rows[0]).block_until_ready()
    with pytest.raises(ValueError, match=r"ts must increase strictly; ts\[0\] = 1\.0"):  # h0 alone is traced
        jax.jit(lambda h0: ro.integrate(field, path, h0, ts=rows[0]).states)(jnp.ones(2))


# the places and gaps of known times, on the host, by hand


def test_known_times_are_split_into_samples_and_fractions():
    clock = Clock.of(ro.Linear(np.zeros((6, 1)), 0.5), np.array([0.0, 0.75, 1.5, 2.625]), 0.25)
    assert clock.known and not clock.uniform and clock.increasing is None and clock.dt == 0.25
    np.testing.assert_array_equal(clock.ts, [0.0, 0.75, 1.5, 2.625])
    np.testing.assert_array_equal(clock.whole, [0, 1, 3, 5])
    np.testing.assert_allclose(clock.fraction, [0, 0.5, 0, 0.25], atol=1e-15)
    np.testing.assert_array_equal(clock.gaps, [3.0, 3.0, 4.5])
    assert clock.mean_gap == 3.5
    later = Clock.of(ro.Linear(np.zeros((6, 1)), 0.5), np.array([0.75, 1.5]), 0.25, lead=0.5)  # places of 0.25 and 1
    np.testing.assert_array_equal(later.whole, [0, 2])
    np.testing.assert_allclose(later.fraction, [0.5, 0], atol=1e-15)
    for alone in (Clock.of(None, [0.3, 1.3], 1.0), Clock.of(jnp.cos, [0.3, 1.3], 1.0)):
        assert alone.whole.tolist() == [0, 0] and alone.fraction.tolist() == [0, 0]


def test_gaps_that_are_equal_to_rounding_are_equal():
    ts = 1.6e9 + 0.1 * np.arange(50)  # each of these floats is wrong by up to 1.2e-7
    clock = Clock.of(None, ts, 0.1)
    assert clock.uniform and len(set(clock.gaps.tolist())) == 1
    assert clock.mean_gap == 1
    np.testing.assert_allclose(Clock.of(None, ts, 0.25).mean_gap, (ts[-1] - ts[0]) / 49 / 0.25, rtol=1e-14)
    # one time that is off by four roundings of its own type is not the grid's
    off = ts.copy()
    off[20] += 4 * np.spacing(ts[20])
    assert not Clock.of(None, off, 0.1).uniform
    single = np.asarray(0.1 * np.arange(50), np.float32)  # split in float64, compared by the rounding of float32
    assert Clock.of(None, single, 0.1).uniform
    assert not Clock.of(None, single.astype(float), 0.1).uniform
    assert not Clock.of(None, [2.0], 0.1).uniform and Clock.of(None, [2.0, 2.5], 0.5).uniform
    assert Clock.of(None, [1, 2, 3], 1.0).uniform  # whole numbers have the rounding of JAX's floats


def test_a_gap_of_whole_steps_to_rounding_is_whole():
    ts = np.array([0.1, 0.4, 1.0, 1.05])
    gaps = Clock.of(None, ts, 0.1).gaps
    assert gaps[:2].tolist() == [3.0, 6.0] and abs(gaps[2] - 0.5) < 1e-12
    np.testing.assert_array_equal(Clock.of(None, np.array([0.0, 1e-9, 1.0]), 1.0).gaps, [1e-9, 1 - 1e-9])
    tiny = Clock.of(None, np.array([1e6, np.nextafter(1e6, 2e6), 1e6 + 3]), 1.0)
    assert tiny.gaps[0] > 0  # a gap of one rounding is not a gap of no step


_traced = jax.jit(lambda ts: (Clock.of(None, ts, 0.25), Clock.of(ro.Hold(np.zeros((2, 1)), 0.5), ts, 0.25)))


@pytest.mark.parametrize(
    ("ts", "wanted", "kept"),
    [
        ([0.5, 1.0, 0.75, 3.0], [0.5, 1.0, 1.25, 1.5], 2),
        ([np.nan, 1.0, 2.0, 3.0], [0.25, 0.5, 0.75, 1.0], 0),
        ([1.0, 1.0, 2.0, 3.0], [1.0, 1.25, 1.5, 1.75], 1),
        ([1.0, 0.5, 2.0, 3.0], [1.0, 1.25, 1.5, 1.75], 1),
        ([1.0, np.nan, 2.0, 3.0], [1.0, 1.25, 1.5, 1.75], 1),
        ([0.0, 1.0, 2.0, np.inf], [0.0, 1.0, 2.0, 2.25], 3),
        ([0.0, 1.0, 2.0, 4.0], [0.0, 1.0, 2.0, 4.0], 4),
    ],
)
def test_traced_times_that_do_not_increase_are_continued_by_steps(ts, wanted, kept):
    for clock in (clocks := _traced(jnp.array(ts))):
        assert not clock.known and not clock.uniform and clock.increasing.tolist() == [k < kept for k in range(4)]
        np.testing.assert_allclose(clock.gaps, np.diff(wanted) / 0.25)
    alone, sampled = clocks
    assert alone.whole.tolist() == alone.fraction.tolist() == [0] * 4
    np.testing.assert_allclose((sampled.whole + sampled.fraction) * 0.5, wanted)


def test_the_inputs_of_a_clock_are_those_at_its_times():
    """Of 2 t, as a path of samples and as a function."""
    path, line = ro.Linear(np.arange(1.0, 9.0)[:, None], 0.5), lambda t: 2 * jnp.asarray(t)[None]

    def asked(kind):
        clock = Clock.of(kind, [0.75, 1.0, 2.0], 0.25)
        return clock.read(kind, 0, 0.0), clock.read_ahead(kind, 1, 0.25, 3), clock.mean_input(kind)

    found = jax.jit(lambda: [asked(path), asked(line)])()
    for (now, ahead, mean), wanted in zip(found, (4.5, 2.5), strict=True):  # the mean of the samples, and at the times
        np.testing.assert_allclose(now, [1.5])
        np.testing.assert_allclose(ahead, [[2.5], [3.0], [3.5]])
        np.testing.assert_allclose(mean, [wanted])
