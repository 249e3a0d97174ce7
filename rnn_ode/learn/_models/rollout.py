"""A forecast of many steps by a model of one step."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from ..._base.checks import brief, check_callable, check_count, check_finite
from .base import as_samples


def rollout(
    model: Callable[[Array], Array], history: Real[Array | np.ndarray, "T D"], steps: int
) -> Float[Array, "steps D"]:
    """Forecast many steps with a model of the next sample: each prediction is appended to the history for the next one.

    The model always sees as many samples as `history` has.

    **Arguments:**

    - `model`: a function from histories (T, D) to the next sample, (D,) or (1, D).
    - `history`: the samples (T, D) so far.
    - `steps`: how many samples to predict.

    **Returns:** the predictions (steps, D), NaN from where the model returns NaN.

    ```python
    >>> import jax.numpy as jnp
    >>> from rnn_ode import learn
    >>> learn.rollout(lambda history: 2 * history[-1], jnp.ones((3, 1)), 4)[:, 0].tolist()
    [2.0, 4.0, 8.0, 16.0]

    ```
    """
    check_count("steps", steps)
    check_callable("model", model, "model(history)")
    history = as_samples(history, name="history")
    check_finite("history", history)
    try:
        following = jax.eval_shape(model, history)
    except TypeError as error:
        raise TypeError(f"model must return the next sample: {brief(error)}") from error
    if not isinstance(following, jax.ShapeDtypeStruct) or following.size != math.prod(history.shape[1:]):
        raise ValueError(f"model must return the next sample, of shape {history.shape[1:]}; got {brief(following)}.")
    history = history.astype(jnp.result_type(history, following.dtype))

    def predict_next(seen: Array, _: None) -> tuple[Array, Array]:
        following = jnp.reshape(model(seen), history.shape[1:]).astype(seen.dtype)
        return jnp.concatenate([seen[1:], following[None]]), following

    return jax.lax.scan(predict_next, history, length=steps)[1]
