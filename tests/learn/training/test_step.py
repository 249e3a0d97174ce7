"""A step of training: the optimiser's own, clipped gradients, and what optimisers ask for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from oracles import equal
from trainings import QUIET, TARGETS, XS, small, squares

from rnn_ode import learn


@pytest.mark.slow
def test_steps_are_those_of_the_optimiser():
    """Three steps of gradient descent by hand."""
    model = small()
    done = learn.fit(model, squares, [(XS, TARGETS)], **{**QUIET, "optimiser": optax.sgd(0.1)}, steps=3)
    by_hand, losses, norms = model, [], []
    slope = eqx.filter_jit(eqx.filter_value_and_grad(squares))
    for _ in range(3):
        value, gradient = slope(by_hand, (XS, TARGETS))
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


def test_a_gradient_whose_square_overflows_is_clipped():
    with jax.enable_x64(False):
        way = {**QUIET, "optimiser": optax.sgd(1.0)}
        done = learn.fit(jnp.zeros(2), lambda model, batch: 1e25 * jnp.sum(model), [0.0], **way, steps=1, clip=1.0)
        np.testing.assert_allclose(done.model, -np.full(2, 0.5**0.5), rtol=1e-6)
        np.testing.assert_allclose(done.history.gradient_norm, [2**0.5 * 1e25], rtol=1e-6)


def test_complex_parameters_are_trained():
    way = {**QUIET, "optimiser": optax.sgd(0.1)}
    done = learn.fit(jnp.array([0.5j]), lambda w, batch: jnp.sum(jnp.abs(w - (1 + 1j)) ** 2), [0.0], **way, steps=50)
    np.testing.assert_allclose(done.model, [1 + 1j], atol=1e-4)


@pytest.mark.gate
def test_a_line_search_is_given_the_loss():
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
# one of each kind: those that ask for the gradient elsewhere, the loss, both, the parameters, or nothing but other steps
KINDS = ("sam", "add_noise", "lbfgs", "reduce_on_plateau", "sophia", "schedule_free", "several steps")


def slow_or_thorough(name):
    return pytest.mark.slow if name in KINDS else pytest.mark.thorough


@pytest.mark.gate
@pytest.mark.parametrize(
    "name", [n if n == "noisy_sgd" else pytest.param(n, marks=slow_or_thorough(n)) for n in OPTIMISERS]
)
def test_optimisers_get_what_they_ask_for_and_resume_where_they_were(name, tmp_path):
    """Bit by bit, with random keys of any kind in the optimiser and the model."""
    model, way = {"net": small(), "key": jax.random.key(1, impl="rbg")}, {**QUIET, "optimiser": OPTIMISERS[name]}

    def loss(model, batch):
        return squares(model["net"], batch)

    whole = learn.fit(model, loss, [(XS, TARGETS)], **way, steps=6)
    learn.fit(model, loss, [(XS, TARGETS)], **way, steps=3, checkpoint=tmp_path / "run.ckpt")
    again = learn.fit(model, loss, [(XS, TARGETS)], **way, steps=6, checkpoint=tmp_path / "run.ckpt")
    assert equal(again.model, whole.model) and equal(learn.load(tmp_path / "run.ckpt"), whole.model)
    assert whole.stopped_because == "all 6 steps are done" and not equal(whole.model["net"], model["net"])


def test_sam_takes_the_gradient_at_the_point_to_which_it_climbed():
    """f(w) = w²/2 from w = 1: up by 0.05 along the sign of the gradient, and down from 1 by 0.1 times the gradient there."""
    sam = CONTRIB.sam(optax.sgd(0.1), AWAY, opaque_mode=True)
    done = learn.fit(jnp.ones(1), lambda w, batch: jnp.sum(w**2) / 2, [0.0], **{**QUIET, "optimiser": sam}, steps=1)
    np.testing.assert_allclose(done.model, [1 - 0.1 * 1.05], rtol=1e-12)


def test_a_chain_of_optimisers_with_conflicting_wishes_is_refused():
    both = optax.chain(CONTRIB.sam(optax.sgd(0.05), AWAY), CONTRIB.reduce_on_plateau())
    with pytest.raises(
        TypeError, match=r"optimiser takes none of what fit can give.*sam.*'value'.*cannot be used together"
    ):
        learn.fit(jnp.ones(1), lambda w, batch: jnp.sum(w**2), [0.0], **{**QUIET, "optimiser": both}, steps=1)
