"""Observations at irregular times, against matrix exponentials, SciPy's solvers and loops; thinning, against what it left."""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import rnn_ode as ro
from rnn_ode import learn

T, D, N = 5, 2, 4
KEYS = jax.random.split(jax.random.key(0), 6)
TS = jnp.array([0.4, 0.7, 1.9, 2.0, 3.5])
XS = jax.random.normal(KEYS[0], (T, D))
GRU = eqx.nn.GRUCell(D, N, key=KEYS[1])
A = np.asarray(jax.random.normal(KEYS[2], (N, N)))


def linear(t, h, path):
    return A @ h


FIELDS = {
    "ctrnn": (ro.CTRNN.random(KEYS[3], 1, N), GRU),
    "gru-ode": (ro.GRUODE.random(KEYS[3], 3, N), GRU),
    "cornn and lstm": (ro.CoRNN.random(KEYS[4], 1, N, gamma=2.0), eqx.nn.LSTMCell(D, N, key=KEYS[5])),
}


def model_of(name, substeps=2):
    return learn.ODERNN(*FIELDS[name], substeps)  # pyright: ignore[reportCallIssue]


def solved(field, h, gap):
    """The state a time later, by SciPy."""
    flat, unravel = ravel_pytree(h)
    width = getattr(field, "input_size", 0)

    @jax.jit
    def rate(v):
        return ravel_pytree(field(0.0, unravel(v), lambda t: jnp.zeros(width)))[0]

    run = solve_ivp(lambda t, v: np.asarray(rate(v)), (0, gap), np.asarray(flat), rtol=1e-10, atol=1e-12)
    return unravel(jnp.asarray(run.y[:, -1]))


