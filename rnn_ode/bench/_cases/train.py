"""The case "train": an epoch of Adam on the pendulum.

The loss is the mean squared error of a forecast 11 samples ahead.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._cells.vanilla import VanillaCell
from ...interop import Network
from .._peers import peer, with_peer, with_weights
from .._race import OURS, Contender, Plan, distance, race
from .._rows import Row

LESSON = (32, 100, 32, 75)  # units, steps of a history, windows in a batch, batches
Batches = tuple[np.ndarray, np.ndarray]  # histories (batches, windows, T, 1) and targets (batches, windows, 1)


def rows(plan: Plan) -> list[Row]:
    units, steps, size, _ = LESSON
    plan = plan.of_size(units, size, steps)
    optax = peer("optax")
    with jax.enable_x64(False):
        if isinstance(optax, str):
            return race("train", [Contender(OURS, None, optax)], plan, None)
        model, batches = _lesson(plan)
        hand = _hand_train(model, batches)
        contenders = [
            Contender(OURS, _ours_train(model, batches), "learn.fit, history kept"),
            Contender("hand-written optax loop", hand, "lax.scan, one jitted step"),
            *with_peer(plan, "torch", ["PyTorch nn.RNN"], partial(_torch_train, model=model, batches=batches)),
        ]
        return race("train", contenders, plan, partial(distance, reference=np.asarray(hand(), float)), 1e-2)


def _lesson(plan: Plan) -> tuple[Any, Batches]:
    """The network and its batches."""
    from ... import datasets, learn

    units, steps, size, count = LESSON
    windows = learn.windows(datasets.pendulum().values[:2800], steps, 10, 1)
    chosen = np.random.default_rng(plan.seed).integers(len(windows), size=(count, size))
    model = learn.ManyToOne(
        learn.Iterated(VanillaCell.random(jax.random.key(plan.seed), 1, units, activation=jnp.tanh)),
        eqx.nn.Linear(units, 1, key=jax.random.key(plan.seed + 1)),
    )
    return model, (windows.inputs[chosen].astype(np.float32), windows.targets[chosen][..., 0].astype(np.float32))


def _ours_train(model: Any, batches: Batches) -> Callable:
    import optax

    from ... import learn

    def loss(model: Any, batch: Any) -> Array:
        return jnp.mean((jax.vmap(model)(batch[0]) - batch[1]) ** 2)

    given = [(jnp.asarray(xs), jnp.asarray(ys)) for xs, ys in zip(*batches, strict=True)]
    way = {"optimiser": optax.adam(1e-3), "steps": len(given), "key": jax.random.key(0), "progress": False}
    predict = eqx.filter_jit(lambda model: jax.vmap(model)(batches[0][0]))
    return lambda: predict(learn.fit(model, loss, given, **way).model)


def _hand_train(model: Any, batches: Batches) -> Callable:
    import optax

    optimiser = optax.adam(1e-3)
    cell, readout = model.runner.cell, model.readout
    start = (cell.W_h, cell.W_x, cell.b, readout.weight, readout.bias)
    given = [(jnp.asarray(xs), jnp.asarray(ys)) for xs, ys in zip(*batches, strict=True)]

    def predict(params: Any, xs: Array) -> Array:
        W_h, W_x, b, R, c = params
        drives = jnp.swapaxes(xs, 0, 1) @ W_x.T + b[None, None]
        h, _ = jax.lax.scan(lambda h, d: (jnp.tanh(h @ W_h.T + d), None), jnp.zeros(drives.shape[1:]), drives)
        return h @ R.T + c[None]

    @jax.jit
    def step(params: Any, state: Any, xs: Array, ys: Array) -> tuple[Any, Any]:
        gradient = jax.grad(lambda params: jnp.mean((predict(params, xs) - ys) ** 2))(params)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, updates), state

    def epoch() -> Array:
        params, state = start, optimiser.init(start)
        for xs, ys in given:
            params, state = step(params, state, xs, ys)
        return predict(params, given[0][0])

    return epoch


def _torch_train(torch: ModuleType, model: Any, batches: Batches) -> list[Contender]:
    cell, readout = model.runner.cell, model.readout
    units = cell.hidden_size
    given = [(torch.from_numpy(xs), torch.from_numpy(ys)) for xs, ys in zip(*batches, strict=True)]

    def epoch() -> Any:
        parts = {"rnn": torch.nn.RNN(1, units, batch_first=True), "readout": torch.nn.Linear(units, 1)}
        module = with_weights(torch, torch.nn.ModuleDict(parts), Network(cell, readout), "rnn.")
        module["rnn"].bias_hh_l0.requires_grad_(False)  # ours trains one bias

        def predict(xs: Any) -> Any:
            return module["readout"](module["rnn"](xs)[1][0])

        optimiser = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], 1e-3)
        for xs, ys in given:
            optimiser.zero_grad()
            torch.mean((predict(xs) - ys) ** 2).backward()
            optimiser.step()
        with torch.no_grad():
            return predict(given[0][0]).numpy()

    return [Contender("PyTorch nn.RNN", epoch, "CPU, all its threads")]
