"""Memory tasks, against their definitions worked in plain Python and the best answers that remember nothing."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode import learn

TASKS = {
    "adding": (learn.Adding(), 12),
    "copy": (learn.Copy(symbols=3, items=4), 5),
    "order": (learn.TemporalOrder(), 23),
    "flip-flop": (learn.FlipFlop(bits=2), 4),
}
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def drawn():
    """A large batch of each task, by name: the task, its lag, inputs and targets."""
    return {
        name: (task, lag, *map(np.asarray, jax.jit(partial(task.draw, lag=lag, size=4000))(KEY)))
        for name, (task, lag) in TASKS.items()
    }


def test_adding_is_the_sum_of_the_two_marked(drawn):
    _, lag, inputs, targets = drawn["adding"]
    for row, target in zip(inputs[:50], targets[:50], strict=True):
        marked = [k for k in range(lag) if row[k, 1] == 1]
        assert len(marked) == 2 and marked[0] < lag // 2 <= marked[1] and row[:, 1].sum() == 2
        assert target.shape == (1,) and abs(target[0] - row[marked[0], 0] - row[marked[1], 0]) < 1e-12
    assert inputs.min() >= 0 and inputs.max() <= 1
    assert np.all(inputs[:, :, 1].any(axis=0)), "every place is marked now and then"


def test_copy_gives_back_the_symbols_in_order(drawn):
    task, lag, inputs, targets = drawn["copy"]
    blank, signal = 3, 4
    assert set(np.unique(inputs)) == {0, 1} and np.all(inputs.sum(axis=2) == 1)
    for row, target in zip(inputs[:50].argmax(axis=2).tolist(), targets[:50].tolist(), strict=True):
        items = row[:4]
        assert max(items) < 3 and row[4:] == [blank] * (lag - 1) + [signal] + [blank] * 4
        assert target == [blank] * (4 + lag) + items
    assert (task.input_size, task.output_size) == (5, 4) and inputs.shape[1] == lag + 2 * 4


def test_temporal_order_is_which_pair_it_was(drawn):
    _, lag, inputs, targets = drawn["order"]
    assert np.all(inputs.sum(axis=2) == 1)
    for row, target in zip(inputs[:50].argmax(axis=2).tolist(), targets[:50].tolist(), strict=True):
        (first, a), (second, b) = [(k, symbol) for k, symbol in enumerate(row) if symbol < 2]
        assert 0.1 * lag - 1 <= first < 0.2 * lag and 0.5 * lag - 1 <= second < 0.6 * lag
        assert target == {(0, 0): 0, (0, 1): 1, (1, 0): 2, (1, 1): 3}[a, b]


def test_flip_flop_keeps_the_sign_of_the_last_pulse(drawn):
    _, lag, inputs, targets = drawn["flip-flop"]
    assert set(np.unique(inputs)) == {-1, 0, 1} and inputs.shape[1:] == targets.shape[1:] == (5 * lag, 2)
    for row, target in zip(inputs[:50], targets[:50], strict=True):
        state = [0.0, 0.0]
        for pulse, now in zip(row.tolist(), target.tolist(), strict=True):
            state = [p if p else old for p, old in zip(pulse, state, strict=True)]
            assert now == state
    share = np.mean(inputs != 0)
    assert abs(share - 1 / lag) < 4 * (0.25 / inputs.size) ** 0.5


def without_memory(name, inputs, targets, task):
    """The best answers that see the present input alone, as predictions for the task's score."""
    if name == "adding":
        return np.ones_like(targets)
    if name == "flip-flop":
        return inputs
    if name == "order":
        return np.broadcast_to(np.eye(4)[0], (len(targets), 4))
    return np.broadcast_to(np.eye(4)[0], (*targets.shape, 4))


@pytest.mark.parametrize("name", TASKS)
def test_chance_is_the_score_of_the_best_answers_without_memory(drawn, name):
    task, lag, inputs, targets = drawn[name]
    score = jax.jit(task.score)(without_memory(name, inputs, targets, task), targets)
    np.testing.assert_allclose(score, task.chance(lag), rtol=0.03)
    assert task.chance(lag) > 2 * task.solved


