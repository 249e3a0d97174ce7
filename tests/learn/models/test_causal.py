"""No output depends on a later sample, nor does its derivative."""

import zlib
from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lazy import Lazy
from runners import CELLS, FLOWS, ITERATED, KEYS, LINEAR, RUNNERS, XS, D, N, T, named
from strangers import Eased, Steps
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn


def changed_from(k):
    return XS[0].at[k:].set(3 * XS[1, k:])


@eqx.filter_jit
def many(runner, xs):
    model = learn.ManyToMany(runner, lambda output: output[-2:])
    return jax.vmap(model)(xs)


def leaves_the_past_alone(runner):
    """Assert that outputs[:k] stay the same bit by bit when xs[k:] changes, and that later outputs change."""
    places = (1, 2, 4)
    outputs, *rows = np.asarray(many(runner, jnp.stack([XS[0], *(changed_from(k) for k in places)])))
    assert np.isfinite(outputs).all()
    assert all((row[k] != outputs[k]).any() for k, row in zip(places, rows, strict=True))
    return all((row[:k] == outputs[:k]).all() for k, row in zip(places, rows, strict=True))


# they read at the time or later, are anchored, and have a state of two parts; the others are below, with their derivatives
KINDS_OF_FLOWS = ("peeking", "anchored", "cornn")


@pytest.mark.parametrize("name", named(KINDS_OF_FLOWS, quick=("peeking",)))
@pytest.mark.gate
def test_no_output_depends_on_a_later_sample(name):
    assert leaves_the_past_alone(learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-4, atol=1e-6))
    if name == "anchored":
        assert leaves_the_past_alone(learn.Integrated(FLOWS[name], ro.Hold, rtol=1e-4, atol=1e-6))


@pytest.mark.gate
def test_no_output_of_networks_and_layers_depends_on_a_later_sample():
    flow = learn.Integrated(FLOWS["forward"], ro.Linear, rtol=1e-4, atol=1e-6)
    assert leaves_the_past_alone(ITERATED["lstm"])
    assert leaves_the_past_alone(learn.Stacked([flow, learn.Iterated(drawn(eqx.nn.GRUCell, N, N, seed=8))]))
    assert not leaves_the_past_alone(RUNNERS["bidirectional"])


