"""Training: what it learns, what it watches, and that nothing is lost when it is killed."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnn_ode as ro
from rnn_ode import learn
from rnn_ode.learn._checkpoints.description import build, describe

XS = jax.random.normal(jax.random.key(0), (32, 6, 1))
TARGETS = 0.3 * XS.sum(1)


def small(key: int = 0, hidden: int = 3):
    keys = jax.random.split(jax.random.key(key))
    cell = ro.VanillaCell.random(keys[0], 1, hidden, activation=jnp.tanh)
    return learn.ManyToOne(learn.Iterated(cell), eqx.nn.Linear(hidden, 1, key=keys[1]))


def squares(model, batch):
    xs, targets = batch
    return jnp.mean((jax.vmap(model)(xs) - targets) ** 2)


ADAM = optax.adam(0.01)
QUIET = {"optimiser": ADAM, "key": jax.random.key(1), "progress": False}


def equal(a, b) -> bool:
    return bool(eqx.tree_equal(a, b))


def test_a_step_is_the_optimisers():
    """Three steps of gradient descent by hand."""
    model = small()
    done = learn.fit(model, squares, [(XS, TARGETS)], **{**QUIET, "optimiser": optax.sgd(0.1)}, steps=3)
    by_hand, losses, norms = model, [], []
    for _ in range(3):
        value, gradient = eqx.filter_value_and_grad(squares)(by_hand, (XS, TARGETS))
        leaves = jax.tree.leaves(gradient)
        losses.append(float(value))
        norms.append(float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves))))
        by_hand = eqx.apply_updates(by_hand, jax.tree.map(lambda leaf: -0.1 * leaf, gradient))
    for a, b in zip(jax.tree.leaves(done.model), jax.tree.leaves(by_hand), strict=True):
        if eqx.is_inexact_array(a):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(done.history.loss, losses, rtol=1e-12)
    np.testing.assert_allclose(done.history.gradient_norm, norms, rtol=1e-12)


@pytest.mark.slow
def test_clipping_scales_the_gradient_down_to_the_norm():
    model, way = small(), {**QUIET, "optimiser": optax.sgd(1.0)}
    norm = learn.fit(model, squares, [(XS, TARGETS)], **way, steps=1).history.gradient_norm[0]
    for clip, moved in ((norm / 4, norm / 4), (2 * norm, norm)):
        done = learn.fit(model, squares, [(XS, TARGETS)], **way, steps=1, clip=float(clip))
        arrays = [eqx.filter(tree, eqx.is_inexact_array) for tree in (done.model, model)]
        step = jax.tree.map(lambda a, b: a - b, *arrays)
        np.testing.assert_allclose(float(optax.tree.norm(step)), moved, rtol=1e-10)
        np.testing.assert_allclose(done.history.gradient_norm[0], norm, rtol=1e-12)


@pytest.mark.slow
def test_an_epoch_sees_every_row_once_and_another_order_each_time():
    batches = learn.Minibatches(jnp.arange(12), 4)
    epochs = [jnp.concatenate([batches.at(3 * e + k, jax.random.key(0)) for k in range(3)]).tolist() for e in range(2)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs) and epochs[0] != epochs[1]
    left_out = learn.Minibatches(jnp.arange(5), 2)
    assert left_out.epoch == 2 and left_out.at(7, jax.random.key(0)).shape == (2,)


@pytest.mark.slow
def test_batches_of_every_kind_are_those_they_say():
    """The parameter follows the mean of the batches under this loss and rate."""

    def loss(model, batch, key):
        return 0.5 * jnp.mean((model - batch) ** 2)

    way = {**QUIET, "optimiser": optax.sgd(1.0)}
    drawn = learn.fit(jnp.zeros(1), loss, lambda key: jax.random.normal(key, (3,)), **way, steps=5)
    key = jax.random.fold_in(jax.random.split(way["key"])[0], 4)
    np.testing.assert_allclose(drawn.model[0], jax.random.normal(key, (3,)).mean(), rtol=1e-12)
    listed = learn.fit(jnp.zeros(1), loss, [jnp.full(2, 1.0), jnp.full(2, 5.0)], **way, steps=4)
    assert listed.model[0] == 5 and listed.stopped_because == "all 4 steps are done"
    ended = learn.fit(jnp.zeros(1), loss, iter([jnp.ones(2)] * 3), **way, steps=10)
    assert ended.stopped_because == "the batches ended after 3 steps" and len(ended.history.loss) == 3


def test_the_best_by_validation_is_returned_and_patience_ends():
    """Gradient ascent in disguise: the loss falls while the validation rises from the start."""
    done = learn.fit(
        jnp.array([1.0]),
        lambda model, batch: -jnp.sum(model),
        [0.0],
        **{**QUIET, "optimiser": optax.sgd(1.0)},
        steps=100,
        validate=lambda model: jnp.sum(model**2),
        every=2,
        patience=3,
    )
    assert done.stopped_because == "no better validation in 3 checks"
    np.testing.assert_array_equal(done.history.checked_at, [2, 4, 6, 8])
    np.testing.assert_allclose(done.history.checks["validation"], [9, 25, 49, 81])
    assert done.model[0] == 3


def test_a_validation_that_is_good_enough_ends():
    """The parameter halves at every step, and so does what validates; a resumed run does not begin again."""
    way = {**QUIET, "optimiser": optax.sgd(0.5), "validate": lambda model: jnp.sum(model), "every": 1, "target": 0.3}
    done = learn.fit(jnp.ones(1), lambda model, batch: 0.5 * jnp.sum(model**2), [0.0], **way, steps=100)
    assert done.stopped_because == "the validation reached 0.25, at most 0.3, within 2 steps"
    assert done.model[0] == 0.25


@pytest.mark.slow
def test_what_is_watched_is_logged_with_the_loss():
    watch = learn.Dynamics(XS[0])
    done = learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=4, every=2, watch=watch)
    seen = done.history.checks
    assert seen["gradient_norms"].shape == (2, 7) and seen["lyapunov"].shape == (2,)
    radius = np.abs(np.linalg.eigvals(done.model.runner.cell.W_h)).max()
    np.testing.assert_allclose(seen["spectral_radius"][-1], radius, rtol=1e-10)
    flow = ro.gradient_flow(done.model.runner.cell, XS[0])
    np.testing.assert_allclose(seen["gradient_norms"][-1], flow.norms, rtol=1e-10)


@pytest.mark.parametrize(
    ("quantity", "loss"),
    [
        ("the loss", lambda model, batch: jnp.sum(model) / (batch < 4) + 0 * batch),
        ("the norm of the gradient", lambda model, batch: jnp.sum(jnp.sqrt(jnp.where(batch < 4, model, 0 * model)))),
    ],
)
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_parameters(quantity, loss, tmp_path):
    path = tmp_path / "run.ckpt"
    way = {**QUIET, "optimiser": optax.sgd(0.1)}
    batches = [jnp.array(float(k)) for k in range(8)]
    done = learn.fit(jnp.ones(2), loss, batches, **way, steps=8, every=3, checkpoint=path)
    assert done.stopped_because.startswith(f"{quantity} was not finite at step 5")
    assert len(done.history.loss) == 4 and np.isfinite(done.history.loss).all()
    good = learn.fit(jnp.ones(2), loss, batches, **way, steps=4)
    assert equal(done.model, good.model)
    assert equal(learn.load(path), learn.fit(jnp.ones(2), loss, batches, **way, steps=3).model)


def test_a_bad_batch_is_not_forgotten_over_the_next_good_one():
    """The third of six batches is NaN, and the fourth is under way when Python sees it."""
    good = jnp.ones(3)
    way = {**QUIET, "optimiser": optax.sgd(0.1)}

    def loss(model, batch):
        return jnp.mean((model * batch - 1) ** 2)

    done = learn.fit(jnp.zeros(3), loss, [good, good, jnp.nan * good, good, good, good], **way, steps=6)
    assert done.stopped_because.startswith("the loss was not finite at step 3 (loss nan")
    assert (
        equal(done.model, learn.fit(jnp.zeros(3), loss, [good], **way, steps=2).model) and len(done.history.loss) == 2
    )


def test_a_gradient_whose_square_overflows_is_clipped():
    with jax.enable_x64(False):
        way = {**QUIET, "optimiser": optax.sgd(1.0)}
        done = learn.fit(jnp.zeros(2), lambda model, batch: 1e25 * jnp.sum(model), [0.0], **way, steps=1, clip=1.0)
        np.testing.assert_allclose(done.model, -np.full(2, 0.5**0.5), rtol=1e-6)
        np.testing.assert_allclose(done.history.gradient_norm, [2**0.5 * 1e25], rtol=1e-6)


def test_complex_parameters_go_downhill():
    way = {**QUIET, "optimiser": optax.sgd(0.1)}
    done = learn.fit(jnp.array([0.5j]), lambda w, batch: jnp.sum(jnp.abs(w - (1 + 1j)) ** 2), [0.0], **way, steps=50)
    np.testing.assert_allclose(done.model, [1 + 1j], atol=1e-4)


@pytest.mark.parametrize("when", ["validation", "history"])
def test_an_interruption_at_an_odd_moment_leaves_nothing_half_done(when, tmp_path, monkeypatch):
    """During a validation, and while the history is read: resumed, the run ends as an unbroken one."""
    way = {**QUIET, "validate": (XS, TARGETS), "every": 4, "checkpoint": tmp_path / "run.ckpt"}
    whole = learn.fit(small(), squares, [(XS, TARGETS)], **{**way, "checkpoint": None}, steps=12)
    from rnn_ode.learn._training import training as _training

    calls = itertools.count()

    def stopped(function):
        def call(*arguments, **settings):
            if next(calls) == (1 if when == "validation" else 6):
                raise KeyboardInterrupt
            return function(*arguments, **settings)

        return call

    with monkeypatch.context() as patch:
        name = "evaluate" if when == "validation" else "advance"
        patch.setattr(_training, name, stopped(getattr(_training, name)))
        first = learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=12)
    assert first.interrupted and len(first.history.loss) == (8 if when == "validation" else 6)
    again = learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=12)
    assert equal(again.model, whole.model) and not again.interrupted
    for a, b in zip(jax.tree.leaves(again.history), jax.tree.leaves(whole.history), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_saved_is_said_before_the_first_step(tmp_path):
    steps = []

    def loss(model, batch):
        steps.append(1)
        return jnp.sum(model["w"])

    model = {"w": jnp.ones(2), "f": lambda x: x}
    with pytest.raises(TypeError, match="cannot be stored as data"):
        learn.fit(model, loss, [0.0], **QUIET, steps=5, checkpoint=tmp_path / "run.ckpt")
    assert steps == []


def test_checks_may_change_between_runs(tmp_path):
    way = {**QUIET, "every": 2, "checkpoint": tmp_path / "run.ckpt"}
    learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=4, validate=(XS, TARGETS))
    learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=6)
    done = learn.fit(small(), squares, [(XS, TARGETS)], **way, steps=8, watch=lambda model: {"one": jnp.ones(2)})
    assert np.isnan(done.history.checks["validation"]).tolist() == [False, False, True, True]
    assert np.isnan(done.history.checks["one"]).all(axis=1).tolist() == [True, True, True, False]


def test_batches_that_end_at_a_check_are_checked_once():
    done = learn.fit(small(), squares, iter([(XS, TARGETS)] * 4), **QUIET, steps=9, every=2, validate=(XS, TARGETS))
    assert done.history.checked_at.tolist() == [2, 4] and done.stopped_because == "the batches ended after 4 steps"


def test_interrupting_returns_what_there_is_and_saves_it(tmp_path):
    def batches():
        for k in itertools.count():
            if k == 5:
                raise KeyboardInterrupt
            yield (XS, TARGETS)

    done = learn.fit(small(), squares, batches(), **QUIET, steps=50, checkpoint=tmp_path / "run.ckpt")
    assert done.stopped_because == "interrupted after 5 steps" and len(done.history.loss) == 5
    again = learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=9, checkpoint=tmp_path / "run.ckpt")
    assert equal(again.model, learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=9).model)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 7, 10, 19])
def test_a_resumed_run_ends_as_an_unbroken_one(stop, tmp_path):
    """Random batches, a stateful optimiser, validation and a history: all of it, bit by bit."""
    batches = learn.Minibatches((XS, TARGETS), 8)
    way = {**QUIET, "validate": (XS, TARGETS), "every": 5, "watch": lambda model: {"bias": model.readout.bias}}
    whole = learn.fit(small(), squares, batches, **way, steps=20)
    path = tmp_path / "run.ckpt"

    def broken():  # a kill: nothing is done about it
        for k in itertools.count():
            if k == stop:
                raise SystemError("killed")
            yield batches.at(k, jax.random.split(way["key"])[0])

    with pytest.raises(SystemError):
        learn.fit(small(), squares, broken(), **way, steps=20, checkpoint=path)
    assert path.exists()
    again = learn.fit(small(), squares, batches, **way, steps=20, checkpoint=path)
    assert equal(again.model, whole.model) and again.stopped_because == whole.stopped_because
    for a, b in zip(jax.tree.leaves(again.history), jax.tree.leaves(whole.history), strict=True):
        np.testing.assert_array_equal(a, b)
    assert equal(learn.load(path), whole.model)


def test_a_finished_run_is_not_run_again(tmp_path):
    way = {**QUIET, "steps": 5, "checkpoint": tmp_path / "run.ckpt"}
    first = learn.fit(small(), squares, [(XS, TARGETS)], **way)
    second = learn.fit(small(), squares, iter(()), **way)
    assert equal(first.model, second.model) and second.stopped_because == "all 5 steps are done"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": small(hidden=4)}, r"\.cell\.W_h is float64\[3, 3\] in the file and float64\[4, 4\] in this run"),
        ({"optimiser": optax.sgd(0.1, momentum=0.9)}, "optimiser"),
        ({"key": jax.random.key(2)}, r"key\[1\] is 1 in the file and 2 in this run"),
        ({"notes": {"data": "tides"}}, "data is None in the file and 'tides' in this run"),
        ({"version": "9.9"}, "the version of rnn_ode is '9.9' in the file"),
        ({"model": eqx.tree_at(lambda m: m.runner, small(), learn.Iterated(eqx.nn.GRUCell(1, 3, key=jax.random.key(0))))},
         r"model\.runner\.cell"),
    ],
)  # fmt: skip
def test_the_checkpoint_of_another_training_is_refused_with_the_difference(changes, message, tmp_path):
    path = tmp_path / "run.ckpt"
    learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=2, checkpoint=path)
    if "version" in changes:
        first, rest = path.read_bytes().split(b"\n", 1)
        header = json.loads(first) | {"rnn_ode": changes.pop("version")}
        path.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    way = {"model": small(), **QUIET, **changes, "steps": 3, "checkpoint": path}
    with pytest.raises(ValueError, match=message):
        learn.fit(loss=squares, batches=[(XS, TARGETS)], **way)
    assert learn.fit(loss=squares, batches=[(XS, TARGETS)], **way, resume=False).stopped_because.startswith("all 3")


@pytest.mark.slow
def test_compiled_once_per_shape():
    traces = []

    def loss(model, batch):
        traces.append(batch[0].shape)
        return squares(model, batch)

    batches = [(XS, TARGETS), (XS[:8], TARGETS[:8])]
    learn.fit(small(), loss, batches, **QUIET, steps=10)
    learn.fit(small(5), loss, batches, **QUIET, steps=10)
    assert traces == [XS.shape, (8, 6, 1)]


FIELD = ro.CTRNN.random(jax.random.key(2), 1, 3, tau=2.0)
RUNS = {
    "iterate": lambda cell, xs: ro.iterate(cell, xs, throw=False).states[-1],
    "evolve": lambda cell, xs: ro.evolve(cell, ro.Hold(xs), 0.75 * np.arange(9), throw=False).states[-1],
    "integrate": lambda field, xs: learn.Integrated(field, rtol=1e-5, atol=1e-6).last(xs),
    "backsolve": lambda field, xs: learn.Integrated(field, ro.Linear, rtol=1e-5, atol=1e-6,
                                                    adjoint=diffrax.BacksolveAdjoint(solver=diffrax.Tsit5())).last(xs),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [how if how == "iterate" else pytest.param(how, marks=pytest.mark.slow) for how in RUNS]
)
def test_every_runner_is_trained(how):
    model = FIELD if how in ("integrate", "backsolve") else ro.to_rnn(FIELD, ro.Euler())

    def loss(model, batch):
        xs, targets = batch
        return jnp.mean((jax.vmap(lambda xs: RUNS[how](model, xs))(xs)[:, :1] - targets) ** 2)

    batch = (XS[:8], jnp.tanh(TARGETS[:8]))
    done = learn.fit(model, loss, [batch], **{**QUIET, "optimiser": optax.adam(0.05)}, steps=30)
    assert done.history.loss[-1] < 0.3 * done.history.loss[0]


@pytest.mark.slow
def test_line_searches_work():
    done = learn.fit(small(), squares, [(XS, TARGETS)], **{**QUIET, "optimiser": optax.lbfgs()}, steps=40)
    assert done.history.loss[-1] < 1e-2 * done.history.loss[0]


CONTRIB = optax.contrib
AWAY = optax.chain(CONTRIB.normalize(), optax.sgd(0.05))  # what sam climbs by
OPTIMISERS = {
    "noisy_sgd": optax.noisy_sgd(0.01, key=jax.random.key(3)),
    "sam": CONTRIB.sam(optax.sgd(0.05), AWAY),
    "sam, opaque": CONTRIB.sam(optax.adam(0.05), AWAY, opaque_mode=True),
    "add_noise": optax.chain(optax.add_noise(0.01, 0.5, key=jax.random.key(3, impl="rbg")), optax.adam(0.01)),
    "sam in a chain": optax.chain(optax.clip_by_global_norm(1.0), CONTRIB.sam(optax.sgd(0.05), AWAY, opaque_mode=True)),
    "reduce_on_plateau": optax.chain(optax.adam(0.01), CONTRIB.reduce_on_plateau(patience=2)),
    "lbfgs": optax.lbfgs(),
    "backtracking": optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(15)),
    "sophia": CONTRIB.sophia(0.01),
    "momo": CONTRIB.momo(),
    "polyak_sgd": optax.polyak_sgd(),
    "schedule_free": CONTRIB.schedule_free_adamw(0.01),
    "prodigy": CONTRIB.prodigy(),
    "muon": CONTRIB.muon(0.01),
    "several steps": optax.MultiSteps(optax.adam(0.01), 2),
}


@pytest.mark.parametrize(
    "name", [n if n == "noisy_sgd" else pytest.param(n, marks=pytest.mark.slow) for n in OPTIMISERS]
)
def test_optimisers_get_what_they_ask_for_and_go_on_where_they_were(name, tmp_path):
    """Bit by bit, with random keys of any kind in the optimiser and the model."""
    model, way = {"net": small(), "key": jax.random.key(1, impl="rbg")}, {**QUIET, "optimiser": OPTIMISERS[name]}

    def loss(model, batch):
        return squares(model["net"], batch)

    whole = learn.fit(model, loss, [(XS, TARGETS)], **way, steps=6)
    learn.fit(model, loss, [(XS, TARGETS)], **way, steps=3, checkpoint=tmp_path / "run.ckpt")
    again = learn.fit(model, loss, [(XS, TARGETS)], **way, steps=6, checkpoint=tmp_path / "run.ckpt")
    assert equal(again.model, whole.model) and equal(learn.load(tmp_path / "run.ckpt"), whole.model)
    assert whole.stopped_because == "all 6 steps are done" and not equal(whole.model["net"], model["net"])


def test_sam_takes_the_gradient_where_it_climbed_to():
    """f(w) = w²/2 from w = 1: up by 0.05 along the sign of the gradient, and down from 1 by 0.1 times the gradient there."""
    sam = CONTRIB.sam(optax.sgd(0.1), AWAY, opaque_mode=True)
    done = learn.fit(jnp.ones(1), lambda w, batch: jnp.sum(w**2) / 2, [0.0], **{**QUIET, "optimiser": sam}, steps=1)
    np.testing.assert_allclose(done.model, [1 - 0.1 * 1.05], rtol=1e-12)


def test_optimisers_that_want_different_things_are_refused():
    both = optax.chain(CONTRIB.sam(optax.sgd(0.05), AWAY), CONTRIB.reduce_on_plateau())
    with pytest.raises(
        TypeError, match=r"optimiser takes none of what fit can give.*sam.*'value'.*cannot be used together"
    ):
        learn.fit(jnp.ones(1), lambda w, batch: jnp.sum(w**2), [0.0], **{**QUIET, "optimiser": both}, steps=1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps"),
        ({"every": 0}, ValueError, "every"),
        ({"patience": 2}, ValueError, "patience and target look at validations"),
        ({"target": 0.1}, ValueError, "patience and target look at validations"),
        ({"clip": -1.0}, ValueError, "clip must be a number above 0"),
        ({"optimiser": "adam"}, TypeError, "optimiser must be one of optax's"),
        ({"batches": 3}, TypeError, "batches must be a function of a key"),
        ({"batches": np.asarray(XS)}, TypeError, r"For one batch at every step write \[batch\]"),
        ({"batches": XS}, TypeError, r"For one batch at every step write \[batch\]"),
        ({"loss": 3}, TypeError, "loss"),
        (
            {"loss": lambda model, batch: batch[1]},
            ValueError,
            r"loss must return one real number; it returned float64\[",
        ),
        ({"model": ro.Hold}, ValueError, "model must have floating arrays"),
        ({"checkpoint": "/nowhere/at/all.ckpt"}, FileNotFoundError, "nowhere"),
    ],
)
def test_bad_input_is_named(changes, error, message, as_user):
    way = {"model": small(), "loss": squares, "batches": [(XS, TARGETS)], **QUIET, "steps": 2, **changes}
    with pytest.raises(error, match=message):
        learn.fit(**way)


@pytest.mark.parametrize(
    ("data", "size"), [((jnp.ones(3), jnp.ones(4)), 2), (jnp.ones(3), 4), (jnp.array(1.0), 1), ((), 1)]
)
def test_minibatches_name_what_does_not_fit(data, size):
    with pytest.raises(ValueError, match=r"size|data"):
        learn.Minibatches(data, size)


# Files.


MODELS = {
    "wiring": lambda key: small(),
    "lstm": lambda key: eqx.nn.LSTMCell(2, 3, key=key),
    "mlp": lambda key: eqx.nn.MLP(2, 3, 4, 1, key=key),
    "flow": lambda key: learn.Integrated(ro.to_ode(ro.VanillaCell.random(key, 1, 2), ro.Tustin()), ro.Cubic, rtol=1e-3),
    "stack": lambda key: ro.StackedCell(
        [eqx.nn.GRUCell(2, 1, key=key), ro.to_rnn(FIELD, ro.RungeKutta(diffrax.Heun()))]
    ),
    "bfloat16": lambda key: eqx.nn.Linear(2, 2, key=key, dtype=jnp.bfloat16),
    "pytree": lambda key: {
        "a": [1, 2.5, None, "text", jnp.arange(3), True],
        "b": (jnp.ones(2, jnp.float32), jax.nn.relu),
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_its_file(name, tmp_path):
    model = MODELS[name](jax.random.key(3))
    learn.save(tmp_path / "model", model)
    assert equal(learn.load(tmp_path / "model"), model)


def test_random_keys_come_back_with_their_kind(tmp_path):
    rows = jax.random.split(jax.random.key(4, impl="rbg"), 3)
    keys = {"one": jax.random.key(3), "rows": rows, "old": jax.random.PRNGKey(5)}
    learn.save(tmp_path / "keys", keys)
    found = learn.load(tmp_path / "keys")
    assert equal(found, keys) and all(found[name].dtype == key.dtype for name, key in keys.items())
    np.testing.assert_array_equal(jax.random.normal(found["rows"][1]), jax.random.normal(keys["rows"][1]))
    data = (tmp_path / "keys").read_bytes()
    (tmp_path / "keys").write_bytes(data.replace(b'"threefry2x32"', b'"os.system"'))
    with pytest.raises(ValueError, match=r"'os\.system' is no kind of random key"):
        learn.load(tmp_path / "keys")
    with pytest.raises(ValueError, match=r"model.key is rbg key\[\] in the file and \S+ key\[\] in this run"):
        way = {**QUIET, "steps": 1, "checkpoint": tmp_path / "run.ckpt"}
        for kind in ("rbg", "threefry2x32"):
            model = {"w": jnp.ones(1), "key": jax.random.key(0, impl=kind)}
            learn.fit(model, lambda model, batch: jnp.sum(model["w"]), [0.0], **way)


def test_a_checkpoint_of_before_random_keys_had_a_type_is_read():
    """A network and PRNGKey(7), in a training by Adam."""
    model = learn.load(Path(__file__).parents[1] / "data" / "checkpoint_1.ckpt")
    assert model["key"].tolist() == [0, 7] and model["net"].runner.cell.W_h.shape == (2, 2)
    assert jnp.isfinite(model["net"](jnp.ones((3, 1)))).all()


class Own(eqx.Module):
    weight: jax.Array
    name: str = eqx.field(static=True)

    def __call__(self, x):
        return self.weight * x


def test_classes_of_ones_own_want_to_be_given(tmp_path):
    model = Own(jnp.ones(2), "mine")
    learn.save(tmp_path / "model", model)
    with pytest.raises(ValueError, match=r"test_fit:Own.*known="):
        learn.load(tmp_path / "model")
    assert equal(learn.load(tmp_path / "model", known=(Own,)), model)


LOADING = """
import sys
from rnn_ode import learn
model = learn.load(sys.argv[1])
print(type(model).__name__, model.runner.cell.activation.__name__, float(abs(model.runner.cell.W_h).sum()))
assert not any("test_" in name for name in sys.modules)
"""


def in_another_process(script: str, *arguments: object, **settings: str) -> subprocess.Popen:
    env = os.environ | {"JAX_ENABLE_X64": "1", **settings}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_checkpoint_loads_in_a_fresh_process(tmp_path):
    done = learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=3, checkpoint=tmp_path / "run.ckpt")
    out, err = in_another_process(LOADING, tmp_path / "run.ckpt").communicate()
    assert out.split() == ["ManyToOne", "tanh", str(float(abs(done.model.runner.cell.W_h).sum()))], err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"hello\n" + data, "not a checkpoint of rnn_ode; its first line is b'hello'"),
        (lambda data: data[:-40], "damaged or cut short"),
        (lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "another checksum"),
        (lambda data: data.replace(b'"array": [3, 3]', b'"array": [300000000, 300000000]'), "damaged"),
        (lambda data: b"[" * 100_000 + b"\n", "not a checkpoint"),
        (lambda data: data.replace(b"checkpoint 1", b"checkpoint 7"), "reads files of the kind"),
        (lambda data: data.replace(b"rnn_ode:VanillaCell", b"os:VanillaCell"), "the model has a part 'os:VanillaCell'"),
        (lambda data: data.replace(b"jax.numpy:tanh", b"os:system"), "the model has a part 'os:system'"),
        (
            lambda data: data.replace(b"jax.nn:tanh", b"rnn_ode._files:os.remove"),
            "has a part 'rnn_ode._files:os.remove'",
        ),
        (lambda data: data.replace(b'"W_h"', b'"W_q"'), "a VanillaCell has the fields"),
        (lambda data: data.replace(b'"float64"', b'"object"', 1), "no array of numbers|damaged"),
        (lambda data: b"", "not a checkpoint"),
    ],
)
def test_a_damaged_or_hostile_file_is_named(spoil, message, tmp_path):
    path = tmp_path / "model"
    learn.save(path, small())
    data = path.read_bytes()
    spoilt = spoil(data)
    if spoilt == data:
        pytest.skip("another spelling of tanh")
    path.write_bytes(spoilt)
    with pytest.raises(ValueError, match=message) as caught:
        learn.load(path)
    assert str(path) in str(caught.value)


def test_what_cannot_be_stored_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"model\['f'\]\[0\] cannot be stored as data"):
        learn.save(tmp_path / "model", {"f": [lambda x: x]})
    assert not any(tmp_path.iterdir())


TRAINING = """
import os, random, signal, sys, time
import jax, jax.numpy as jnp, equinox as eqx, optax, rnn_ode as ro
from rnn_ode import learn

