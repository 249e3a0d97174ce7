"""Times and the intervals between them, in float32 and float64."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from observations import FIELDS, TS, XS, T, model_of
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn

UNIX = 1.6e9 + np.array([0.0, 0.1, 0.35, 0.45, 1.2])


def small_times(ts):
    """The same times from the first one on, of which float32 has all digits that count."""
    return np.asarray(ts - ts[0], np.float32)


def float32_model():
    parts = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, FIELDS["ctrnn"])
    return learn.IrregularToOne(learn.ODERNN(*parts), lambda h: h[:1])


@pytest.mark.slow
@pytest.mark.parametrize("offset, unit", [(0.0, 1.0), (1.6e9, 1.0), (1.6e12, 1e3), (18518.0, 1 / 86400)])
def test_large_times_keep_their_differences_in_float32(offset, unit, float32):
    """Seconds, Unix seconds, milliseconds and days: float64 times resolve 2e-4 of these gaps (ms and s), and 1e-6 (days)."""
    model, xs, gaps = float32_model(), jnp.asarray(XS, jnp.float32), UNIX - UNIX[0]
    wanted = model(small_times(UNIX), xs, np.float32(1.7))
    ts = offset + gaps * unit
    times = learn.intervals(ts, offset + 1.7 * unit, unit=unit)
    np.testing.assert_allclose(model(times, xs), wanted, rtol=1e-4, atol=1e-5)
    if unit == 1:
        np.testing.assert_allclose(model(ts, xs, offset + 1.7), wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model(list(ts), xs, offset + 1.7, 5), wanted, rtol=1e-4, atol=1e-5)  # pyright: ignore


@pytest.mark.gate
def test_a_batch_of_large_times_keeps_its_differences_in_float32(float32):
    model, xs = float32_model(), jnp.asarray(np.stack([XS, XS]), jnp.float32)
    ts, ats, lengths = np.stack([UNIX, UNIX + 3e5]), UNIX[[2, 4]] + [0.25, 3e5 + 0.5], np.array([3, 5])
    padded = np.where(np.arange(T) < lengths[:, None], ts, np.nan)
    times = learn.intervals(padded, ats, lengths)
    run = jax.jit(lambda times, xs, lengths: jax.vmap(lambda *row: model(*row[:2], length=row[2]))(times, xs, lengths))
    rows = run(*learn.Minibatches((times, xs, lengths), 2).data)
    for k, n in enumerate(lengths):
        wanted = model(small_times(ts[k, :n]), xs[k, :n], np.float32(ats[k] - ts[k, 0]))
        np.testing.assert_allclose(rows[k], wanted, rtol=1e-4, atol=1e-5)
    blind = jax.vmap(model)(ts, xs)  # float32 by now, in which all of a row are one time
    assert not jnp.isfinite(blind).any()
    small, run = np.asarray(TS, np.float32), eqx.filter_jit(model)
    assert not jnp.isfinite(run(jnp.asarray(small[::-1]), xs[0])).any()
    np.testing.assert_allclose(run(jnp.asarray(small), xs[0]), model(small, xs[0]), rtol=1e-5)


def test_differences_of_whole_numbers_and_dates_are_exact():
    start = 1_600_000_000_000_000_000  # ns: float64 resolves 256 of them
    ts = start + np.array([0, 3, 10])
    np.testing.assert_array_equal(learn.intervals(ts, start + 12).gaps, [0, 3, 7])
    dates = np.array(["2026-03-01T00:00:00.000000000"], "datetime64[ns]") + np.array([0, 3, 10]).astype(
        "timedelta64[ns]"
    )
    found = learn.intervals(dates, dates[-1] + np.timedelta64(5, "ns"), unit=np.timedelta64(1, "ns"))
    np.testing.assert_array_equal(found.gaps, [0, 3, 7])
    np.testing.assert_array_equal(found.after, 5)
    np.testing.assert_array_equal(
        learn.intervals(dates.astype("datetime64[D]")[:1], unit=np.timedelta64(1, "D")).gaps, [0]
    )


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (
            {"ts": [1.6e9, 1600000000.25, 1600000000.25]},
            ValueError,
            r"ts\[1\] = 1600000000.25 and ts\[2\] = 1600000000.25",
        ),
        ({"ts": [[0.0, 1.0], [1600000000.1, 1600000000.0]]}, ValueError, r"ts\[1, 0\] = 1600000000.1 .* out of order"),
        (
            {"ts": np.float32([1.6e9, 1600000000.25])},
            ValueError,
            "ts came as float32, which does not resolve the interval",
        ),
        ({"ts": [0.0, np.nan]}, ValueError, r"ts must be finite; ts\[1\] = nan"),
        (
            {"ts": [0.0, 1.0], "at": 0.5},
            ValueError,
            "at must not be before the last observation's time in ts, 1.0; got 0.5",
        ),
        ({"ts": [0.0, 1.0], "at": [2.0]}, ValueError, "at must be a time for each row"),
        ({"ts": [0.0, 1.0], "lengths": 3}, ValueError, "lengths must be from 1 to"),
        ({"ts": [0.0, 1.0], "unit": 0}, ValueError, "unit must be finite and above 0"),
        ({"ts": np.array(["2026-01-01"], "datetime64[D]")}, TypeError, "unit must be a timedelta64"),
        ({"ts": ["monday"]}, TypeError, "ts must hold real numbers or datetime64"),
        ({"ts": []}, ValueError, "ts must hold at least one time"),
    ],
)
def test_intervals_refuse_what_does_not_fit(arguments, error, message, as_user):
    with pytest.raises(error, match=message):
        learn.intervals(**arguments)


def test_intervals_already_hold_the_time_asked_for(as_user):
    model = model_of("ctrnn")
    with pytest.raises(ValueError, match="at must not be given beside intervals"):
        model.last(learn.intervals(TS), XS, 4.0)
    with pytest.raises(TypeError, match="outside jit and vmap"):
        jax.jit(learn.intervals)(TS)
    with pytest.raises(TypeError, match="In place of dates give"):
        model.last(np.arange(5).astype("datetime64[s]"), XS)


@pytest.mark.slow
def test_float32_times_that_do_not_resolve_a_gap_are_refused(float32):
    """A float32 near 1e6 is a multiple of 1/16, so that gaps of 0.1 are wrong by up to a half; under `jit` they are NaN."""
    runner = learn.ODERNN(ro.CTRNN.random(jax.random.key(0), 1, 2), drawn(eqx.nn.GRUCell, 1, 2, seed=1))
    stamps, xs = 1e6 + 0.1 * np.arange(4), jnp.ones((4, 1))
    with pytest.raises(ValueError, match=r"ts came as float32, which does not resolve the interval from 1000000\.0 to"):
        runner.outputs(jnp.asarray(stamps), xs)
    assert jnp.isfinite(runner.outputs(stamps, xs)).all()


def test_a_row_may_have_a_single_observation():
    found = learn.intervals([0.0, np.nan], 0.25, lengths=1)
    np.testing.assert_array_equal(found.gaps, [0, 0])
    assert found.after == 0.25
    with pytest.raises(ValueError, match="lengths must be from 1 to the number of samples, 2; got 0 to 0"):
        learn.intervals([0.0, 1.0], lengths=0)