def output(h):
    return h[0] if isinstance(h, tuple) else h


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_between_observations_it_is_the_solution(name):
    field, cell = FIELDS[name]
    h, rows = cell(XS[0], model_of(name).initial_state()), []
    for k in range(T):
        h = h if k == 0 else cell(XS[k], solved(field, h, float(TS[k] - TS[k - 1])))
        rows.append(output(h))
    model = model_of(name, 64)
    np.testing.assert_allclose(model.outputs(TS, XS), np.stack(rows), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.last(TS, XS), rows[-1], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.last(TS, XS, 4.5), output(solved(field, h, 1.0)), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_a_linear_flow_is_the_exponential_to_fourth_order():
    h = GRU(XS[0], jnp.zeros(N))
    wanted = expm(A * 1.5) @ np.asarray(h)
    errors = [
        np.abs(learn.ODERNN(linear, GRU, n).last(jnp.array([7.0]), XS[:1], 8.5) - wanted).max() for n in (16, 32, 64)
    ]
    assert errors[2] < 1e-5
    np.testing.assert_allclose(np.log2(errors[:-1]) - np.log2(errors[1:]), 4, atol=0.2)


@pytest.mark.slow
def test_on_equal_gaps_it_is_a_network():
    field = FIELDS["ctrnn"][0]
    flow = ro.to_rnn(field, ro.RungeKutta(substeps=16), 0.5)

    def cell(x, h):
        return GRU(x, flow(jnp.zeros(1), h))  # pyright: ignore[reportArgumentType]

    # zero is an equilibrium of the field, so that it does not matter whether it flows before the first observation
    states = ro.iterate(cell, XS, jnp.zeros(N)).states
    model = learn.ODERNN(field, GRU, 16)
    np.testing.assert_allclose(model.outputs(0.5 * np.arange(T), XS), states[1:], rtol=1e-7, atol=1e-8)


def test_it_is_a_cell_of_observations_and_gaps():
    model = model_of("cornn and lstm")
    marked = jnp.concatenate([XS, jnp.diff(TS, prepend=TS[:1])[:, None]], axis=1)
    np.testing.assert_array_equal(ro.iterate(model, marked).states[0][1:], model.outputs(TS, XS))
    assert model.input_size == D + 1
    with pytest.raises(ValueError, match=r"\(T, 3\)"):
        ro.iterate(model, XS)


@pytest.mark.slow
def test_only_differences_of_times_matter():
    model = model_of("gru-ode")
    np.testing.assert_allclose(model.last(TS + 64, XS, 70.0), model.last(TS, XS, 6.0), rtol=1e-12)


@eqx.filter_jit
def gradients(model, ts, xs, at, lengths):
    def total(parts, length):
        model, ts, xs = parts
        kept = jnp.where((jnp.arange(T) < length)[:, None], model.outputs(ts, xs, length), 0)
        return jnp.sum(kept**2) + jnp.sum(model.last(ts, xs, at, length) ** 2)

    return jax.vmap(lambda length: eqx.filter_value_and_grad(total)((model, ts, xs), length))(lengths)


@pytest.mark.slow
def test_padding_changes_nothing():
    model, lengths = model_of("cornn and lstm"), jnp.array([1, 3])
    clean = gradients(model, TS, XS, 6.0, lengths)
    for filling in (jnp.nan, jnp.inf, 1e300):
        again = gradients(model, TS.at[3:].set(filling), XS.at[3:].set(filling), 6.0, lengths)
        jax.tree.map(np.testing.assert_array_equal, clean, again)
    for row, length in enumerate((1, 3)):
        padded = TS.at[length:].set(jnp.nan), XS.at[length:].set(jnp.nan)
        outputs, short = model.outputs(*padded, length), model.outputs(TS[:length], XS[:length])
        np.testing.assert_allclose(outputs[:length], short, rtol=1e-12)
        np.testing.assert_array_equal(outputs[length:], jnp.broadcast_to(outputs[length - 1], (T - length, N)))
        np.testing.assert_allclose(
            clean[0][row], jnp.sum(short**2) + jnp.sum(model.last(TS[:length], XS[:length], 6.0) ** 2), rtol=1e-12
        )
        assert jnp.all(clean[1][2][row, :length]) and not clean[1][2][row, length:].any()


@pytest.mark.slow
def test_gradients_are_finite_differences():
    params, static = eqx.partition(model_of("cornn and lstm"), eqx.is_inexact_array)

    @jax.jit
    def total(params, ts, xs, at):
        return jnp.sum(eqx.combine(params, static).last(ts, xs, at) ** 2)

    check_grads(total, (params, TS, XS, jnp.asarray(4.0)), order=1, modes=("fwd", "rev"), rtol=1e-5)


@pytest.mark.slow
def test_vmapped_is_a_loop_and_compiles_once():
    model = model_of("gru-ode")
    run = eqx.filter_jit(eqx.debug.assert_max_traces(lambda *args: jax.vmap(model.last)(*args), max_traces=1))
    ts, xs, ats = jnp.stack([TS, 2 * TS]), jnp.stack([XS, -XS]), jnp.array([4.0, 9.0])
    rows = run(ts, xs, ats)
    run(ts + 1, xs, ats + 2)
    for k in range(2):
        np.testing.assert_allclose(rows[k], model.last(ts[k], xs[k], ats[k]), rtol=1e-12)


@pytest.mark.slow
def test_float32_stays_float32(float32):
    keys = jax.random.split(jax.random.key(1))
    model = learn.ODERNN(ro.GRUODE.random(keys[0], 1, N), eqx.nn.GRUCell(D, N, key=keys[1]))
    ts, xs = np.asarray(TS), np.asarray(XS)
    found = model.last(ts, xs, 4.0)
    assert found.dtype == jnp.float32
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: a.astype(float) if eqx.is_inexact_array(a) else a, model).last(ts, xs, 4.0)
    np.testing.assert_allclose(found, wide, rtol=1e-5, atol=1e-6)


# Times of clocks

UNIX = 1.6e9 + np.array([0.0, 0.1, 0.35, 0.45, 1.2])


def small_times(ts):
    """The same times from the first one on, of which float32 has all digits that count."""
    return np.asarray(ts - ts[0], np.float32)


def float32_model():
    parts = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, FIELDS["ctrnn"])
    return learn.IrregularToOne(learn.ODERNN(*parts), lambda h: h[:1])


@pytest.mark.parametrize("offset, unit", [(0.0, 1.0), (1.6e9, 1.0), (1.6e12, 1e3), (18518.0, 1 / 86400)])
def test_clocks_are_read_in_float32(offset, unit, float32):
    """Seconds, Unix seconds, milliseconds and days: float64 times resolve 2e-4 of these gaps (ms and s), and 1e-6 (days)."""
    model, xs, gaps = float32_model(), jnp.asarray(XS, jnp.float32), UNIX - UNIX[0]
    wanted = model(small_times(UNIX), xs, np.float32(1.7))
    ts = offset + gaps * unit
    times = learn.intervals(ts, offset + 1.7 * unit, unit=unit)
    np.testing.assert_allclose(model(times, xs), wanted, rtol=1e-4, atol=1e-5)
    if unit == 1:
        np.testing.assert_allclose(model(ts, xs, offset + 1.7), wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model(list(ts), xs, offset + 1.7, 5), wanted, rtol=1e-4, atol=1e-5)  # pyright: ignore


