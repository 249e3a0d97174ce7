"""Windows with missing samples, against the samples that remain."""

import jax
import numpy as np
import pytest

from rnn_ode import learn

EVERY = learn.windows(np.sin(np.arange(400.0))[:, None] * [1.0, 2.0], history=30, gap=2, horizon=1)


@pytest.mark.parametrize("share", [0.0, 0.7, 0.99])
def test_thinned_windows_hold_rows_of_the_windows(share):
    thinned = learn.thin(jax.random.key(1), EVERY, share)
    n = len(EVERY)
    assert thinned.lengths.min() >= 1 and thinned.ts.shape == (n, thinned.lengths.max())
    for ts, xs, length, window in zip(thinned.ts, thinned.xs, thinned.lengths, EVERY.inputs, strict=True):
        assert np.isnan(ts[length:]).all() and np.isnan(xs[length:]).all() and (np.diff(ts[:length]) > 0).all()
        np.testing.assert_array_equal(xs[:length], window[ts[:length].astype(int)])
    if share == 0:
        np.testing.assert_array_equal(thinned.xs, EVERY.inputs)
    if share == 0.7:  # 400 draws: 4.5 standard deviations
        there = {int(s + t) for s, ts in zip(EVERY.starts, thinned.ts, strict=True) for t in ts[np.isfinite(ts)]}
        assert abs(len(there) / 400 - 0.3) < 0.1


@pytest.mark.slow
def test_a_row_is_missing_everywhere_or_nowhere():
    parts = learn.split(np.sin(np.arange(300.0))[:, None], history=20, gap=0, horizon=2)
    seen = np.full(300, -1)
    for part in (parts.train, parts.validation, parts.test):
        for start, mask in zip(part.starts, learn.thin(jax.random.key(1), part).filled()[:, :, 1], strict=True):
            rows = seen[start : start + 20]
            assert np.all((rows == -1) | (rows == mask))
            seen[start : start + 20] = mask
    assert 0 in seen and 1 in seen


def test_gaps_are_filled_as_computed_by_hand():
    nan = np.nan
    thinned = learn.Thinned(np.array([[1.0, 3.0, nan]]), np.array([[[4.0], [8.0], [nan]]]), np.array([2]), 6)
    straight, held = thinned.filled()[0].T, thinned.filled(forward=True)[0].T
    np.testing.assert_array_equal(straight, [[4, 4, 6, 8, 8, 8], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 2]])
    np.testing.assert_array_equal(held, [[4, 4, 4, 8, 8, 8], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 2]])


def test_thin_refuses_what_does_not_fit(as_user):
    for share in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="share"):
            learn.thin(jax.random.key(0), EVERY, share)
    with pytest.raises(ValueError, match="windows must hold at least one"):
        learn.thin(jax.random.key(0), EVERY[:0])