@pytest.mark.gate
def test_no_other_constant_is_better_than_chance(drawn):
    task, _, _, targets = drawn["adding"]
    for guess in (0.8, 0.95, 1.05, 1.2):
        assert task.score(jnp.full_like(targets, guess), targets) > task.score(jnp.ones_like(targets), targets)
    task, _, inputs, targets = drawn["flip-flop"]
    silent = inputs == 0
    for guess in (-0.2, 0.2):
        assert task.score(jnp.where(silent, guess, inputs), targets) > task.score(jnp.asarray(inputs), targets)


@pytest.mark.parametrize("name", TASKS)
def test_the_true_answer_scores_zero(drawn, name):
    task, _, inputs, targets = drawn[name]
    classes = name in ("copy", "order")
    right = 30 * np.eye(task.output_size)[targets] if classes else targets
    score, loss = jax.jit(task.score), jax.jit(task.loss)
    assert score(right, targets) == 0 and loss(right, targets) < 1e-10
    flat = np.zeros(right.shape)
    expected = np.log(task.output_size) if classes else np.mean(targets**2)
    np.testing.assert_allclose(loss(flat, targets), expected, rtol=1e-10)
    assert inputs.shape[2] == task.input_size and right.shape[-1] == task.output_size
    assert task.every_step == (right.ndim == 3)


def test_the_score_of_copy_is_of_the_symbols_alone():
    task = learn.Copy(symbols=3, items=2)
    targets = jnp.array([[3, 3, 3, 0, 1]])
    answers = jax.nn.one_hot(jnp.array([[0, 0, 0, 0, 2]]), 4)
    assert task.score(answers, targets) == 0.5


@pytest.mark.gate
@pytest.mark.parametrize("name", TASKS)
def test_the_key_decides_the_batch_compiled_or_not(drawn, name):
    task, lag, *first = drawn[name]
    for a, b in zip(first, task.draw(KEY, lag, 4000), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(first, task.draw(jax.random.key(1), lag, 4000), strict=True):
        assert (a != b).any()
    assert len(np.unique(first[0][:8].reshape(8, -1), axis=0)) == 8


@pytest.mark.gate
@pytest.mark.parametrize("name", TASKS)
def test_draws_are_of_the_default_precision(name, float32):
    task, lag = TASKS[name]
    inputs, targets = task.draw(KEY, lag, 2)
    assert inputs.dtype == jnp.float32 and targets.dtype in (jnp.float32, jnp.int32)


@pytest.mark.gate
@pytest.mark.parametrize("task, least", [(learn.Adding(), 2), (learn.TemporalOrder(), 10), (learn.FlipFlop(), 2)])
def test_the_shortest_lag_is_enforced(task, least):
    inputs, _ = task.draw(KEY, least, 3)
    assert inputs.shape[0] == 3 and task.chance(least) > task.solved
    with pytest.raises(ValueError, match=f"lag must be at least {least} for this task; got {least - 1}"):
        task.draw(KEY, least - 1, 3)


def test_tasks_refuse_what_does_not_fit(as_user):
    for task, lag in TASKS.values():
        with pytest.raises(ValueError, match="lag must be at least 1; got 0"):
            task.draw(KEY, 0, 3)
        with pytest.raises(ValueError, match="size must be at least 1; got 0"):
            task.draw(KEY, lag, 0)
        with pytest.raises(TypeError, match="lag must be a whole number"):
            task.draw(KEY, 12.0, 3)
    with pytest.raises(ValueError, match="symbols must be at least 2; got 1"):
        learn.Copy(symbols=1)
    with pytest.raises(ValueError, match="items must be at least 1; got 0"):
        learn.Copy(items=0)
    with pytest.raises(ValueError, match="bits must be at least 1; got 0"):
        learn.FlipFlop(bits=0)
