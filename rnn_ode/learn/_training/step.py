"""One compiled step of training, which never leaves a state that is not finite."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..._base.states import is_finite

FAULTS = {1: "the loss", 2: "the norm of the gradient", 3: "the update of the optimiser"}


class Task(eqx.Module):
    """What stays the same from step to step: what of the model is not trained, the loss, the optimiser, the key."""

    static: PyTree
    loss: Callable[[PyTree, PyTree, PRNGKeyArray], Any]
    optimiser: optax.GradientTransformationExtraArgs
    clip: float | None = eqx.field(static=True)
    key: PRNGKeyArray

    def model(self, params: PyTree) -> PyTree:
        return eqx.combine(params, self.static)


class State(eqx.Module):
    """What a step changes: `fault` is 0, or says what was not finite at step `step`, which then did not count."""

    params: PyTree
    optimiser: PyTree
    step: Int[Array, ""]
    fault: Int[Array, ""]


class Record(eqx.Module):
    """What is seen of a step."""

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    fault: Int[Array, ""]


def begin(task: Task, params: PyTree) -> State:
    return State(params, task.optimiser.init(params), jnp.zeros((), int), jnp.zeros((), int))


@eqx.filter_jit
def advance(task: Task, state: State, source) -> tuple[State, Record]:
    """The state a step later; the same but for `fault`, where the loss, its gradient or the update is not finite."""
    batch_key, loss_key = jax.random.split(task.key)
    batch = source.at(state.step, batch_key)
    loss_key = jax.random.fold_in(loss_key, state.step)

    def value_of(params):
        value = jnp.asarray(task.loss(task.model(params), batch, loss_key))
        if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
            raise ValueError(f"loss must return one real number; it returned {value.dtype}{list(value.shape)}.")
        return value

    value, gradient = jax.value_and_grad(value_of)(state.params)
    gradient, norm = _clipped(gradient, task.clip)
    offers = {"value": value, "grad": gradient, "value_fn": value_of, "obj_fn": value_of}
    offers["grad_fn"] = lambda params, index=0: _clipped(jax.grad(value_of)(params), task.clip)[0]
    updates, optimiser = _update(task.optimiser, gradient, state, offers)
    params = optax.apply_updates(state.params, updates)

    fault = jnp.select([~jnp.isfinite(value), ~jnp.isfinite(norm), ~is_finite(params)], [1, 2, 3], 0)
    # once failed, for good: the next step may have been begun before anybody looked
    fault = jnp.where(state.fault == 0, fault, state.fault)
    new = State(params, optimiser, state.step + 1, state.fault)
    state = jax.tree.map(lambda new, old: jnp.where(fault == 0, new, old), new, state)
    return eqx.tree_at(lambda s: s.fault, state, fault.astype(state.fault.dtype)), Record(value, norm, fault)


# what optax's optimisers ask for beyond the gradient; most ignore what they do not know, the others take one set whole
_OFFERED = (
    ("value", "grad", "value_fn"),  # line searches, reduce_on_plateau, momo, polyak_sgd
    ("value", "obj_fn"),  # sophia
    ("grad_fn",),  # sam
    (),
)


def _update(optimiser, gradient: PyTree, state: State, offers: dict[str, Any]) -> tuple[PyTree, PyTree]:
    """The optimiser's update, given the first set of further arguments that it takes; `TypeError` where it takes none."""
    refusal = None
    for names in _OFFERED:
        try:
            return optimiser.update(gradient, state.optimiser, state.params, **{name: offers[name] for name in names})
        except (TypeError, ValueError) as error:
            refusal = refusal or error
    sets = "; ".join(", ".join(names) or "nothing" for names in _OFFERED)
    raise TypeError(
        f"optimiser takes none of what fit can give it beyond the gradient ({sets}). With the first it says: {refusal} "
        "Parts of a chain that want different ones (optax.contrib.sam takes grad_fn alone, reduce_on_plateau wants value) "
        "cannot be used together."
    ) from refusal


def _clipped(gradient: PyTree, clip: float | None) -> tuple[PyTree, Float[Array, ""]]:
    """What optax is given, of a norm of at most `clip`, and the norm before."""
    gradient = jax.tree.map(jnp.conj, gradient)  # of complex parameters optax wants the direction of steepest ascent
    norm = _norm(gradient)
    if clip is None:
        return gradient, norm
    scale = jnp.minimum(1, clip / jnp.where(norm == 0, 1, norm))
    return jax.tree.map(lambda leaf: scale.astype(leaf.dtype) * leaf, gradient), norm


def _norm(gradient: PyTree) -> Float[Array, ""]:
    """The global norm, which is finite if the gradient is, in float32 at least."""
    leaves = [jnp.abs(leaf).astype(jnp.result_type(leaf.real.dtype, jnp.float32)) for leaf in jax.tree.leaves(gradient)]
    largest = jnp.max(jnp.stack([jnp.max(leaf, initial=0) for leaf in leaves]))
    unit = jnp.where(largest > 0, largest, 1)
    return unit * optax.tree.norm([leaf / unit for leaf in leaves])


@eqx.filter_jit
def evaluate(task: Task, params: PyTree, function: Callable[[PyTree], Any]) -> Any:
    """A function of the model, compiled."""
    return function(task.model(params))