@pytest.mark.gate
def test_the_outputs_of_a_shorter_series_are_the_first_of_a_longer_one():
    """A field that reads later than a step's own sample gets the value of that sample, as after the last sample."""
    for name in ("tustin", "affine"):
        runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-8, atol=1e-10)
        outputs = runner.outputs(XS[0])
        np.testing.assert_allclose(runner.outputs(XS[0, :3]), outputs[:3], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(runner.outputs(XS[0], 3)[:3], outputs[:3], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(runner.last(XS[0]), outputs[-1], rtol=1e-12)
    held = learn.Integrated(FLOWS["forward"], ro.Hold, rtol=1e-8, atol=1e-10)  # it reads nothing but what comes later
    straight = learn.Integrated(FLOWS["forward"], ro.Linear, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(straight.outputs(XS[0]), held.outputs(XS[0]), rtol=1e-9, atol=1e-11)


@pytest.mark.thorough
def test_white_noise_cannot_be_predicted():
    """The share of the next sample's variance that a linear readout explains: of n = 600 samples and p = 3 outputs p/n on
    average where nothing is known, and beyond 0.03 once in 10^3 (chi squared of 3 degrees)."""
    xs = jax.random.normal(KEYS[6], (601, D))
    for name in ("tustin", "anchored"):
        runner = learn.Integrated(FLOWS[name], ro.Linear, rtol=1e-4, atol=1e-6)
        outputs, following = np.asarray(runner.outputs(xs))[:-1], np.asarray(xs)[1:]
        outputs, following = outputs - outputs.mean(0), following - following.mean(0)
        left = following - outputs @ np.linalg.lstsq(outputs, following)[0]
        assert (1 - left.var(0) / following.var(0)).max() < 0.03


class Unsaid(ro.Hold):
    beyond = None  # pyright: ignore[reportAssignmentType]


@pytest.mark.parametrize("path", [ro.Cubic, ro.BandLimited, Unsaid])
def test_paths_that_need_later_samples_are_refused_for_causal_outputs(path):
    runner = learn.Integrated(LINEAR, path)
    for call in (runner.outputs, runner.states, learn.ManyToMany(runner, lambda output: output)):
        with pytest.raises(ValueError, match=rf"path = {path.__name__} cannot give a state after.*rnn_ode\.Linear"):
            call(XS[0])


@pytest.mark.slow
def test_paths_that_need_later_samples_are_taken_for_the_whole_sequence():
    runner, h0 = learn.Integrated(LINEAR, ro.Cubic), jnp.zeros(N)
    states = ro.integrate(LINEAR, ro.Cubic(XS[0]), h0).states
    np.testing.assert_allclose(runner.last(XS[0]), states[-1], rtol=1e-12)
    there = learn.Bidirectional(runner, ITERATED["gru"]).outputs(XS[0])[:, :N]
    np.testing.assert_allclose(there, states[1:], rtol=1e-12)
    np.testing.assert_allclose(learn.Stacked([runner, runner]).layers[1].last(XS[0]), states[-1], rtol=1e-12)
    assert learn.EncoderDecoder(runner, runner, drawn(eqx.nn.Linear, N, D, seed=10))(XS[0], 2).shape == (2, D)


@pytest.mark.gate
@pytest.mark.parametrize("path", [ro.Hold, ro.Linear])
def test_a_later_sample_that_is_nan_changes_no_earlier_output(path):
    runner = learn.Integrated(ro.CTRNN.random(jax.random.key(0), 1, 2), path=path)
    xs = jnp.ones((6, 1))
    outputs = eqx.filter_jit(runner.outputs)(xs.at[4:].set(jnp.nan))
    np.testing.assert_array_equal(outputs[:4], runner.outputs(xs)[:4])


# The property over all wirings, runners, fields and paths. Each case gives T outputs for T samples.


class Told(Steps):
    """A held path of a stranger that says it reads no later sample."""

    beyond = 0


class SmoothlyTold(Eased):
    """The same, smooth. As the package's paths do, it does not multiply a later sample that is NaN by 0."""

    beyond = 0

    def within(self, step, fraction):
        part, following = fraction**2 * (3 - 2 * fraction), self.sample(step)
        following = jnp.where((fraction == 0) & jnp.isnan(following), 0, following)
        return (1 - part) * self.sample(step - 1) + part * following


LOOSE = {"solver": diffrax.Heun(), "rtol": 1e-2, "atol": 1e-3}
RUN = Lazy(
    {name: partial(ITERATED.__getitem__, name) for name in ITERATED}
    | {
        f"{field} {path.__name__}": lambda field=field, path=path: learn.Integrated(FLOWS[field], path, **LOOSE)
        for field in FLOWS
        for path in (ro.Hold, ro.Linear, *((Told, SmoothlyTold) if field in ("peeking", "tustin", "anchored") else ()))
    }
    | {
        "stacked": lambda: learn.Stacked(
            [RUN["forward Linear"], learn.Stacked([learn.Iterated(drawn(eqx.nn.GRUCell, N, N, seed=8))])]
        )
    }
)
MODELS = Lazy(
    {
        "readout": lambda: drawn(eqx.nn.Linear, N, 2, seed=9),
        "ODE-RNN": lambda: learn.ODERNN(LINEAR, drawn(eqx.nn.GRUCell, D, N, seed=2)),
        "bidirectional": lambda: learn.ManyToOne(RUNNERS["bidirectional"], drawn(eqx.nn.Linear, 2 * N, 2, seed=9)),
        "decoder": lambda: learn.EncoderDecoder(
            ITERATED["gru"], learn.Iterated(drawn(eqx.nn.GRUCell, 2, N, seed=3)), MODELS["readout"]
        ),
        "irregular": lambda: learn.IrregularToOne(MODELS["ODE-RNN"], MODELS["readout"]),
    }
)
TIMES = jax.device_put(np.cumsum(np.linspace(0.3, 1.0, T)))


def each_length(model, xs):
    """What a model gives for the first sample, for the first two, and so on: all in an array of one shape."""
    return jax.vmap(lambda length: model(xs, length).ravel())(1 + jnp.arange(T))


CASES = Lazy(
    {f"ManyToMany {name}": lambda name=name: learn.ManyToMany(RUN[name], MODELS["readout"]) for name in RUN}
    | {
        f"ManyToOne {name}": lambda name=name: partial(each_length, learn.ManyToOne(RUN[name], MODELS["readout"]))
        for name in ("lstm", "tustin Linear")
    }
    | {
        "ManyToOne bidirectional": lambda: partial(each_length, MODELS["bidirectional"]),
        "EncoderDecoder": lambda: partial(each_length, lambda xs, length: MODELS["decoder"](xs, 3, length)),
        "EncoderDecoder targets": lambda: (
            lambda xs: MODELS["decoder"](XS[0], T, targets=jnp.concatenate([xs[1:], xs[:1]]))
        ),
        "IrregularToOne": lambda: partial(
            each_length, lambda xs, length: MODELS["irregular"](TIMES, xs, length=length)
        ),
        "ODERNN": lambda: lambda xs: MODELS["ODE-RNN"].outputs(TIMES, xs),
        "iterate": lambda: lambda xs: ro.iterate(CELLS["gru"], xs, throw=False).states[1:],
        "integrate": lambda: (
            lambda xs: ro.integrate(FLOWS["ctrnn"], ro.Hold(xs), jnp.zeros(N), **LOOSE, throw=False).states[1:]
        ),
        "parallel": lambda: lambda xs: ro.iterate(CELLS["vanilla"], xs, parallel=True, throw=False).states[1:],
    }
)


@eqx.filter_jit
def outputs_and_slopes(case, xs, others):
    """The outputs of sequences of which the first is xs, and the derivative of its outputs by its samples."""
    return jax.lax.map(case, jnp.concatenate([xs[None], others])), jax.jacrev(case)(xs)


def check_causal(case, rng):
    xs, other = rng.normal(size=(2, T, D)) * rng.choice([0.1, 1, 10])
    k = int(rng.integers(1, T))
    later = np.arange(T)[:, None] >= k
    changed = np.stack([np.where(later, other, xs), np.where(later, 1e30, xs), np.where(later, np.nan, xs)])
    outputs, slopes = map(np.asarray, outputs_and_slopes(case, jnp.asarray(xs), jnp.asarray(changed)))
    for row in outputs[1:]:
        np.testing.assert_array_equal(row[:k], outputs[0, :k])
    if not np.isfinite(outputs[0]).all():
        return False  # an anchored flow ends where a step has no logarithm
    for i in range(T):
        assert (slopes[i, :, i + 1 :] == 0).all(), i
    assert np.isfinite(slopes).all() and np.abs(slopes).max() > 0
    return True


IN_THE_SUITE = ("ManyToMany lstm", "ManyToMany tustin Linear", "ManyToOne bidirectional", "EncoderDecoder")


@pytest.mark.gate
@pytest.mark.parametrize("name", IN_THE_SUITE)
def test_no_output_and_no_derivative_depends_on_a_later_sample(name):
    assert check_causal(CASES[name], np.random.default_rng(0))


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_nothing_depends_on_a_later_sample(name):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    assert sum(check_causal(CASES[name], rng) for _ in range(50)) >= 10
