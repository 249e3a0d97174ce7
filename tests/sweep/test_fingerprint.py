"""The fingerprint of a program: the same for the same function, another one for everything that changes results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_ode._sweep.fingerprint import fingerprint_of

WEIGHTS = np.random.default_rng(0).normal(size=(40, 40))
OTHER = WEIGHTS.copy()
OTHER[20, 20] += 1e-9  # which no text of the array shows


def program(W=WEIGHTS, scale=0.5, function=jnp.tanh, seed=0, count=3):
    """A new function with constants of all kinds: an array, a number, a key, a function, an array in an inner function."""
    key = jax.random.key(seed)

    @jax.jit
    def inner(x):
        return function(jnp.asarray(W) @ x)

    def member(x):
        noise = scale * jax.random.normal(key, (40,))
        return jax.lax.scan(lambda h, _: (inner(h) + W @ noise, None), x * jnp.ones(40), None, count)[0]

    return fingerprint_of(jax.jit(jax.vmap(member)).trace(jnp.ones(4)).jaxpr)


def test_the_same_function_made_anew_has_the_same_fingerprint():
    assert program() == program()


@pytest.mark.parametrize(
    "change", [{"W": OTHER}, {"scale": 0.5 + 1e-12}, {"function": jnp.sin}, {"seed": 1}, {"count": 4}]
)
def test_what_changes_results_changes_the_fingerprint(change):
    assert program(**change) != program()


def test_a_callback_counts_by_its_place_and_not_by_its_address():
    def made():
        return jax.jit(lambda x: jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), x.dtype), x))

    first, second = (fingerprint_of(made().trace(1.0).jaxpr) for _ in range(2))
    assert first == second
