"""What `fit` trains, when it stops, and what it refuses."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from oracles import equal
from trainings import QUIET, TARGETS, XS, small, squares

import rnn_ode as ro
from rnn_ode import learn


def test_the_best_model_by_validation_is_returned_and_patience_stops():
    """The loss is the negative of the validation: it falls while the validation rises from the start."""
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


def test_a_validation_at_the_target_stops():
    """The parameter and the validation halve at every step; a resumed run does not begin again."""
    way = {**QUIET, "optimiser": optax.sgd(0.5), "validate": lambda model: jnp.sum(model), "every": 1, "target": 0.3}
    done = learn.fit(jnp.ones(1), lambda model, batch: 0.5 * jnp.sum(model**2), [0.0], **way, steps=100)
    assert done.stopped_because == "the validation reached 0.25, at most 0.3, within 2 steps"
    assert done.model[0] == 0.25


@pytest.mark.slow
def test_what_is_watched_is_recorded_with_the_loss():
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


def test_a_bad_batch_stops_although_the_next_one_is_good():
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


def test_a_model_that_cannot_be_saved_is_refused_before_the_first_step(tmp_path):
    steps = []

    def loss(model, batch):
        steps.append(1)
        return jnp.sum(model["w"])

    model = {"w": jnp.ones(2), "f": lambda x: x}
    with pytest.raises(TypeError, match="cannot be stored as data"):
        learn.fit(model, loss, [0.0], **QUIET, steps=5, checkpoint=tmp_path / "run.ckpt")
    assert steps == []


@pytest.mark.slow
def test_the_step_compiles_once_per_shape_of_batch():
    traces = []

    def loss(model, batch):
        traces.append(batch[0].shape)
        return squares(model, batch)

    batches = [(XS, TARGETS), (XS[:8], TARGETS[:8])]
    learn.fit(small(), loss, batches, **QUIET, steps=10)
    learn.fit(small(5), loss, batches, **QUIET, steps=10)
    assert traces == [XS.shape, (8, 6, 1)]


FIELD = ro.CTRNN([[0.5, -0.4, 0.0], [0.4, 0.5, 0.2], [0.0, -0.2, 0.3]], [[1.0], [-0.5], [0.3]], np.zeros(3), tau=2.0)
RUNS = {
    "iterate": lambda cell, xs: ro.iterate(cell, xs, throw=False).states[-1],
    "evolve": lambda cell, xs: ro.evolve(cell, ro.Hold(xs), 0.75 * np.arange(9), throw=False).states[-1],
    "integrate": lambda field, xs: learn.Integrated(field, rtol=1e-5, atol=1e-6).last(xs),
    "backsolve": lambda field, xs: learn.Integrated(field, ro.Linear, rtol=1e-5, atol=1e-6,
                                                    adjoint=diffrax.BacksolveAdjoint(solver=diffrax.Tsit5())).last(xs),
}  # fmt: skip


@pytest.mark.gate
@pytest.mark.parametrize("how", RUNS)
def test_models_are_trained_through_every_way_of_running(how):
    model = FIELD if how in ("integrate", "backsolve") else ro.to_rnn(FIELD, ro.Euler())

    def loss(model, batch):
        xs, targets = batch
        return jnp.mean((jax.vmap(lambda xs: RUNS[how](model, xs))(xs)[:, :1] - targets) ** 2)

    batch = (XS[:8], jnp.tanh(TARGETS[:8]))
    done = learn.fit(model, loss, [batch], **{**QUIET, "optimiser": optax.adam(0.05)}, steps=30)
    assert done.history.loss[-1] < 0.3 * done.history.loss[0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1; got 0"),
        ({"every": 0}, ValueError, "every must be at least 1; got 0"),
        ({"patience": 2}, ValueError, "patience and target look at validations"),
        ({"target": 0.1}, ValueError, "patience and target look at validations"),
        ({"clip": -1.0}, ValueError, "clip must be a number above 0"),
        ({"optimiser": "adam"}, TypeError, "optimiser must be one of optax's"),
        ({"batches": 3}, TypeError, "batches must be a function of a key"),
        ({"batches": np.asarray(XS)}, TypeError, r"For one batch at every step write \[batch\]"),
        ({"batches": XS}, TypeError, r"For one batch at every step write \[batch\]"),
        ({"batches": (XS, TARGETS)}, TypeError, r"For one batch give \[batch\], or Minibatches\(data, size\)"),
        ({"batches": (XS, XS)}, TypeError, r"batches must .* For one batch give \[batch\], or Minibatches"),
        (
            {"batches": [XS, TARGETS[:, 0]]},
            TypeError,
            "batches must be several batches; got a list of arrays with shapes",
        ),
        ({"loss": 3}, TypeError, r"loss must be a callable loss\(model, batch\[, key\]\); got 3"),
        (
            {"loss": lambda model, batch: batch[1]},
            ValueError,
            r"loss must return one real number; it returned float64\[",
        ),
        ({"model": ro.Hold}, ValueError, "model must have floating arrays"),
        ({"checkpoint": "/nowhere/at/all.ckpt"}, FileNotFoundError, "the folder /nowhere/at does not exist"),
    ],
)
def test_bad_arguments_are_refused_by_name(changes, error, message, as_user):
    way = {"model": small(), "loss": squares, "batches": [(XS, TARGETS)], **QUIET, "steps": 2, **changes}
    with pytest.raises(error, match=message):
        learn.fit(**way)


@pytest.mark.gate
def test_batches_of_one_array_are_a_list(as_user):
    def loss(model, batch):
        return squares(model, (batch, jnp.zeros((len(batch), 1))))

    for batches in ([XS, XS[:8]], [XS, XS[:, :3]], [XS], (XS,)):
        assert len(learn.fit(small(), loss, batches, **QUIET, steps=2).history.loss) == 2


def test_a_callback_sees_every_check():
    seen = []
    learn.fit(
        jnp.zeros(1),
        lambda model, batch: jnp.mean((model - batch) ** 2),
        [jnp.ones(1)],
        optimiser=optax.sgd(0.25),
        steps=5,
        every=2,
        key=jax.random.key(0),
        validate=jnp.ones(1),
        watch=lambda model: {"model": model},
        progress=False,
        callback=lambda step, metrics: seen.append((step, metrics)),
    )
    assert [step for step, _ in seen] == [2, 4, 5]
    assert [metrics["loss"] for _, metrics in seen] == [0.25, 0.25**3, 0.25**4]
    assert [metrics["validation"] for _, metrics in seen] == [0.25**2, 0.25**4, 0.25**5]
    assert seen[0][1]["model"].tolist() == [0.75] and set(seen[0][1]) == {
        "loss",
        "gradient_norm",
        "validation",
        "model",
    }
    with pytest.raises(TypeError, match="callback"):
        learn.fit(
            jnp.zeros(1), lambda model, batch: jnp.sum(model), [jnp.ones(1)], optimiser=optax.sgd(0.1), steps=1,
            key=jax.random.key(0), callback=3,
        )  # fmt: skip
