"""The times of a run: large ones, and traced ones that do not increase."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear_system import DT, XS, summed

import rnn_ode as ro


@pytest.mark.slow
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
