"""The case "train": an epoch on the pendulum, Adam on the mean squared error of the value 11 samples ahead."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro

from .._peers import peer, with_peer
from .._race import OURS, Contender, Plan, distance, race
from .._rows import Row

LESSON = (32, 100, 32, 75)  # units, steps of a history, windows of a batch and batches


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


def _lesson(plan: Plan):
    """The network, and histories (batches, size, T, 1) with targets (batches, size, 1)."""
    from ... import datasets, learn

    units, steps, size, count = LESSON
    windows = learn.windows(datasets.pendulum().values[:2800], steps, 10, 1)
    chosen = np.random.default_rng(plan.seed).integers(len(windows), size=(count, size))
    model = learn.ManyToOne(
        learn.Iterated(ro.VanillaCell.random(jax.random.key(plan.seed), 1, units, activation=jnp.tanh)),
        eqx.nn.Linear(units, 1, key=jax.random.key(plan.seed + 1)),
    )
    return model, (windows.inputs[chosen].astype(np.float32), windows.targets[chosen][..., 0].astype(np.float32))


def _ours_train(model, batches) -> Callable:
    import optax

    from ... import learn

    def loss(model, batch):
        return jnp.mean((jax.vmap(model)(batch[0]) - batch[1]) ** 2)

    given = [(jnp.asarray(xs), jnp.asarray(ys)) for xs, ys in zip(*batches, strict=True)]
    way = {"optimiser": optax.adam(1e-3), "steps": len(given), "key": jax.random.key(0), "progress": False}
    predict = eqx.filter_jit(lambda model: jax.vmap(model)(batches[0][0]))
    return lambda: predict(learn.fit(model, loss, given, **way).model)


def _hand_train(model, batches) -> Callable:
    import optax

    optimiser = optax.adam(1e-3)
    cell, readout = model.runner.cell, model.readout
    start = (cell.W_h, cell.W_x, cell.b, readout.weight, readout.bias)
    given = [(jnp.asarray(xs), jnp.asarray(ys)) for xs, ys in zip(*batches, strict=True)]

    def predict(params, xs):
        W_h, W_x, b, R, c = params
        drives = jnp.swapaxes(xs, 0, 1) @ W_x.T + b[None, None]
        h, _ = jax.lax.scan(lambda h, d: (jnp.tanh(h @ W_h.T + d), None), jnp.zeros(drives.shape[1:]), drives)
        return h @ R.T + c[None]

    @jax.jit
    def step(params, state, xs, ys):
        gradient = jax.grad(lambda params: jnp.mean((predict(params, xs) - ys) ** 2))(params)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, updates), state

    def epoch():
        params, state = start, optimiser.init(start)
        for xs, ys in given:
            params, state = step(params, state, xs, ys)
        return predict(params, given[0][0])

    return epoch


def _torch_train(torch: ModuleType, model, batches) -> list[Contender]:
    cell, readout = model.runner.cell, model.readout
    given = [(torch.from_numpy(xs), torch.from_numpy(ys)) for xs, ys in zip(*batches, strict=True)]

    def epoch():
        network = torch.nn.RNN(1, cell.hidden_size, batch_first=True)
        head = torch.nn.Linear(cell.hidden_size, 1)
        weights = (cell.W_h, cell.W_x, cell.b, 0 * cell.b, readout.weight, readout.bias)
        places: list[Any] = [
            network.weight_hh_l0,
            network.weight_ih_l0,
            network.bias_ih_l0,
            network.bias_hh_l0,
            *head.parameters(),
        ]
        with torch.no_grad():
            for place, weight in zip(places, weights, strict=True):
                place.copy_(torch.from_numpy(np.array(weight)))
        network.bias_hh_l0.requires_grad_(False)  # one bias, as ours
        optimiser = torch.optim.Adam([p for p in (*network.parameters(), *head.parameters()) if p.requires_grad], 1e-3)
        for xs, ys in given:
            optimiser.zero_grad()
            torch.mean((head(network(xs)[1][0]) - ys) ** 2).backward()
            optimiser.step()
        with torch.no_grad():
            return head(network(given[0][0])[1][0]).numpy()

    return [Contender("PyTorch nn.RNN", epoch, "CPU, all its threads")]
