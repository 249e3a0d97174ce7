import jax
import jax.numpy as jnp
import pytest

from rnn_ode._base.whole_batch import all_in_batch, largest_in_batch

NUMBERS = jnp.array([[1.0, 4.0, 2.0], [3.0, 0.5, 1.0]])


def halved(x):
    """`x`, halved unless the whole batch is below 4."""
    return jax.lax.cond(all_in_batch(x < 4), lambda x: x, lambda x: x / 2, x)


def doubled(x):
    """`x`, doubled as often as the largest of the batch says."""
    return jax.lax.while_loop(
        lambda pair: pair[0] < largest_in_batch(x), lambda pair: (pair[0] + 1, 2 * pair[1]), (0, x)
    )[1]


@pytest.mark.parametrize(("f", "primitive"), [(halved, "cond"), (doubled, "while")])
@pytest.mark.parametrize("mapped", [lambda f: jax.vmap(jax.vmap(f)), lambda f: jax.jit(jax.vmap(jax.vmap(f, 0), 1, 1))])
def test_a_nested_batch_has_one_answer_and_stays_one_branch(mapped, f, primitive):
    expected = NUMBERS / 2 if f is halved else 16 * NUMBERS
    assert jnp.array_equal(mapped(f)(NUMBERS), expected)
    # a branch or loop over single answers would be a choice between both sides
    assert f" {primitive}[" in (program := str(jax.make_jaxpr(mapped(f))(NUMBERS))) and "select_n" not in program


def test_a_batch_whose_members_all_agree_takes_the_branch():
    assert jnp.array_equal(jax.vmap(halved)(NUMBERS[1]), NUMBERS[1])


def test_a_single_value_and_a_derivative_are_as_without_a_batch():
    assert float(halved(jnp.array(3.0))) == 3 and float(jax.grad(halved)(jnp.array(5.0))) == 0.5
    assert jnp.array_equal(jax.vmap(jax.grad(halved))(NUMBERS[0]), jnp.full(3, 0.5))
