"""Runners and wirings, against Python loops over the cell, matrix exponentials and runs without padding."""

from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.flatten_util import ravel_pytree

import rnn_ode as ro
from rnn_ode import learn

T, D, N = 5, 2, 3
XS = jax.random.normal(jax.random.key(0), (3, T, D))
LENGTHS = jnp.array([1, 3, T])
KEYS = jax.random.split(jax.random.key(1), 12)
LINEAR = ro.CTRNN.random(KEYS[0], D, N, tau=0.5, activation=None)
FLOW = partial(learn.Integrated, rtol=1e-6, atol=1e-8)
OSCILLATORS = partial(ro.CoRNN.random, gamma=2.0, epsilon=0.5)

CELLS = {
    "vanilla": ro.VanillaCell.random(KEYS[1], D, N, activation=jnp.tanh),
    "gru": eqx.nn.GRUCell(D, N, key=KEYS[2]),
    "lstm": eqx.nn.LSTMCell(D, N, key=KEYS[3]),
    "ctrnn-cell": ro.to_rnn(ro.CTRNN.random(KEYS[4], D, N), ro.Euler(), 0.5),
    "cornn-cell": ro.to_rnn(OSCILLATORS(KEYS[5], D, N), ro.Euler(), 0.2),
}
OUTPUT = {"lstm": lambda h: h[0], "cornn-cell": lambda h: h[0]}
ITERATED = {name: learn.Iterated(cell) for name, cell in CELLS.items()}
RECURRENT = ITERATED | {
    "cornn": FLOW(OSCILLATORS(KEYS[7], D, N), ro.Linear, dt=0.5, solver=diffrax.Heun(), rtol=1e-3, atol=1e-5),
}
ABOVE = eqx.nn.GRUCell(2 * N, N, key=KEYS[8])
RUNNERS = RECURRENT | {
    "bidirectional": learn.Bidirectional(ITERATED["gru"], ITERATED["lstm"]),
    "stacked": learn.Stacked([learn.Bidirectional(ITERATED["vanilla"], ITERATED["lstm"]), learn.Iterated(ABOVE)]),
}


def named(runners, quick=("lstm",)):
    """Parameters, most of them for the full run: each takes seconds to compile."""
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in runners]


def zeros(name):
    state = jnp.zeros(N)
    return (state, state) if name in OUTPUT else state


def loop(name, xs, h=None):
    """Every output of a cell, and its last state."""
    h, outputs = zeros(name) if h is None else h, []
    for x in xs:
        h = CELLS[name](x, h)
        outputs.append(OUTPUT.get(name, lambda h: h)(h))
    return np.stack(outputs), h


def linear_steps(xs, h, straight=False):
    """The linear field's states by one matrix exponential a sample, its input held or on straight lines: the clock s of a
    step and a constant 1 are states of their own, h' = A h + B (first + slope s) + c."""
    W_h, W_x, b, tau, xs = (np.asarray(a) for a in (LINEAR.W_h, LINEAR.W_x, LINEAR.b, LINEAR.tau, xs))
    states = [np.asarray(h)]
    for k, x in enumerate(xs):
        first = xs[max(k - 1, 0)] if straight else x
        M = np.zeros((N + 2, N + 2))
        M[:N, :N], M[:N, N], M[:N, N + 1] = (W_h - np.eye(N)) / tau, W_x @ (x - first) / tau, (W_x @ first + b) / tau
        M[N, N + 1] = 1
        states.append((scipy.linalg.expm(M) @ [*states[-1], 0, 1])[:N])
    return np.stack(states[1:])