def test_a_batch_of_clocks_is_read_in_float32(float32):
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


def test_whole_numbers_and_dates_are_differenced_exactly():
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
        ({"ts": [0.0, 1.0], "at": 0.5}, ValueError, "at must not be before the last observation's time, 1.0; got 0.5"),
        ({"ts": [0.0, 1.0], "at": [2.0]}, ValueError, "at must be a time for each row"),
        ({"ts": [0.0, 1.0], "lengths": 3}, ValueError, "lengths must be from 1 to"),
        ({"ts": [0.0, 1.0], "unit": 0}, ValueError, "unit must be finite and above 0"),
        ({"ts": np.array(["2026-01-01"], "datetime64[D]")}, TypeError, "unit must be a timedelta64"),
        ({"ts": ["monday"]}, TypeError, "ts must hold real numbers or datetime64"),
        ({"ts": []}, ValueError, "ts must hold at least one time"),
    ],
)
def test_intervals_name_what_does_not_fit(arguments, error, message, as_user):
    with pytest.raises(error, match=message):
        learn.intervals(**arguments)


def test_intervals_hold_the_time_asked_for(as_user):
    model = model_of("ctrnn")
    with pytest.raises(ValueError, match="at must not be given beside intervals"):
        model.last(learn.intervals(TS), XS, 4.0)
    with pytest.raises(TypeError, match="outside jit and vmap"):
        jax.jit(learn.intervals)(TS)
    with pytest.raises(TypeError, match="In place of dates give"):
        model.last(np.arange(5).astype("datetime64[s]"), XS)


@pytest.mark.slow
@pytest.mark.parametrize("c", [2.0**20, 2.0**-20])
def test_another_unit_of_time_changes_nothing(c):
    field, cell = FIELDS["ctrnn"]
    slower = eqx.tree_at(lambda field: field.log_tau, field, field.log_tau + np.log(c))
    found = learn.ODERNN(slower, cell).last(c * TS, XS, c * 4.0)
    np.testing.assert_allclose(found, learn.ODERNN(field, cell).last(TS, XS, 4.0), rtol=1e-12)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"ts": TS.at[2].set(0.7)}, r"ts must increase strictly; ts\[1\] = 0.7 and ts\[2\] = 0.7"),
        ({"ts": TS[::-1]}, "out of order"),
        ({"ts": TS.at[1].set(jnp.nan)}, "ts must be finite"),
        ({"xs": XS.at[1, 0].set(jnp.inf)}, "xs must be finite"),
        ({"ts": TS[:3]}, r"one T ≥ 1; got \(3,\) and \(5, 2\)"),
        ({"ts": TS[:0], "xs": XS[:0]}, "one T ≥ 1"),
        ({"xs": XS[:, :1]}, r"xs must have shape \(T, 2\).*got \(5, 1\)"),
        ({"at": 3.4}, "at must not be before the last observation's time, 3.5; got 3.4"),
        ({"at": 0.6, "length": 2}, "time, 0.7; got 0.6"),
        ({"length": 0}, "length must be from 1"),
        ({"length": 6}, "length must be from 1"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message, as_user):
    with pytest.raises(ValueError, match=message):
        model_of("gru-ode").last(**{"ts": TS, "xs": XS} | arguments)


def test_models_that_do_not_fit_are_refused(as_user):
    with pytest.raises(ValueError, match=r"field must take the state of the cell, of shape \(4,\)"):
        learn.ODERNN(ro.CTRNN.random(KEYS[0], 1, N + 1), GRU)
    with pytest.raises(ValueError, match="field must take"):
        learn.ODERNN(FIELDS["ctrnn"][0], FIELDS["cornn and lstm"][1])
    with pytest.raises(ValueError, match=r"a rate of the cell's state, \(4,\); got \(2,\)"):
        learn.ODERNN(lambda t, h, path: h[:2], GRU)
    with pytest.raises(ValueError, match="h0"):
        learn.ODERNN(linear, lambda x, h: h)
    with pytest.raises(ValueError, match="substeps"):
        learn.ODERNN(linear, GRU, 0)
    with pytest.raises(TypeError, match="runner must be an ODERNN"):
        learn.IrregularToOne(learn.Iterated(GRU), jnp.sum)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="readout"):
        learn.IrregularToOne(model_of("ctrnn"), None)  # pyright: ignore[reportArgumentType]


