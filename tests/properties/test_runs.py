"""Runs: no output depends on later inputs, a batch is a loop, and a compiled run is the plain one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from oracles import loop
from properties import budget
from properties import strategies as draw
from properties.budget import prop
from weights import drawn

import rnn_ode as ro

N, D, T = 3, 2, 12
# those that compile slowly, under a solver, are left to the large budget
FEW_CELLS = ("tanh", "gru") if budget.large else ("tanh",)
PATHS = (ro.Hold, ro.Linear, ro.Cubic, ro.BandLimited)
SOME_CELLS = ("tanh", "gru", "lstm", "affine", "piecewise") if budget.large else ("tanh", "lstm")
GRU = drawn(eqx.nn.GRUCell, D, N)
LSTM = drawn(eqx.nn.LSTMCell, D, N, seed=1)
CELLS = {
    "tanh": ro.VanillaCell(np.eye(N), np.ones((N, D)), np.zeros(N), jnp.tanh),
    "relu": ro.VanillaCell(np.eye(N), np.ones((N, D)), np.zeros(N)),
    "affine": ro.VanillaCell(np.eye(N), np.ones((N, D)), np.zeros(N), None),
    "piecewise": ro.PiecewiseLinearCell(np.eye(N), np.eye(N), np.ones((N, D)), np.zeros(N)),
    "gru": GRU,
    "lstm": LSTM,
    "stacked": ro.StackedCell([LSTM, GRU if D == N else drawn(eqx.nn.GRUCell, N, N, seed=2)]),
}


@st.composite
def cells(draw_, names=tuple(CELLS), size=1.0):
    """A cell of one of the kinds, with random weights of about that size."""
    rng = draw_(draw.rngs())
    arrays, rest = eqx.partition(CELLS[draw_(st.sampled_from(names))], eqx.is_inexact_array)
    size = size * draw_(st.sampled_from([0.1, 0.5, 1.0]))
    return eqx.combine(jax.tree.map(lambda leaf: jnp.asarray(size * rng.normal(size=leaf.shape)), arrays), rest)


@eqx.filter_jit
def _iterate(cell, xs):
    return ro.iterate(cell, xs, throw=False).states


def flat(states):
    return np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(states)], axis=1)


@prop(30, 2000, cell=cells(), rng=draw.rngs(), k=st.integers(0, T - 1))
def test_no_state_depends_on_a_later_input(cell, rng, k):
    xs = rng.normal(size=(T, D))
    other = np.where(np.arange(T)[:, None] >= k, 1e3 * rng.normal(size=(T, D)), xs)
    np.testing.assert_array_equal(flat(_iterate(cell, xs))[: k + 1], flat(_iterate(cell, other))[: k + 1])


@prop(20, 1000, cell=cells(), rng=draw.rngs())
def test_a_run_is_a_loop_over_the_cell(cell, rng):
    xs = jnp.asarray(rng.normal(size=(T, D)))
    wanted = flat(loop(cell, xs, jax.tree.map(lambda rows: rows[0], _iterate(cell, xs))))
    assume(np.isfinite(wanted).all())
    np.testing.assert_allclose(flat(_iterate(cell, xs)), wanted, rtol=1e-9, atol=1e-11 * np.abs(wanted).max())


@prop(20, 1000, cell=cells(), rng=draw.rngs(), k=st.just(5))
def test_a_run_goes_on_where_another_one_ended(cell, rng, k):
    xs = rng.normal(size=(T, D))
    whole = _iterate(cell, xs)
    rest = _goes_on(cell, xs[k:], jax.tree.map(lambda rows: rows[k], whole))
    np.testing.assert_allclose(flat(rest), flat(whole)[k:], rtol=1e-9, atol=1e-13)


@eqx.filter_jit
def _goes_on(cell, xs, h):
    return ro.iterate(cell, xs, h, throw=False).states


@prop(15, 600, cell=cells(), rng=draw.rngs())
def test_a_batch_of_runs_is_a_loop_over_them(cell, rng):
    xs = rng.normal(size=(3, T, D))
    batch = flat_batch(_batch(cell, xs))
    for came, one in zip(batch, xs, strict=True):
        wanted = flat(_iterate(cell, one))
        np.testing.assert_allclose(came, wanted, rtol=1e-9, atol=1e-11 * np.abs(wanted).max())


@eqx.filter_jit
def _batch(cell, xs):
    return jax.vmap(lambda xs: ro.iterate(cell, xs, throw=False).states)(xs)


def flat_batch(states):
    return [flat(jax.tree.map(lambda leaf: leaf[i], states)) for i in range(3)]  # noqa: B023


@prop(20, 1000, cell=cells(("tanh", "gru", "lstm"), 0.5), rng=draw.rngs())
def test_a_run_in_float32_is_that_of_float64(cell, rng):
    """To within ε times the sum of what its Jacobians, here at most 3 a step, carry on."""
    single = jax.tree.map(lambda leaf: leaf.astype(np.float32) if eqx.is_inexact_array(leaf) else leaf, cell)
    xs = rng.normal(size=(T, D)).astype(np.float32)
    low, high = flat(_iterate(single, xs)), flat(_iterate(jax.tree.map(_double, single), xs.astype(float)))
    assert low.dtype == np.float32
    weights = [np.linalg.norm(leaf) for leaf in jax.tree.leaves(single) if eqx.is_inexact_array(leaf)]
    gain = max(1.0, sum(weights))
    assert np.abs(low - high).max() <= 2.0**-23 * 30 * sum(gain**k for k in range(1, T))


def _double(leaf):
    return leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf


@prop(15, 600, cell=cells(SOME_CELLS, 0.3), rng=draw.rngs())
def test_a_run_in_parallel_is_the_run_step_by_step(cell, rng):
    xs = rng.normal(size=(64, D))
    came, wanted = flat(_parallel(cell, xs)), flat(_iterate(cell, xs))
    np.testing.assert_allclose(came, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@eqx.filter_jit
def _parallel(cell, xs):
    return ro.iterate(cell, xs, parallel=True, throw=False).states


@eqx.filter_jit
def _read(path, ts):
    return jax.vmap(path)(ts)


@prop(
    30,
    3000,
    kind=st.sampled_from(PATHS),
    rng=draw.rngs(),
    dt=st.sampled_from([1e-6, 1 / 3, 1.0, 86400.0]),
    start=st.integers(-5, 5),
)
def test_a_path_is_linear_in_its_samples_and_meets_them(kind, rng, dt, start):
    xs, ys = rng.normal(size=(2, T, D))
    t0 = start * dt
    # a held sample counts from the stamp before it on
    ts = t0 + dt * np.concatenate([np.arange(T) - 0.5 * (kind is ro.Hold), rng.uniform(-3, T + 2, 20)])
    a, b = rng.normal(size=2)
    one, other, both = (np.asarray(_read(kind(rows, dt, t0), ts)) for rows in (xs, ys, a * xs + b * ys))
    np.testing.assert_allclose(both, a * one + b * other, rtol=0, atol=1e-9)
    np.testing.assert_allclose(one[:T], xs, rtol=0, atol=1e-7 if kind is not ro.Hold else 0)
    before, after = one[T:][ts[T:] < t0 - dt], one[T:][ts[T:] > t0 + dt * (T - 1)]
    np.testing.assert_allclose(before, np.broadcast_to(xs[0], before.shape), atol=1e-9)
    np.testing.assert_allclose(after, np.broadcast_to(xs[-1], after.shape), atol=1e-9)


@prop(30, 2000, kind=st.sampled_from(PATHS), rng=draw.rngs(), constant=st.floats(-1e3, 1e3), slope=st.floats(-10, 10))
def test_a_path_of_a_line_is_the_line(kind, rng, constant, slope):
    """A constant under every path; a line under Linear, and inside of the data under Cubic."""
    ts = rng.uniform(1, T, 20)
    # XLA takes subnormal numbers for 0
    flat_ = np.asarray(_read(kind(np.full((T, D), constant)), ts))
    np.testing.assert_allclose(flat_, constant, rtol=1e-12 if kind is not ro.BandLimited else 2e-3, atol=1e-300)
    if kind in (ro.Linear, ro.Cubic):
        line = constant + slope * np.arange(1.0, T + 1)
        came = np.asarray(_read(kind(np.stack([line, line], axis=1)), ts))[:, 0]
        np.testing.assert_allclose(
            came, constant + slope * ts, rtol=0, atol=1e-11 * (abs(constant) + 12 * abs(slope) + 1e-6)
        )


@prop(
    0, 800, kind=st.sampled_from(PATHS), cell=cells(("tanh", "gru"), 0.5), rng=draw.rngs(), power=st.integers(-12, 12)
)
def test_the_unit_of_time_does_not_matter_to_a_flow(kind, cell, rng, power):
    """A power of two rounds nothing, so the runs are the same to the last bits, but for the solver's own rounding."""
    xs = rng.normal(size=(5, D))
    one, other = _flow(cell, kind(xs, 1.0), 1.0), _flow(cell, kind(xs, 2.0**power), 2.0**power)
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-9)