# Runners


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_a_network_is_a_loop_over_its_cell(name):
    outputs, last = loop(name, XS[0])
    np.testing.assert_allclose(ITERATED[name].outputs(XS[0]), outputs, rtol=1e-12, atol=1e-14)
    states = ITERATED[name].states(XS[0])
    for a, b in zip(jax.tree.leaves(states), jax.tree.leaves(last), strict=True):
        assert a.shape == (T + 1, N) and not a[0].any()
        np.testing.assert_allclose(a[-1], b, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("path, straight, dt", [(ro.Hold, False, 1.0), (ro.Linear, True, 0.25)])
@pytest.mark.parametrize("h0", [None, jnp.array([1.0, -2.0, 0.5])])
def test_a_linear_field_is_its_matrix_exponentials(path, straight, dt, h0):
    faster = eqx.tree_at(lambda field: field.log_tau, LINEAR, LINEAR.log_tau + jnp.log(dt))
    states = learn.Integrated(faster, path, dt).states(XS[0], h0)
    start = np.zeros(N) if h0 is None else h0
    np.testing.assert_array_equal(states[0], start)
    np.testing.assert_allclose(states[1:], linear_steps(XS[0], start, straight), rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("length", [None, 3])
def test_both_directions_are_two_loops(length):
    n = length or T
    forward, _ = loop("gru", XS[0, :n])
    backward, last = loop("lstm", XS[0, :n][::-1])
    both = np.concatenate([forward, backward[::-1]], axis=1)
    both = both[np.minimum(np.arange(T), n - 1)]  # after the last sample that counts, its output
    runner = RUNNERS["bidirectional"]
    np.testing.assert_allclose(runner.outputs(XS[0], length), both, rtol=1e-12, atol=1e-14)
    end = np.concatenate([forward[-1], last[0]])
    np.testing.assert_allclose(runner.last(XS[0], length), end, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_layers_of_networks_are_a_stacked_cell():
    below, above = CELLS["lstm"], eqx.nn.GRUCell(N, 4, key=KEYS[9])
    layers = learn.Stacked([learn.Iterated(below), learn.Iterated(above)])
    one = learn.Iterated(ro.StackedCell([below, above]))
    np.testing.assert_allclose(layers.outputs(XS[0]), one.outputs(XS[0]), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layers.last(XS[0]), one.last(XS[0]), rtol=1e-12, atol=1e-14)


# Wirings on every runner


class Everything(eqx.Module):
    """All wirings of one runner."""

    runner: learn.AbstractRunner
    readout: eqx.nn.Linear

    def of_sequences(self, xs, length=None):
        """What takes a length, by name."""
        out = {name: kind(self.runner, self.readout)(xs, length) for name, kind in KINDS.items()}
        if isinstance(self.runner, learn.Recurrent):
            out["encoder"] = learn.EncoderDecoder(self.runner, self.runner, self.readout)(xs, T, length)
        return out

    def __call__(self, xs, length=None):
        one = learn.OneToOne(self.runner, self.readout)(xs[0])
        many = learn.OneToMany(self.runner, self.readout)(xs[0], T)
        return self.of_sequences(xs, length) | {"one": one, "seed": many}


KINDS = {"many": learn.ManyToMany, "last": learn.ManyToOne}


def everything(name):
    width = 2 * N if name == "bidirectional" else N
    return Everything(RUNNERS[name], eqx.nn.Linear(width, D, key=KEYS[10]))


@eqx.filter_jit
def batched(model, xs, lengths):
    return jax.vmap(model)(xs, lengths)


@pytest.mark.parametrize("name", named(RUNNERS, quick=()))
def test_compiled_and_batched_is_one_by_one(name):
    model = everything(name)
    rows = batched(model, XS, LENGTHS)
    shapes = {key: value.shape[1:] for key, value in rows.items()}
    series = {"many": (T, D), "last": (D,), "one": (D,), "seed": (T, D)}
    assert shapes == series | ({"encoder": (T, D)} if name in RECURRENT else {})
    for k, length in enumerate((1, 3, None)):
        for key, value in model(XS[k], length).items():
            np.testing.assert_allclose(rows[key][k], value, rtol=1e-9, atol=1e-11, err_msg=f"{key}, {length}")


@pytest.mark.slow
@pytest.mark.parametrize("name", named(CELLS))
def test_what_the_wirings_of_a_network_are(name):
    model = everything(name)
    out = model(XS[0])
    outputs, _ = loop(name, XS[0])
    first, _ = loop(name, jnp.zeros((T, D)).at[0].set(XS[0, 0]))
    outputs, first = jax.vmap(model.readout)(jnp.asarray(outputs)), jax.vmap(model.readout)(jnp.asarray(first))
    for key, wanted in (
        ("many", outputs),
        ("last", outputs[-1]),
        ("one", first[0]),
        ("seed", first),
    ):
        np.testing.assert_allclose(out[key], wanted, rtol=1e-12, atol=1e-14, err_msg=key)


# Padding


def squares(parts, length):
    """A loss of all outputs that count."""
    model, xs = parts
    out = model.of_sequences(xs, length)
    counted = out | {"many": jnp.where((jnp.arange(T) < length)[:, None], out["many"], 0)}
    return sum(jnp.sum(y**2) for y in counted.values()), out


@eqx.filter_jit
def gradients(model, xs, lengths):
    """For each sequence of a batch: outputs, gradient by the weights, gradient by the samples."""
    pull = eqx.filter_value_and_grad(squares, has_aux=True)
    return eqx.filter_vmap(lambda xs, length: pull((model, xs), length), in_axes=(0, 0))(xs, lengths)


@pytest.mark.slow
def test_checkpoints_change_no_gradient():
    readout = eqx.nn.Linear(N, D, key=KEYS[10])
    models = [Everything(learn.Iterated(CELLS["lstm"], checkpoints=k), readout) for k in (None, 2)]
    for a, b in zip(*(jax.tree.leaves(gradients(model, XS, LENGTHS)) for model in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


PADDINGS = {"noise": jax.random.normal(KEYS[11], (3, T, D)), "huge": 1e300, "infinite": -jnp.inf, "NaN": jnp.nan}


@pytest.mark.slow
@pytest.mark.parametrize("name", named(RUNNERS, quick=("lstm", "bidirectional")))
def test_padding_changes_nothing(name):
    model = everything(name)
    padding = jax.vmap(lambda length: jnp.arange(T) >= length)(LENGTHS)[:, :, None]
    clean = gradients(model, jnp.where(padding, 0, XS), LENGTHS)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))
    samples = clean[1][1]
    assert not jnp.where(padding, samples, 0).any() and jnp.where(padding, 1, samples).all()
    for kind, filling in PADDINGS.items():
        again = gradients(model, jnp.where(padding, filling, XS), LENGTHS)
        for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(clean), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=kind)


@pytest.mark.parametrize("name", named(CELLS))
@pytest.mark.parametrize("length", [1, 3, T])
def test_a_padded_sequence_is_a_shorter_one(name, length):
    padded = XS[0].at[length:].set(jnp.nan)
    short, _ = loop(name, XS[0, :length])
    outputs = ITERATED[name].outputs(padded, length)
    np.testing.assert_allclose(outputs[:length], short, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(outputs[length:], jnp.broadcast_to(outputs[length - 1], (T - length, N)))


@pytest.mark.slow
@pytest.mark.parametrize("path, straight", [(ro.Hold, False), (ro.Linear, True)])
@pytest.mark.parametrize("length", [1, 3, T])
def test_a_padded_sequence_is_a_shorter_one_to_a_field(path, straight, length):
    padded = XS[0].at[length:].set(jnp.nan)
    outputs = learn.Integrated(LINEAR, path).outputs(padded, length)
    short = linear_steps(XS[0, :length], np.zeros(N), straight)
    np.testing.assert_allclose(outputs[:length], short, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(outputs[length:], jnp.broadcast_to(outputs[length - 1], (T - length, N)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "runner, length, total",
    [
        pytest.param(
            learn.Iterated(ro.VanillaCell(1e3 * jnp.eye(2), jnp.ones((2, 1)), jnp.ones(2))),
            40,
            150,
            marks=pytest.mark.slow,
        ),
        (learn.Iterated(ro.VanillaCell([[1.0]], [[0.0]], [0.0], activation=jnp.exp)), 4, 8),  # 1, e, 15, 4e6, ∞
        pytest.param(
            FLOW(ro.CTRNN([[101.0]], [[1.0]], [1.0], activation=jax.nn.relu)),  # grows as e^{100 t}
            3,
            12,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["steps", "one step", "flow"],
)
def test_a_tail_that_would_overflow_leaves_gradients_finite(runner, length, total):
    xs = jnp.ones((total, 1))

    def size(parts):
        return jnp.sum(parts[0].last(parts[1], length))

    value, (weights, samples) = eqx.filter_value_and_grad(size)((runner, xs))
    exact, (wanted, by_sample) = eqx.filter_value_and_grad(
        lambda parts: jnp.sum(parts[0].last(parts[1])),
    )((runner, xs[:length]))
    np.testing.assert_allclose(value, exact, rtol=1e-9)
    assert jnp.isfinite(exact) and not samples[length:].any()
    for a, b in zip(jax.tree.leaves((weights, samples[:length])), jax.tree.leaves((wanted, by_sample)), strict=True):
        assert jnp.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=1e-8)


@pytest.mark.slow
def test_padding_is_ignored_in_float32(float32):
    cell = ro.VanillaCell.random(jax.random.key(0), D, N, activation=jnp.tanh)
    xs = jax.random.normal(jax.random.key(1), (T, D))
    runner = learn.Iterated(cell)
    outputs = runner.outputs(xs.at[3:].set(jnp.nan), 3)
    assert outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs[:3], runner.outputs(xs[:3]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [0, -1, T + 1, jnp.array(T + 1)])
@pytest.mark.parametrize("name", ["gru", "cornn", "bidirectional", "stacked"])
def test_a_length_that_cannot_be_is_refused(name, length):
    with pytest.raises(ValueError, match=f"length must be from 1 to the number of samples, 5; got {int(length)}"):
        RUNNERS[name].outputs(XS[0], length)


@pytest.mark.parametrize("length", [2.0, jnp.array([1, 2])])
def test_a_length_that_is_no_whole_number_is_refused(as_user, length):
    with pytest.raises(TypeError, match="length must be a whole number"):
        ITERATED["gru"].last(XS[0], length)


# Encoders and decoders


def unroll(name, h, readout, fed=None):
    """Values one after another, each fed the one before, or the true one before."""
    y, values = jnp.zeros(D), []
    for k in range(T):
        output, h = loop(name, [y if fed is None or k == 0 else fed[k - 1]], h)
        values.append(readout(output[0]))
        y = values[-1]
    return np.stack(values)


@pytest.mark.parametrize("name", named(CELLS))
def test_an_encoder_and_decoder_are_two_loops(name):
    readout = eqx.nn.Linear(N, D, key=KEYS[10])
    model = learn.EncoderDecoder(ITERATED[name], ITERATED[name], readout)
    _, h = loop(name, XS[0])
    free = unroll(name, h, readout)
    np.testing.assert_allclose(model(XS[0], T), free, rtol=1e-12, atol=1e-14)
    taught = unroll(name, h, readout, XS[1])
    np.testing.assert_allclose(model(XS[0], T, targets=XS[1]), taught, rtol=1e-12, atol=1e-14)
    assert np.abs(free - taught).max() > 1e-3


@pytest.mark.parametrize("name", named(RECURRENT))
def test_taught_its_own_outputs_a_decoder_says_them_again(name):
    model = learn.EncoderDecoder(RECURRENT[name], RECURRENT[name], eqx.nn.Linear(N, D, key=KEYS[10]))
    free = model(XS[0], T)
    np.testing.assert_allclose(model(XS[0], T, targets=free), free, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_a_field_decodes_with_its_input_held():
    readout = eqx.nn.Linear(N, D, key=KEYS[10])
    model = learn.EncoderDecoder(learn.Integrated(LINEAR), learn.Integrated(LINEAR, ro.Linear), readout)
    h, y, values = linear_steps(XS[0], np.zeros(N))[-1], np.zeros(D), []
    for _ in range(T):
        h = linear_steps(y[None], h)[0]
        y = np.asarray(readout(h))
        values.append(y)
    np.testing.assert_allclose(model(XS[0], T), values, atol=1e-4)  # four steps of Tsit5 a sample


@pytest.mark.slow
def test_the_gradient_of_an_encoder_and_decoder_is_that_of_differences():
    def loss(model):
        return jnp.mean((model(XS[0], T) - XS[1]) ** 2)

    model = learn.EncoderDecoder(ITERATED["gru"], ITERATED["gru"], eqx.nn.Linear(N, D, key=KEYS[10]))
    params, static = eqx.partition(model, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    of = jax.jit(lambda flat: loss(eqx.combine(unravel(flat), static)))
    gradient = jax.grad(of)(flat)
    along = jnp.sin(jnp.arange(flat.size, dtype=flat.dtype))
    measured = (of(flat + 1e-6 * along) - of(flat - 1e-6 * along)) / 2e-6
    np.testing.assert_allclose(gradient @ along, measured, rtol=1e-7)


# Rollout


def test_a_rollout_is_a_loop():
    history, model = np.asarray(XS[0]), eqx.nn.MLP(T * D, D, 4, 1, key=KEYS[9])
    seen = [*history]
    for _ in range(7):
        seen.append(np.asarray(model(jnp.ravel(jnp.stack(seen[-T:])))))
    forecast = learn.rollout(lambda history: model(jnp.ravel(history))[None], XS[0], 7)
    np.testing.assert_allclose(forecast, seen[T:], rtol=1e-12, atol=1e-14)


def test_a_rollout_of_an_autoregression_is_a_damped_oscillation():
    """x_t = 2 r cos ω x_{t−1} − r² x_{t−2} is solved by r^t cos(ω t + φ)."""
    r, omega, phase = 0.95, 0.7, 0.3
    t = np.arange(30)
    wave = (r**t * np.cos(omega * t + phase))[:, None]
    forecast = learn.rollout(
        lambda seen: 2 * r * jnp.cos(omega) * seen[-1] - r**2 * seen[-2], jnp.asarray(wave[:6]), 24
    )
    np.testing.assert_allclose(forecast, wave[6:], atol=1e-13)


# What comes later


class Peeking(eqx.Module):
    """A field that reads its input later than the time, and does not say so."""

    def initial_state(self):
        return jnp.zeros(N)

    def __call__(self, t, h, path):
        return jnp.sum(path(t + 1.25)) + path(t - 0.75)[0] - h


CELL, AFFINE = (
    CELLS["vanilla"],
    eqx.tree_at(lambda cell: cell.W_h, CELLS["vanilla"], jnp.diag(jnp.array([0.9, 0.5, 0.7]))),
)
AFFINE = ro.VanillaCell(AFFINE.W_h, AFFINE.W_x, AFFINE.b, activation=None)
FLOWS = {
    "forward": ro.to_ode(CELL, ro.Forward(2)),
    "peeking": Peeking(),
    "tustin": ro.to_ode(CELL, ro.Tustin()),
    "anchored": ro.to_ode(eqx.tree_at(lambda cell: cell.W_h, CELL, AFFINE.W_h), ro.Exact(anchored=True)),
    "affine": ro.to_ode(AFFINE, ro.Exact()),
    "backward": ro.to_ode(AFFINE, ro.Backward(2)),
    "linear": LINEAR,
    "ctrnn": ro.CTRNN.random(KEYS[4], D, N),
    "cornn": OSCILLATORS(KEYS[5], D, N),
    "antisymmetric": ro.AntisymmetricRNN.random(KEYS[5], D, N),
    "gru-ode": ro.GRUODE.random(KEYS[5], D, N),
    "gru": ro.to_ode(CELLS["gru"], ro.Forward(3)),
}


def changed_from(k):
    return XS[0].at[k:].set(3 * XS[1, k:])


@eqx.filter_jit
def many(runner, xs):
    model = learn.ManyToMany(runner, lambda output: output[-2:])
    return jax.vmap(model)(xs)


def leaves_the_past_alone(runner):
    """Whether outputs[:k] stay what they are, bit by bit, when xs[k:] changes; what changes does count from then on."""
    places = (1, 2, 4)
    outputs, *rows = np.asarray(many(runner, jnp.stack([XS[0], *(changed_from(k) for k in places)])))
    assert np.isfinite(outputs).all()
    assert all((row[k] != outputs[k]).any() for k, row in zip(places, rows, strict=True))
    return all((row[:k] == outputs[:k]).all() for k, row in zip(places, rows, strict=True))


@pytest.mark.parametrize("name", named(FLOWS, quick=("forward", "peeking")))
def test_no_output_depends_on_a_later_sample(name):
    runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-4, atol=1e-6)
    assert leaves_the_past_alone(runner)
    if name != "peeking":
        assert leaves_the_past_alone(learn.Integrated(FLOWS[name], ro.Hold, rtol=1e-4, atol=1e-6))


@pytest.mark.slow
def test_no_output_of_networks_layers_and_observations_depends_on_a_later_sample():
    flow = learn.Integrated(FLOWS["forward"], ro.Linear, rtol=1e-4, atol=1e-6)
    assert leaves_the_past_alone(ITERATED["lstm"])
    assert leaves_the_past_alone(learn.Stacked([flow, learn.Iterated(eqx.nn.GRUCell(N, N, key=KEYS[8]))]))
    assert not leaves_the_past_alone(RUNNERS["bidirectional"])


@pytest.mark.slow
def test_a_flow_of_a_series_that_ends_is_the_start_of_a_longer_one():
    """What is read after a step's own sample is what is read after the last one: its value."""
    for name in ("forward", "tustin", "affine"):
        runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-8, atol=1e-10)
        outputs = runner.outputs(XS[0])
        np.testing.assert_allclose(runner.outputs(XS[0, :3]), outputs[:3], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(runner.outputs(XS[0], 3)[:3], outputs[:3], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(runner.last(XS[0]), outputs[-1], rtol=1e-12)
    held = learn.Integrated(FLOWS["forward"], ro.Hold, rtol=1e-8, atol=1e-10)  # it reads nothing but what comes later
    straight = learn.Integrated(FLOWS["forward"], ro.Linear, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(straight.outputs(XS[0]), held.outputs(XS[0]), rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_white_noise_is_not_predicted():
    """The share of the next sample's variance that a linear readout explains: of n = 600 samples and p = 3 outputs p/n on
    average where nothing is known, and beyond 0.03 once in 10^3 (chi squared of 3 degrees)."""
    xs = jax.random.normal(KEYS[6], (601, D))
    for name in ("forward", "tustin", "anchored"):
        runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-4, atol=1e-6)
        outputs, following = np.asarray(runner.outputs(xs))[:-1], np.asarray(xs)[1:]
        outputs, following = outputs - outputs.mean(0), following - following.mean(0)
        left = following - outputs @ np.linalg.lstsq(outputs, following)[0]
        assert (1 - left.var(0) / following.var(0)).max() < 0.03


class Unsaid(ro.Hold):
    beyond = None  # pyright: ignore[reportAssignmentType]


@pytest.mark.parametrize("path", [ro.Cubic, ro.BandLimited, Unsaid])
def test_paths_that_need_later_samples_are_refused_where_outputs_are_of_their_time(path):
    runner = learn.Integrated(LINEAR, path)
    for call in (runner.outputs, runner.states, learn.ManyToMany(runner, lambda output: output)):
        with pytest.raises(ValueError, match=rf"path = {path.__name__} cannot give a state after.*rnn_ode\.Linear"):
            call(XS[0])


@pytest.mark.slow
def test_paths_that_need_later_samples_serve_the_whole_sequence():
    runner, h0 = learn.Integrated(LINEAR, ro.Cubic), jnp.zeros(N)
    states = ro.integrate(LINEAR, ro.Cubic(XS[0]), h0).states
    np.testing.assert_allclose(runner.last(XS[0]), states[-1], rtol=1e-12)
    there = learn.Bidirectional(runner, ITERATED["gru"]).outputs(XS[0])[:, :N]
    np.testing.assert_allclose(there, states[1:], rtol=1e-12)
    np.testing.assert_allclose(learn.Stacked([runner, runner]).layers[1].last(XS[0]), states[-1], rtol=1e-12)
    assert learn.EncoderDecoder(runner, runner, eqx.nn.Linear(N, D, key=KEYS[10]))(XS[0], 2).shape == (2, D)


# Units and types


@pytest.mark.slow
@pytest.mark.parametrize("c", [2.0**20, 2.0**-20])
def test_a_flow_in_another_unit_of_time_is_the_same(c):
    fast = eqx.tree_at(lambda field: field.log_tau, FLOWS["ctrnn"], FLOWS["ctrnn"].log_tau + np.log(c))
    one, other = (
        learn.Integrated(f, ro.Linear, dt, rtol=1e-8, atol=1e-10) for f, dt in ((FLOWS["ctrnn"], 1.0), (fast, c))
    )
    np.testing.assert_allclose(other.outputs(XS[0]), one.outputs(XS[0]), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.outputs(XS[0], 3), one.outputs(XS[0], 3), rtol=1e-8, atol=1e-10)


def single(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, tree)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "cornn", "bidirectional"])
def test_a_model_takes_samples_of_any_type_in_any_precision(name):
    """float64 or float32, of a process that knows float64 or not; NumPy's numbers, whole ones too."""
    model, xs = everything(name), np.round(3 * np.asarray(XS[0]))
    wanted = model(xs, 3)
    for kind in (xs.astype(int), xs, xs.astype(np.float32)):
        for x64 in (True, False):
            with jax.enable_x64(x64):
                found = (model if x64 else single(model))(kind, 3)
                mixed = single(model)(kind, 3)
            for key, value in wanted.items():
                np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-4)
                np.testing.assert_allclose(mixed[key], value, rtol=1e-3, atol=1e-4)


def test_a_rollout_takes_whole_numbers():
    assert learn.rollout(lambda seen: 0.5 * seen[-1], np.ones((2, 1), int), 2)[:, 0].tolist() == [0.5, 0.25]


# What is refused


def test_wirings_refuse_what_does_not_fit(as_user):
    gru, readout, key = ITERATED["gru"], eqx.nn.Linear(N, D, key=KEYS[10]), KEYS[9]
    with pytest.raises(TypeError, match=r"runner must be one of rnn_ode.learn's, such as Iterated\(cell\)"):
        learn.ManyToOne(eqx.nn.GRUCell(D, N, key=key), readout)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="readout must be a callable"):
        learn.ManyToOne(gru, None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"encoder must hand on one state, .* got Bidirectional"):
        learn.EncoderDecoder(RUNNERS["bidirectional"], gru, readout)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"targets must have shape \(5, 2\), .* got \(4, 2\)"):
        learn.EncoderDecoder(gru, gru, readout)(XS[0], T, targets=XS[0, :-1])
    with pytest.raises(ValueError, match="layers must hold at least one runner"):
        learn.Stacked([])
    for call in (
        lambda: learn.OneToMany(gru, readout)(XS[0, 0], 0),
        lambda: learn.EncoderDecoder(gru, gru, readout)(XS[0], 0),
        lambda: learn.rollout(lambda history: history[-1], XS[0], 0),
    ):
        with pytest.raises(ValueError, match="steps must be at least 1; got 0"):
            call()


@pytest.mark.parametrize("path", [ro.Hold, ro.Linear])
def test_a_later_sample_that_is_nan_changes_no_earlier_output(path):
    runner = learn.Integrated(ro.CTRNN.random(jax.random.key(0), 1, 2), path=path)
    xs = jnp.ones((6, 1))
    outputs = eqx.filter_jit(runner.outputs)(xs.at[4:].set(jnp.nan))
    np.testing.assert_array_equal(outputs[:4], runner.outputs(xs)[:4])
