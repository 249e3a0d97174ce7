"""One step of training. A step whose loss, gradient or update is not finite changes nothing."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..._base.checks import brief
from ..._base.compiled import Read
from ..._base.states import is_finite
from .batches import BatchSource

FAULTS = {1: "the loss", 2: "the norm of the gradient", 3: "the update of the optimiser"}


class Setup(eqx.Module):
    """What stays the same in all steps of a training.

    **Fields:** `static`, the part of the model that is not trained; `loss(model, batch, key)`; `optimiser`; `clip`, the
    largest norm of a gradient, or `None`; `key`, from which all random numbers come; `read`, what the loss reads from
    outside.
    """

    static: PyTree
    loss: Callable[[PyTree, PyTree, PRNGKeyArray], Any]
    optimiser: optax.GradientTransformationExtraArgs
    clip: float | None = eqx.field(static=True)
    key: PRNGKeyArray
    read: Read | None = eqx.field(static=True)

    def model(self, params: PyTree) -> PyTree:
        """The model with these trained arrays."""
        return eqx.combine(params, self.static)


class StepState(eqx.Module):
    """What a step changes.

    **Fields:** `params`, the trained arrays; `optimiser`, the optimiser's state; `step`, the number of steps made; `fault`, 0
    or the number of the fault (see `FAULTS`) that ended the training.
    """

    params: PyTree
    optimiser: PyTree
    step: Int[Array, ""]
    fault: Int[Array, ""]


class StepRecord(eqx.Module):
    """What is recorded of a step: its loss, the norm of its gradient before clipping, and its fault."""

    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    fault: Int[Array, ""]


def first_state(setup: Setup, params: PyTree) -> StepState:
    """The state before the first step."""
    return StepState(params, setup.optimiser.init(params), jnp.zeros((), int), jnp.zeros((), int))


@eqx.filter_jit
def advance(setup: Setup, state: StepState, source: BatchSource) -> tuple[StepState, StepRecord]:
    """Make one step. If its loss, gradient or update is not finite, only `fault` changes."""
    batch_key, loss_key = jax.random.split(setup.key)
    batch = source.at(state.step, batch_key)
    loss_key = jax.random.fold_in(loss_key, state.step)

    def value_of(params: PyTree) -> Array:
        found = setup.loss(setup.model(params), batch, loss_key)
        if not isinstance(found, float | int | jax.Array | np.ndarray | np.number):
            raise TypeError(f"loss must return one real number; it returned {brief(found)}.")
        value = jnp.asarray(found)
        if value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
            raise ValueError(f"loss must return one real number; it returned {value.dtype}{list(value.shape)}.")
        return value

    value, gradient = jax.value_and_grad(value_of)(state.params)
    gradient, norm = _clipped(gradient, setup.clip)
    offers = {"value": value, "grad": gradient, "value_fn": value_of, "obj_fn": value_of}
    offers["grad_fn"] = lambda params, index=0: _clipped(jax.grad(value_of)(params), setup.clip)[0]
    updates, optimiser = _update(setup.optimiser, gradient, state, offers)
    params = optax.apply_updates(state.params, updates)

    fault = jnp.select([~jnp.isfinite(value), ~jnp.isfinite(norm), ~is_finite(params)], [1, 2, 3], 0)
    # a fault stays: the next step may run before Python looks at this one
    fault = jnp.where(state.fault == 0, fault, state.fault)
    new = StepState(params, optimiser, state.step + 1, state.fault)
    state = jax.tree.map(lambda new, old: jnp.where(fault == 0, new, old), new, state)
    state = eqx.tree_at(lambda s: s.fault, state, fault.astype(state.fault.dtype))
    return state, StepRecord(value, norm, fault)


@eqx.filter_jit
def evaluate(setup: Setup, params: PyTree, function: Callable[[PyTree], Any]) -> Any:
    """A function of the model, compiled."""
    return function(setup.model(params))


# What optimisers of optax ask for beyond the gradient. Most ignore arguments that they do not know; the others must get
# exactly one of these sets.
_OFFERED = (
    ("value", "grad", "value_fn"),  # line searches, reduce_on_plateau, momo, polyak_sgd
    ("value", "obj_fn"),  # sophia
    ("grad_fn",),  # sam
    (),
)


def _update(
    optimiser: optax.GradientTransformationExtraArgs, gradient: PyTree, state: StepState, offers: dict[str, Any]
) -> tuple[PyTree, PyTree]:
    """The optimiser's update with the first of the sets `_OFFERED` that it accepts; `TypeError` if it accepts none."""
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
    """The gradient, scaled down to the norm `clip` if it is larger, and its norm before."""
    gradient = jax.tree.map(jnp.conj, gradient)  # for complex parameters optax wants the direction of steepest ascent
    norm = _global_norm(gradient)
    if clip is None:
        return gradient, norm
    scale = jnp.minimum(1, clip / jnp.where(norm == 0, 1, norm))
    return jax.tree.map(lambda leaf: scale.astype(leaf.dtype) * leaf, gradient), norm


def _global_norm(gradient: PyTree) -> Float[Array, ""]:
    """The norm over all arrays, in float32 at least. Scaling by the largest entry keeps its squares from overflowing."""
    leaves = [jnp.abs(leaf).astype(jnp.result_type(leaf.real.dtype, jnp.float32)) for leaf in jax.tree.leaves(gradient)]
    largest = jnp.max(jnp.stack([jnp.max(leaf, initial=0) for leaf in leaves]))
    unit = jnp.where(largest > 0, largest, 1)
    return unit * optax.tree.norm([leaf / unit for leaf in leaves])