def _flow(cell, path, dt):
    return np.asarray(ro.integrate(ro.to_ode(cell, ro.Forward(1), dt=dt), path, jnp.zeros(N)).states)


@prop(15, 500, cell=cells(FEW_CELLS, 0.5), rng=draw.rngs(), k=st.integers(0, 5))
def test_a_flow_under_a_held_input_does_not_see_the_next_sample(cell, rng, k):
    xs = rng.normal(size=(6, D))
    other = np.where(np.arange(6)[:, None] >= k, 5 * rng.normal(size=(6, D)), xs)
    one, changed = (_flow(cell, ro.Hold(rows), 1.0) for rows in (xs, other))
    np.testing.assert_allclose(changed[: k + 1], one[: k + 1], rtol=0, atol=1e-10)


@eqx.filter_jit
def _loss(cell, xs, v):
    def of(cell):
        return jnp.sum(ro.iterate(cell, xs, throw=False).states ** 2)

    arrays, rest = eqx.partition(cell, eqx.is_inexact_array)
    move = jax.tree.map(lambda a, b: a * b, arrays, v)

    def along(e):
        return of(eqx.combine(jax.tree.map(lambda a, m: a + e * m, arrays, move), rest))

    step = 1e-5
    return (
        jax.grad(along)(0.0),
        jax.jvp(along, (0.0,), (1.0,))[1],
        (along(step) - along(-step)) / (2 * step),
        along(0.0),
    )


@prop(15, 800, cell=cells(("tanh", "gru", "affine"), 0.5), rng=draw.rngs())
def test_the_gradient_of_a_run_is_a_difference_quotient(cell, rng):
    v = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), eqx.filter(cell, eqx.is_inexact_array))
    reverse, forward, difference, value = map(float, _loss(cell, rng.normal(size=(T, D)), v))
    size = max(abs(reverse), abs(value))
    assert abs(reverse - forward) <= 1e-10 * size
    assert abs(reverse - difference) <= 1e-6 * size