def decay_of(key):
    """A value of 1 that decays from its first observation: of the others the times alone tell what is left of it."""
    gap = jax.random.uniform(key, (16,), minval=0.1, maxval=2.0)
    return jnp.stack([0 * gap, gap], axis=1), jnp.ones((16, 2, 1)), gap + 0.5, jnp.exp(-gap)


def loss(model, batch):
    *inputs, targets = batch
    return jnp.mean((jax.vmap(model)(*inputs)[:, 0] - targets) ** 2)


@pytest.mark.slow
def test_it_is_trained_stored_and_read(tmp_path):
    keys = jax.random.split(jax.random.key(2), 3)
    runner = learn.ODERNN(ro.GRUODE.random(keys[0], 1, N), eqx.nn.GRUCell(1, N, key=keys[1]))
    model = learn.IrregularToOne(runner, eqx.nn.Linear(N, 1, key=keys[2]))
    how = {"optimiser": optax.adam(0.03), "steps": 150, "key": keys[0], "progress": False}
    done = learn.fit(model, loss, decay_of, **how)
    batch = decay_of(keys[1])
    assert loss(done.model, batch) < 0.1 * jnp.var(batch[-1])
    learn.save(tmp_path / "model", done.model)
    np.testing.assert_array_equal(loss(learn.load(tmp_path / "model"), batch), loss(done.model, batch))


EVERY = learn.windows(np.sin(np.arange(400.0))[:, None] * [1.0, 2.0], history=30, gap=2, horizon=1)


@pytest.mark.parametrize("share", [0.0, 0.7, 0.99])
def test_what_is_thinned_is_what_was_there(share):
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


def test_filled_by_hand():
    nan = np.nan
    thinned = learn.Thinned(np.array([[1.0, 3.0, nan]]), np.array([[[4.0], [8.0], [nan]]]), np.array([2]), 6)
    straight, held = thinned.filled()[0].T, thinned.filled(forward=True)[0].T
    np.testing.assert_array_equal(straight, [[4, 4, 6, 8, 8, 8], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 2]])
    np.testing.assert_array_equal(held, [[4, 4, 4, 8, 8, 8], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 2]])


def test_thinning_refuses(as_user):
    for share in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="share"):
            learn.thin(jax.random.key(0), EVERY, share)
    with pytest.raises(ValueError, match="windows must hold at least one"):
        learn.thin(jax.random.key(0), EVERY[:0])


SCRIPT = """
import pathlib, re
text = pathlib.Path(PATH).read_text(encoding="utf-8")
exec(re.search(r"^```python\\n(.*?)^```", text, re.M | re.S)[1])
own, filled = names = ("ODE-RNN, times", "GRU, linear")
errors = experiment(datasets.lorenz(3000, 0.05).values, seeds=1, steps=300, only=names)
assert errors[own][0] < 0.85 * errors[filled][0], errors
"""


@pytest.mark.slow
def test_it_beats_a_network_whose_gaps_were_filled():
    """On four paths of the attractor (which of them it is depends on the machine's rounding) its error was 0.70 to 0.73 of
    that of the better of the two ways to fill, after 300 steps. From those that are told what is missing as well it takes
    1500 steps to part: docs/irregular.md."""
    path = Path(__file__).parents[2] / "docs" / "irregular.md"
    # as a user runs: the suite's XLA makes slow programs, and checks every call
    env = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "EQX_", "XLA_"))}
    env |= {"PYTHONPATH": str(Path(ro.__file__).parent.parent), "JAX_PLATFORMS": "cpu"}
    script = f"PATH = {str(path)!r}\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_known_float32_stamps_that_do_not_resolve_a_gap_are_refused(float32):
    """A float32 near 1e6 is a multiple of 1/16, so that gaps of 0.1 are wrong by up to a half; under `jit` they are NaN."""
    runner = learn.ODERNN(ro.CTRNN.random(jax.random.key(0), 1, 2), eqx.nn.GRUCell(1, 2, key=jax.random.key(1)))
    stamps, xs = 1e6 + 0.1 * np.arange(4), jnp.ones((4, 1))
    with pytest.raises(ValueError, match=r"ts came as float32, which does not resolve the interval from 1000000\.0 to"):
        runner.outputs(jnp.asarray(stamps), xs)
    assert jnp.isfinite(runner.outputs(stamps, xs)).all()
