"""`iterate(…, fold=)`: against the loop in Python, and its derivatives against those of a loss of all states."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parts import CELLS, STATES, XS, T

import rnn_ode as ro

YS = np.cos(np.arange(3.0 * T)).reshape(T, 3)
WEIGHTS = np.sin(np.arange(9.0)).reshape(3, 3)
slow = pytest.mark.slow


class Readout(eqx.Module):
    """A loss by step with trained weights, in which the numbers before count too."""

    W: jax.Array

    def __call__(self, acc, h, row):
        y = self.W @ jax.tree.leaves(h)[-1]
        return {"loss": 0.9 * acc["loss"] + jnp.sum((y - row["y"]) ** 2), "largest": jnp.maximum(acc["largest"], y)}


INIT = {"loss": np.array(0.3), "largest": np.full(3, -0.4)}


def number(acc):
    return acc["loss"] + acc["largest"] @ jnp.arange(1.0, 4.0)


def folded(given, **options):
    cell, f, xs, h0, init, ys = given
    return ro.iterate(cell, xs, h0, fold=(f, init, {"y": ys}), throw=False, **options).stats["fold"]


def by_hand(given):
    """The same by a plain scan, of which autodiff keeps all states."""
    cell, f, xs, h0, init, ys = given

    def body(h, x):
        h = cell(x, h)
        return h, h

    states = jax.lax.scan(body, h0, xs)[1]
    return jax.lax.scan(lambda acc, given: (f(acc, given[0], {"y": given[1]}), None), init, (states, ys))[0]


def example(name):
    cell = (lambda x, h: jnp.tanh(h + x.sum())) if name == "function" else CELLS[name]
    h0 = jnp.linspace(-0.4, 0.5, 3) if name == "function" else STATES[name]
    given = Readout(WEIGHTS), XS, h0, INIT, YS
    return cell, *jax.tree.map(jnp.asarray, given)


def assert_close(found, wanted, tolerance=1e-12):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * float(jnp.max(jnp.abs(b))))


@pytest.mark.parametrize(
    "name", ["tanh", "function", *(pytest.param(n, marks=slow) for n in ("gru", "lstm", "stacked"))]
)
def test_a_fold_is_the_loop_in_python(name):
    cell, f, xs, h, acc, ys = example(name)
    for x, y in zip(xs, ys, strict=True):
        h = cell(x, h)
        acc = f(acc, h, {"y": y})
    run = ro.iterate(cell, xs, example(name)[3], fold=(f, INIT, {"y": ys}))
    assert_close(run.stats["fold"], acc)
    assert_close(run.states, ro.iterate(cell, xs, example(name)[3]).states, 1e-14)


@pytest.mark.parametrize(
    ("name", "checkpoints"),
    [
        ("tanh", None),
        *(pytest.param(name, None, marks=slow) for name in ("lstm", "stacked")),
        *(pytest.param(name, None, marks=pytest.mark.thorough) for name in ("gru", "function")),
        *(pytest.param(name, k, marks=slow) for name, k in (("tanh", 3), ("function", 3))),
    ],
)
@pytest.mark.gate
def test_derivatives_are_those_of_the_loss_of_all_states(name, checkpoints):
    """By the weights, the readout, the input, both starts and the rows; a tangent; and the tangent of the gradient."""
    whole, static = eqx.partition(example(name), eqx.is_inexact_array)
    along = jax.tree.map(lambda leaf: jnp.cos(1 + jnp.arange(leaf.size)).reshape(leaf.shape), whole)

    @jax.jit
    def derivatives(whole, along):
        def value(run):
            return lambda whole: number(run(eqx.combine(whole, static)))

        def all_three(value):
            gradient, second = jax.jvp(jax.grad(value), (whole,), (along,))
            return gradient, jax.jvp(value, (whole,), (along,))[1], second

        return all_three(value(lambda given: folded(given, checkpoints=checkpoints))), all_three(value(by_hand))

    found, wanted = derivatives(whole, along)
    assert_close(found, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_a_batch_of_gradients_is_a_loop_over_it(axis):
    cell, f, _, h0, init, _ = example("tanh")
    xs, ys = np.stack([XS, 2 * XS], axis), np.stack([YS, -YS], axis)

    def gradient(xs, ys):
        return eqx.filter_grad(lambda whole: number(folded((*whole, xs, h0, init, ys))))((cell, f))

    found = jax.jit(jax.vmap(gradient, in_axes=axis))(xs, ys)
    one_by_one = [jax.jit(gradient)(np.take(xs, k, axis), np.take(ys, k, axis)) for k in range(2)]
    assert_close(found, jax.tree.map(lambda *leaves: jnp.stack(leaves), *one_by_one))


@pytest.mark.slow
def test_labels_and_counts_may_be_whole_numbers():
    labels = np.arange(T) % 3

    def f(acc, h, label):
        return acc[0] - jax.nn.log_softmax(h)[label], acc[1] + (jnp.argmax(h) == label)

    def loss(cell):
        total, hits = ro.iterate(cell, XS, fold=(f, (0.0, 0), labels), throw=False).stats["fold"]
        return total, hits

    (total, hits), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(CELLS["tanh"])
    states = ro.iterate(CELLS["tanh"], XS).states[1:]
    np.testing.assert_allclose(total, -jnp.sum(jax.nn.log_softmax(states)[np.arange(T), labels]), rtol=1e-12)
    assert hits == np.sum(np.argmax(states, axis=1) == labels) and np.isfinite(gradient.W_h).all()


@pytest.mark.slow
def test_python_numbers_take_the_type_of_the_run():
    """In float64 the number 0.0 is one of float64, but the cell and its loss are in float32."""
    cell = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), CELLS["tanh"])
    for fold in ((lambda acc, h, row: acc + h.sum(), 0.0, None), (lambda acc, h, row: acc + h.sum(), 0, None)):
        assert ro.iterate(cell, XS.astype(np.float32), fold=fold).stats["fold"].dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell", [ro.VanillaCell([[2.0]], [[0.0]], [0.0]), lambda x, h: 2 * h], ids=["apart", "function"]
)
def test_a_run_that_overflows_has_no_number(cell):
    """Also where f looks away: tanh of infinity is 1."""

    def run(throw):
        fold = (lambda acc, h, row: (acc[0] + jnp.tanh(h[0]), acc[1] + 1), (0.0, 0), None)
        return ro.iterate(cell, np.ones((9, 1)), np.array([2.0**1020]), fold=fold, throw=throw)

    found = run(throw=False)
    assert found.result == ro.RESULTS.left_float_range
    assert np.isinf(found.stats["fold"][0]) and found.stats["fold"][1] == 9
    with pytest.raises(RuntimeError, match="left the float range"):
        jax.jit(lambda: run(throw=True).stats["fold"])()


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["tanh", "function"])
@pytest.mark.parametrize("used", [pytest.param("fold", marks=slow), "result", pytest.param("throw", marks=slow)])
def test_states_that_nobody_uses_are_not_in_memory(cell, used):
    steps, units = 4096, 40
    cells = {
        "tanh": ro.VanillaCell(0.1 * np.eye(units), np.ones((units, 1)), np.zeros(units), jnp.tanh),
        "function": lambda x, h: jnp.tanh(h + x),
    }

    @jax.jit
    def run(xs):
        fold = (lambda acc, h, row: acc + h.sum(), 0.0, None)
        done = ro.iterate(cells[cell], xs, np.zeros(units), fold=fold, throw=used == "throw")
        return done.stats["fold"], done.result if used == "result" else None

    compiled = run.lower(np.ones((steps, 1))).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.2 * 8 * steps * units


@pytest.mark.slow
def test_a_gradient_keeps_three_arrays_of_states_and_none_of_their_cotangents():
    """The states, what tanh gets, and what comes back from it."""
    steps, units = 500, 64
    cell = ro.VanillaCell(0.1 * np.eye(units), np.ones((units, 1)), np.zeros(units), jnp.tanh)

    def loss(cell, xs, ys):
        fold = (lambda acc, h, y: acc + jnp.sum((h - y) ** 2), 0.0, ys)
        return ro.iterate(cell, xs, fold=fold, throw=False).stats["fold"]

    compiled = jax.jit(jax.grad(loss)).lower(cell, np.ones((steps, 1)), np.ones((steps, units))).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 3.3 * 8 * steps * units


def test_a_run_that_keeps_no_states_is_shown():
    run = ro.iterate(CELLS["tanh"], XS, save=lambda h: (), fold=(lambda acc, h, row: acc + h[0], 0.0, None))
    assert "A run: 8 times, and no states." in run.table()
    found = run.to_dict()
    assert found["states"] == {} and isinstance(found["stats"]["fold"], float)


def sums(acc, h, row):
    return acc + h.sum()


@pytest.mark.parametrize(
    ("fold", "error", "message"),
    [
        (
            sums,
            TypeError,
            r"fold must be a triple \(f, init, rows\), with rows=None if f needs none; got <function sums",
        ),
        ((sums, 0.0), TypeError, r"fold must be a triple"),
        ((0.5, 0.0, None), TypeError, r"f in fold=\(f, init, rows\) must be a callable f\(acc, h, row\); got 0\.5"),
        (
            (sums, 0.0, YS[:3]),
            ValueError,
            r"rows in fold=.* one row for each of the 7 steps, time first; .* \(3, 3\)\.",
        ),
        ((sums, 0.0, (YS, 1.0)), ValueError, r"rows in fold=.* got an array of shape \(\)\."),
        ((sums, "0", None), TypeError, r"init in fold=\(f, init, rows\) must hold arrays: "),
        ((sums, 0.0, ["y"] * T), TypeError, r"rows in fold=\(f, init, rows\) must hold arrays: "),
        (
            (lambda a, h, r: h, 0.0, None),
            ValueError,
            r"must return a value like init: init is .*\[\], f .* float64\[3\]\.",
        ),
        ((lambda a, h, r: (a, a), 0.0, None), ValueError, r"init is float64\[\], f returned \('float64\[\]', 'float64"),
        ((sums, np.float32(0), None), ValueError, r"init is float32\[\], f returned float64\[\]"),
        ((lambda a, h, r: None, 0.0, None), ValueError, r"init is float64\[\], f returned None"),
    ],
)
def test_a_bad_fold_is_named(fold, error, message, as_user):
    with pytest.raises(error, match=message):
        ro.iterate(CELLS["tanh"], XS, fold=fold)