whole, broken, path, kills = *sys.argv[1:4], int(sys.argv[4])

def train(checkpoint, result):
    cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=jnp.tanh)
    xs = jax.random.normal(jax.random.key(1), (64, 20, 1))
    def loss(cell, xs):
        return jnp.mean((jax.vmap(lambda x: ro.iterate(cell, x, throw=False).states[-1])(xs) - xs.mean(1)) ** 2)
    done = learn.fit(cell, loss, learn.Minibatches(xs, 16), optimiser=optax.adam(1e-3), steps=4000, key=jax.random.key(2),
                     checkpoint=checkpoint, validate=xs, every=10, progress=False)
    learn.save(result, done.model)

def started(checkpoint, result):
    child = os.fork()  # nothing was computed yet, so that JAX has no threads to lose
    if child == 0:
        train(checkpoint, result)
        os._exit(0)
    return child

os.waitpid(started(whole + ".ckpt", whole), 0)
moments = random.Random(0)

def written():
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0

for _ in range(kills):
    before, writes = written(), moments.randrange(4)
    child = started(path, broken)
    while writes > 0:  # so that it is killed in the midst of training, however fast that is
        assert os.waitpid(child, os.WNOHANG)[0] == 0, "the training ended before it was killed"
        time.sleep(1e-3)
        now = written()
        before, writes = now, writes - (now != before)
    time.sleep(moments.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if os.path.exists(path):
        reader = os.fork()
        if reader == 0:
            learn.load(path)
            os._exit(0)
        assert os.waitpid(reader, 0)[1] == 0, "a checkpoint that cannot be read"
print("unfinished" if not os.path.exists(broken) else "finished", os.path.exists(path), flush=True)
assert os.waitpid(started(path, broken), 0)[1] == 0
print("done")
"""


@pytest.mark.slow
def test_twenty_kills(tmp_path):
    """SIGKILL at random moments, and on again each time: the parameters of an unbroken run bit by bit, and at no moment a
    checkpoint that cannot be read."""
    files = [tmp_path / name for name in ("whole", "broken", "run.ckpt")]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    out, err = in_another_process(TRAINING, *files, 20, **cache).communicate()
    assert out.endswith("unfinished True\ndone\n"), f"{out}\n{err}"
    assert files[0].read_bytes() == files[1].read_bytes()


# Files that people have.

OLD = Path(__file__).parents[1] / "data" / "0.1.0"
OLD_XS = jnp.sin(0.3 * jnp.arange(12.0))[:, None]


@pytest.mark.parametrize("name", ["scheme", "stack", "tustin", "forward2"])
def test_models_of_0_1_0_are_read_and_compute_the_same(name, tmp_path):
    """Written by version 0.1.0, which named private modules, with the outputs that it computed in float32. Written again,
    the file names no private module."""
    model = learn.load(OLD / f"{name}.ckpt")
    expected = json.loads((OLD / "expected.json").read_text())[name]
    np.testing.assert_allclose(model(OLD_XS.astype(jnp.float32)).ravel(), expected, rtol=1e-4, atol=1e-5)
    learn.save(tmp_path / "again", model)
    header = (tmp_path / "again").read_bytes().partition(b"\n")[0].decode()
    assert "rnn_ode._" not in header and equal(learn.load(tmp_path / "again"), model)


def test_a_training_of_0_1_0_goes_on(tmp_path, float32):
    """Six of twelve steps were made by 0.1.0; the losses and the result are those of its unbroken run, to rounding."""
    shutil.copy(OLD / "training.ckpt", tmp_path / "run.ckpt")

    def loss(model, batch):
        return jnp.mean((jax.vmap(model)(batch)[:, 0] - batch.mean((1, 2))) ** 2)

    done = learn.fit(
        learn.load(OLD / "scheme.ckpt"),
        loss,
        lambda key: jax.random.normal(key, (4, 6, 1)),
        optimiser=optax.adam(0.01),
        steps=12,
        key=jax.random.key(7),
        every=3,
        checkpoint=tmp_path / "run.ckpt",
        progress=False,
    )
    expected = json.loads((OLD / "expected.json").read_text())["training"]
    np.testing.assert_allclose(done.history.loss, expected["loss"], rtol=1e-4)
    np.testing.assert_allclose(done.model(OLD_XS.astype(jnp.float32)).ravel(), expected["output"], rtol=1e-4, atol=1e-6)


def test_a_field_that_a_later_version_added_has_its_default():
    description = describe(Own(jnp.ones(2), "mine"))
    del description["fields"]["name"]
    with pytest.raises(ValueError, match="a Own has the fields weight, name; the file has weight"):
        build(description, (Own,))
    description = describe(learn.Iterated(ro.VanillaCell([[0.5]], [[1.0]], [0.0])))
    del description["fields"]["checkpoints"]
    assert build(description).checkpoints is None
