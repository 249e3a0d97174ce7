"""Results computed without the package's code, for tests to compare with."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


def loop(cell, xs, h):
    """The states h_k = cell(x_k, h_{k−1}) (T + 1, …) by a Python loop, the initial state first."""
    states = [h]
    for x in xs:
        h = cell(x, h)
        states.append(h)
    return jax.tree.map(lambda *rows: np.stack(rows), *states)


def derivative(function, point, direction, step=1e-6):
    """The derivative (f(p + s d) − f(p − s d)) / 2s of a function of an array. Its error is about step² and eps/step."""
    forth, back = function(point + step * direction), function(point - step * direction)
    return jax.tree.map(lambda a, b: (np.asarray(a) - np.asarray(b)) / (2 * step), forth, back)


def jacobian(function, point, step=1e-6):
    """The Jacobian of a function of a flat array, column by column, from differences."""
    return np.stack([derivative(function, point, e, step) for e in np.eye(len(point))], axis=1)


def equal(a, b) -> bool:
    """Whether two pytrees have the same structure, types and numbers, as `equinox.tree_equal`, but by NumPy."""

    def same(x, y):
        if not eqx.is_array(x):
            return not eqx.is_array(y) and bool(x == y)
        if not eqx.is_array(y) or x.dtype != y.dtype:
            return False
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = map(jax.random.key_data, (x, y))
        return np.array_equal(x, y)

    return jax.tree.structure(a) == jax.tree.structure(b) and all(map(same, jax.tree.leaves(a), jax.tree.leaves(b)))


def assert_close(came, wanted, **tolerance):
    """`numpy.testing.assert_allclose` of two pytrees of the same structure."""
    assert jax.tree.structure(came) == jax.tree.structure(wanted)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), came, wanted)


def assert_gradients_three_ways(value, backward, at, rng):
    """Along a random direction of each argument, reverse mode is forward mode, and that is a central difference."""
    for i in range(len(at)):
        v = jnp.asarray(rng.normal(size=at[i].shape))

        def along(e, i=i, v=v):
            return value(*(a + e * v if j == i else a for j, a in enumerate(at)))

        forward = jax.jvp(along, (0.0,), (1.0,))[1]
        difference = (along(1e-5) - along(-1e-5)) / 2e-5
        np.testing.assert_allclose(jnp.sum(backward[i] * v), forward, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(forward, difference, rtol=2e-5, atol=1e-8)
