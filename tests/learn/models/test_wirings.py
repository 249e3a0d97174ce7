"""Wirings of every runner: batched, padded, in any precision, and what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runners import CELLS, ITERATED, KEYS, RECURRENT, RUNNERS, XS, D, N, T, loop, named
from weights import drawn

from rnn_ode import learn

LENGTHS = jnp.array([1, 3, T])


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


KINDS_OF_RUNNERS = ("lstm", "cornn", "bidirectional", "stacked")  # each of their classes, with a state of two parts


def everything(name):
    width = 2 * N if name == "bidirectional" else N
    return Everything(RUNNERS[name], drawn(eqx.nn.Linear, width, D, seed=10))


@eqx.filter_jit
def batched(model, xs, lengths):
    return jax.vmap(model)(xs, lengths)


@pytest.mark.gate
@pytest.mark.parametrize("name", KINDS_OF_RUNNERS)
def test_a_compiled_batch_equals_single_calls(name):
    model = everything(name)
    rows = batched(model, XS, LENGTHS)
    shapes = {key: value.shape[1:] for key, value in rows.items()}
    series = {"many": (T, D), "last": (D,), "one": (D,), "seed": (T, D)}
    assert shapes == series | ({"encoder": (T, D)} if name in RECURRENT else {})
    for k, length in enumerate((1, 3, None)):
        for key, value in model(XS[k], length).items():
            np.testing.assert_allclose(rows[key][k], value, rtol=1e-9, atol=1e-11, err_msg=f"{key}, {length}")


@pytest.mark.parametrize("name", named(("vanilla", "lstm")))
def test_wirings_of_a_network_equal_a_loop_over_its_cell(name):
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
def test_checkpoints_do_not_change_gradients():
    readout = drawn(eqx.nn.Linear, N, D, seed=10)
    models = [Everything(learn.Iterated(CELLS["lstm"], checkpoints=k), readout) for k in (None, 2)]
    for a, b in zip(*(jax.tree.leaves(gradients(model, XS, LENGTHS)) for model in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


PADDINGS = {"noise": jax.random.normal(KEYS[11], (3, T, D)), "huge": 1e300, "infinite": -jnp.inf, "NaN": jnp.nan}


@pytest.mark.parametrize("name", named(KINDS_OF_RUNNERS, quick=("lstm",)))
@pytest.mark.gate
def test_what_stands_in_the_padding_changes_nothing(name):
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


def single(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, tree)


@pytest.mark.gate
@pytest.mark.parametrize("name", ["cornn", "bidirectional"])
def test_models_take_samples_of_any_type_in_any_precision(name):
    """float64 or float32, of a process that knows float64 or not; NumPy's numbers, whole ones too."""
    model, xs = everything(name), np.round(3 * np.asarray(XS[0]))
    wanted = model(xs, 3)
    ways = [(model, int, True), (single(model), float, False), (model, np.float32, True), (single(model), float, True)]
    for asked, kind, x64 in ways[:2] if name == "cornn" else ways[1:]:  # a flow compiles for seconds
        with jax.enable_x64(x64):
            found = asked(xs.astype(kind), 3)
        for key, value in wanted.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-4)


def test_wirings_refuse_what_does_not_fit(as_user):
    gru, readout, key = ITERATED["gru"], drawn(eqx.nn.Linear, N, D, seed=10), KEYS[9]
    with pytest.raises(TypeError, match=r"runner must be an AbstractRunner, such as Iterated\(cell\)"):
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
