"""A network at another rate: whole steps are the network, blocks do not matter, and nothing is read too early."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from properties import budget
from properties import strategies as draw
from properties.budget import prop
from weights import drawn

import rnn_ode as ro

N, D, T = 3, 1, 60
GRU = drawn(eqx.nn.GRUCell, D, N)


def cell_of(rng, size=0.5):
    W = rng.normal(size=(N, N))
    W = size * W / np.linalg.norm(W, 2)
    return ro.VanillaCell(W, rng.normal(size=(N, D)), 0.3 * rng.normal(size=N), jnp.tanh)


def signal(rng, count=T):
    """A smooth series: three sines below a tenth of the rate."""
    t = np.arange(1.0, count + 1)[:, None]
    return sum(
        a * np.sin(2 * np.pi * f * t + p)
        for a, f, p in zip(*rng.uniform(0.01, 0.1, (3, 3)) * [[10], [1], [60]], strict=True)
    )


def output(x, h):
    return h


@prop(
    20,
    1500,
    rng=draw.rngs(),
    cuts=st.lists(st.integers(0, 200), max_size=6),
    way=st.integers(0, 2),
    block=st.sampled_from([16, 37]) if budget.large else st.just(16),
)
def test_a_stream_does_not_depend_on_how_its_samples_come(rng, cuts, way, block):
    """One block, or many of any size, none included; by `evolve`, `resampled` and `fitted_feedback`."""
    cell, xs = cell_of(rng), rng.normal(size=(200, D))
    options = ({}, {"half_width": 8}, {"predict": (1.5, -0.5), "correct": (0.6, 0.4)})[way]
    rates = (44_100, 48_000, 44_100)

    def run(parts):
        stream = ro.Stream(cell, output, *rates, block=block, **options)
        return np.concatenate([*(stream.push(part) for part in parts), stream.flush()])

    whole, pieces = run([xs]), run(np.split(xs, sorted(cuts)))
    assert len(whole) == -(-200 * rates[1] // rates[0])
    np.testing.assert_array_equal(whole, pieces)
    other = ro.Stream(cell, output, *rates, block=block + 5, **options)
    np.testing.assert_allclose(
        np.concatenate([other.push(xs), other.flush()]), whole, rtol=0, atol=1e-9 * np.abs(whole).max()
    )


@prop(15, 800, rng=draw.rngs(), k=st.integers(60, 199), way=st.integers(0, 2))
def test_a_stream_reads_no_later_than_its_latency(rng, k, way):
    """Results more than the latency before sample k do not change with it."""
    cell, xs = cell_of(rng), rng.normal(size=(200, D))
    options = ({}, {"half_width": 8}, {"predict": (1.5, -0.5)})[way]
    runs = []
    for changed in (0.0, 10.0):
        other = xs.copy()
        other[k:] += changed
        stream = ro.Stream(cell, output, 44_100, 48_000, 44_100, block=16, **options)
        runs.append(np.concatenate([stream.push(other), stream.flush()]))
        latency = stream.latency
    times = np.arange(len(runs[0])) * 44_100 / 48_000
    early = times + latency < k - 1e-9
    np.testing.assert_array_equal(runs[0][early], runs[1][early])


@eqx.filter_jit
def _network(cell, xs):
    return ro.iterate(cell, xs).states


# in the small budget the runs of `evolve` share one program
paths = st.sampled_from([ro.Cubic, ro.Linear]) if budget.large else st.just(ro.Linear)
orders = st.tuples(st.integers(1, 3), st.integers(0, 3)) if budget.large else st.just((2, 2))


@prop(15, 800, rng=draw.rngs(), path=paths, orders=orders)
def test_evolve_at_whole_steps_is_the_network(rng, path, orders):
    (ahead, behind), (cell, xs) = orders, (cell_of(rng), signal(rng))
    states = np.asarray(_network(cell, xs))
    run = ro.evolve(cell, path(xs), np.arange(T + 1.0), ahead=ahead, behind=behind)
    np.testing.assert_allclose(run.states, states, rtol=0, atol=1e-10)


@prop(
    10,
    500,
    rng=draw.rngs(),
    start=st.integers(0, 18),
    half_width=st.sampled_from([4, 8]) if budget.large else st.just(8),
)
def test_resampled_at_whole_steps_is_the_network_whatever_lies_between(rng, start, half_width):
    cell, xs = cell_of(rng), signal(rng)
    states = np.asarray(_network(cell, xs))
    ts = np.sort(np.concatenate([start + np.arange(22.0), rng.uniform(start, start + 21, 12)]))  # of one length
    run = ro.resampled(cell, ro.BandLimited(xs), ts, jnp.asarray(states[start]), half_width=half_width)
    whole = ts == np.round(ts)
    np.testing.assert_allclose(run.states[whole], states[ts[whole].astype(int)], rtol=0, atol=1e-7)


@prop(10, 500, rng=draw.rngs(), path=paths, power=st.sampled_from([-7, 5]) if budget.large else st.just(-7))
def test_evolve_does_not_depend_on_the_unit_of_time(rng, path, power):
    cell, xs, s = cell_of(rng), signal(rng), 2.0**power
    ts = np.concatenate([[0.0], np.cumsum(rng.uniform(0.3, 0.95, T))])
    one = ro.evolve(cell, path(xs), ts, ahead=2, behind=2).states
    other = ro.evolve(cell, path(xs, s), ts * s, dt=s, ahead=2, behind=2).states
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-11)


@prop(10, 400, rng=draw.rngs(), k=st.integers(10, 35))
def test_evolve_reads_no_input_far_after_its_time(rng, k):
    """`Linear` reads one sample ahead of a time, and `ahead` applications read so many steps."""
    cell, xs = cell_of(rng), signal(rng)
    other = np.where(np.arange(T)[:, None] >= k, 3.0, xs)
    ts = 0.7 * np.arange(T + 1)
    one, changed = (np.asarray(ro.evolve(cell, ro.Linear(rows), ts, ahead=2, behind=2).states) for rows in (xs, other))
    early = ts + 2 < k  # sample k has the stamp k + 1
    np.testing.assert_array_equal(one[early], changed[early])


@prop(0, 40, rng=draw.rngs(), scale=st.sampled_from([-20, 12]))
def test_a_recommendation_does_not_depend_on_the_unit_of_the_input(rng, scale):
    """Input weights and samples in another unit, a power of two, are the same network."""
    cell, xs = cell_of(rng), signal(rng, 300)
    s = 2.0**scale
    there = ro.VanillaCell(cell.W_h, cell.W_x / s, cell.b, jnp.tanh)
    one, other = ro.recommend(cell, xs, 1.5, budget=1), ro.recommend(there, xs * s, 1.5, budget=1)
    assert one.best.label == other.best.label or abs(one.best.snr - other.best.snr) < 0.5
    tried = {scheme.label: scheme.snr for scheme in one.schemes if np.isfinite(scheme.snr)}
    for scheme in other.schemes:
        if np.isfinite(scheme.snr) and scheme.label in tried and tried[scheme.label] < 100:
            assert abs(scheme.snr - tried[scheme.label]) < 0.1, scheme.label
    # the order of the front is by latency, and error and cost pay for each other
    front = one.front
    assert all(a.latency <= b.latency for a, b in itertools.pairwise(front))
    assert max(scheme.snr for scheme in front) == max(tried.values())
