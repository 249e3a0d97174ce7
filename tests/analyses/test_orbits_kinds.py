"""What a monodromy matrix says of an orbit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._analyses.orbits_kinds import multipliers_of, split

FLOW = ro.Flow(lambda t, h, path: -h)


def matrices(dtype):
    """An orbit along its own direction with multipliers 0.5 and −0.2, one that grows, and one that nothing is known of."""
    f = np.array([-3.0, 1.0, 2.0], dtype)
    basis = np.stack([f, [1, 0, 0], [0, 1, 0.5]], axis=1)
    for across in (0.5, 1.5):
        yield (basis @ np.diag([1, across, -0.2]) @ np.linalg.inv(basis)).astype(dtype), f
    yield np.full((3, 3), np.nan, dtype), f


@pytest.mark.slow
@pytest.mark.parametrize("free", [True, False], ids=["autonomous", "driven"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_numpy_finds_of_known_values_is_what_jax_finds_of_traced_ones(dtype, free):
    asked = jax.jit(lambda M, f, converged: multipliers_of(FLOW, M, f, jnp.asarray(False), converged, free))
    for M, f in matrices(dtype):
        for converged in (jnp.asarray(True), jnp.asarray(False)):
            M, f = jnp.asarray(M), jnp.asarray(f)
            known, traced = multipliers_of(FLOW, M, f, jnp.asarray(False), converged, free), asked(M, f, converged)
            for one, other in zip(known[:3], traced[:3], strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_allclose(one, other, rtol=0, atol=100 * np.finfo(dtype).eps)
            assert ro.verdict_name(known.verdict) == ro.verdict_name(traced.verdict)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_part_across_an_orbit_has_the_other_multipliers(dtype):
    for (M, f), other in zip(matrices(dtype), (0.5, 1.5), strict=False):
        across, along = split(M, f)
        assert across.dtype == along.dtype == dtype
        values = np.sort(np.linalg.eigvals(across.astype(float)))
        np.testing.assert_allclose(values, [-0.2, other], atol=1e3 * np.finfo(dtype).eps)
        np.testing.assert_allclose(along, [1, 0, 0], atol=1e3 * np.finfo(dtype).eps)
