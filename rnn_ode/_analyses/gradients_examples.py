"""Networks that show how gradients vanish, persist and explode."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from .._base.checks import check_count, check_key
from .._bridge.schemes import Euler
from .._bridge.to_rnn import to_rnn
from .._cells.vanilla import VanillaCell
from .._fields.antisymmetric import AntisymmetricRNN


def gradient_examples(key: PRNGKeyArray, input_size: int, hidden_size: int) -> dict[str, Any]:
    """Five networks of one size that treat gradients differently, to compare with `gradient_flow` on the same input.

    **Arguments:**

    - `key`: for the weights.
    - `input_size`: D ≥ 1.
    - `hidden_size`: N ≥ 1.

    **Returns:** cells by name:

    - "ReLU": Gaussian W_h of variance 4/N. Gradients and states explode, at ½ log 2 = 0.35 nats per step for large N.
    - "tanh": W_h = 0.9 · orthogonal. Gradients vanish, guaranteed.
    - "orthogonal": h' = W_h h + W_x x with W_h orthogonal. It keeps every gradient exactly (Saxe, McClelland & Ganguli 2014).
    - "antisymmetric": h' = h + 0.1 tanh((A − Aᵀ) h + W_x x), an Euler step of a flow that neither grows nor decays (Chang,
      Chen, Haber & Chi 2019).
    - "LSTM": Equinox's, with a forget gate near one: its bias is 3 (Jozefowicz, Zaremba & Sutskever 2015).

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> cells = ro.gradient_examples(jax.random.key(0), 1, 8)
    >>> flows = {name: ro.gradient_flow(cells[name], jnp.ones((50, 1))) for name in ("orthogonal", "tanh")}
    >>> abs(flows["orthogonal"].norms - 1).max().item() < 1e-4, flows["tanh"].norms[-1].item() < 0.01
    (True, True)

    ```
    """
    check_count("input_size", input_size)
    check_count("hidden_size", hidden_size)
    check_key(key)
    keys, size = jax.random.split(key, 5), (input_size, hidden_size)
    gauss, orthogonal = jax.nn.initializers.normal, jax.nn.initializers.orthogonal
    field = AntisymmetricRNN.random(keys[3], *size, recurrent=gauss(0.5 / hidden_size**0.5))
    lstm = eqx.nn.LSTMCell(input_size, hidden_size, key=keys[4])
    forget = jnp.asarray(lstm.bias).at[hidden_size : 2 * hidden_size].set(3.0)
    return {
        "ReLU": VanillaCell.random(keys[0], *size, recurrent=gauss(2 / hidden_size**0.5)),
        "tanh": VanillaCell.random(keys[1], *size, activation=jnp.tanh, recurrent=orthogonal(0.9)),
        "orthogonal": VanillaCell.random(keys[2], *size, activation=None, recurrent=orthogonal()),
        "antisymmetric": to_rnn(field, Euler(), dt=0.1),
        "LSTM": eqx.tree_at(lambda cell: cell.bias, lstm, forget),
    }
