"""The initial matrices against NumPy's eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode import initializers as init

KEY = jax.random.key(0)
EVERY = {
    "shifted": init.shifted(0.5),
    "orthogonal": init.orthogonal(0.5),
    "gaussian": init.gaussian(0.5),
    "identity": init.identity(0.5),
    "antisymmetric": init.antisymmetric(0.5),
    "with_radius": init.with_radius(0.9),
    "with_abscissa": init.with_abscissa(-0.2),
    "with_multipliers": init.with_multipliers([0.9, 0.5 + 0.5j, 0.5 - 0.5j, -0.3]),
}
each = pytest.mark.parametrize("initializer", EVERY.values(), ids=EVERY.keys())


def draw(initializer, n, seed=0, dtype=float):
    return np.asarray(initializer(jax.random.key(seed), (n, n), dtype))


def eigenvalues(W):
    return np.linalg.eigvals(np.asarray(W, float))


def distance(found, wanted):
    """The largest distance between eigenvalues paired off greedily, each with the nearest that is left."""
    left, worst = list(found), 0.0
    for z in wanted:
        nearest = int(np.argmin(np.abs(np.array(left) - z)))
        worst = max(worst, abs(left.pop(nearest) - z))
    return worst


def test_orthogonal():
    W = draw(init.orthogonal(0.7), 6)
    np.testing.assert_allclose(W @ W.T, 0.49 * np.eye(6), atol=1e-14)
    np.testing.assert_array_equal(W, jax.nn.initializers.orthogonal(0.7)(KEY, (6, 6), float))


@pytest.mark.slow
def test_shifted():
    """Its logarithm exists and the forward series converges, |λ − 1| < 1, although its flow exp(W t) grows, Re λ > 0."""
    W = draw(init.shifted(0.8), 32)
    z = eigenvalues(W)
    np.testing.assert_allclose(np.abs(z - 0.5), 0.3, atol=1e-14)
    np.testing.assert_allclose((W - 0.5 * np.eye(32)) @ (W - 0.5 * np.eye(32)).T, 0.09 * np.eye(32), atol=1e-14)
    assert np.abs(z).max() < 1 and np.abs(z - 1).max() < 1 and z.real.min() > 0


@pytest.mark.slow
def test_gaussian():
    """The mean square of N² entries is gain²/N to a relative √2/N; by the circular law |λ| < gain but for N^(−1/2)."""
    W = draw(init.gaussian(0.7), 200)
    np.testing.assert_allclose(np.mean(W**2), 0.49 / 200, rtol=4 * 2**0.5 / 200)
    assert abs(np.abs(eigenvalues(W)).max() - 0.7) < 0.07


def test_identity():
    np.testing.assert_array_equal(draw(init.identity(-0.7), 3), -0.7 * np.eye(3))


@pytest.mark.slow
def test_antisymmetric():
    """Variances gain²/N, half of the entries independent; i W is Hermitian with Wigner's edge 2 gain, to N^(−2/3)."""
    W = draw(init.antisymmetric(0.7), 200)
    np.testing.assert_array_equal(W, -W.T)
    np.testing.assert_allclose(np.sum(W**2), 0.49 * 199, rtol=4 * 2 / 200)
    assert abs(np.abs(eigenvalues(W)).max() - 1.4) < 0.1


@pytest.mark.gate
@pytest.mark.parametrize(("n", "seed"), [(1, 0), (2, 1), (12, 2), (12, 3)])
def test_radius_and_abscissa(n, seed):
    base = draw(init.gaussian(), n, seed)
    scaled, shifted = draw(init.with_radius(1.3), n, seed), draw(init.with_abscissa(-0.4), n, seed)
    np.testing.assert_allclose(np.abs(eigenvalues(scaled)).max(), 1.3, rtol=1e-12)
    np.testing.assert_allclose(scaled, base * (1.3 / np.abs(eigenvalues(base)).max()), rtol=1e-11)
    np.testing.assert_allclose(eigenvalues(shifted).real.max(), -0.4, rtol=1e-12)
    np.testing.assert_allclose(shifted, base - (0.4 + eigenvalues(base).real.max()) * np.eye(n), atol=1e-13)


@pytest.mark.slow
def test_radius_and_abscissa_of_another_base():
    skew = draw(init.antisymmetric(), 5)
    np.testing.assert_allclose(
        draw(init.with_abscissa(-0.4, init.antisymmetric()), 5), skew - 0.4 * np.eye(5), atol=1e-14
    )
    turned = draw(init.with_radius(0.0, init.orthogonal()), 5), draw(init.with_radius(2.0, init.orthogonal()), 5)
    np.testing.assert_allclose(turned[1], 2 * draw(init.orthogonal(), 5), rtol=1e-12)
    np.testing.assert_array_equal(turned[0], 0)


@pytest.mark.gate
def test_multipliers_are_those_asked_for():
    from hypothesis import given, settings  # half a second, which every worker would pay at the top of the file
    from hypothesis import strategies as st

    parts = st.floats(-2, 2).map(lambda v: round(v, 3))

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(parts, max_size=3), st.lists(st.tuples(parts, parts), max_size=3), st.randoms(use_true_random=False)
    )
    def ask(reals, pairs, shuffler):
        wanted = [complex(a) for a in reals] + [complex(a, s * b) for a, b in pairs for s in (1, -1)] + [0.5]
        shuffler.shuffle(wanted)
        W = draw(init.with_multipliers(wanted), len(wanted))
        assert W.dtype == float
        assert distance(eigenvalues(W), wanted) < 1e-12
        np.testing.assert_allclose(W @ W.T, W.T @ W, atol=1e-13)

    ask()


@pytest.mark.slow
def test_the_key_decides_everything_but_the_multipliers():
    initializer = init.with_multipliers(np.exp([0.3j, -0.3j, 0.0]))
    one, other = draw(initializer, 3), draw(initializer, 3, seed=1)
    assert np.abs(one - other).max() > 0.1 and np.abs(np.tril(one, -2)).min(where=np.tri(3, k=-2) > 0, initial=9) > 1e-3
    np.testing.assert_array_equal(draw(init.with_multipliers([0.5]), 1), [[0.5]])


@pytest.mark.slow
@pytest.mark.parametrize("x64", [True, False], ids=["x64 on", "x64 off"])
@each
def test_dtypes(initializer, x64):
    with jax.enable_x64(x64):
        single, plain = initializer(KEY, (4, 4), jnp.float32), initializer(KEY, (4, 4))
        assert single.dtype == jnp.float32 and plain.dtype == (jnp.float64 if x64 else jnp.float32)
        assert initializer(KEY, (4, 4), jnp.bfloat16).dtype == jnp.bfloat16
        with pytest.raises(TypeError, match="dtype must be real and floating; got complex64"):
            initializer(KEY, (4, 4), jnp.complex64)


@pytest.mark.slow
def test_float32_places_the_spectrum_to_its_rounding():
    assert abs(np.abs(eigenvalues(draw(EVERY["with_radius"], 16, dtype=np.float32))).max() - 0.9) < 1e-5
    assert abs(eigenvalues(draw(EVERY["with_abscissa"], 16, dtype=np.float32)).real.max() + 0.2) < 1e-5
    W = draw(EVERY["with_multipliers"], 4, dtype=np.float32)
    assert distance(eigenvalues(W), [0.9, 0.5 + 0.5j, 0.5 - 0.5j, -0.3]) < 1e-6


@pytest.mark.gate
@each
def test_jitted_equals_eager_and_vmapped_equals_a_loop(initializer):
    keys = jax.random.split(KEY, 3)
    loop = jnp.stack([initializer(key, (4, 4)) for key in keys])
    batch = jax.jit(jax.vmap(lambda key: initializer(key, (4, 4))))(keys)
    np.testing.assert_allclose(batch, loop, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@each
def test_lowers(initializer, platform):
    traced = jax.jit(lambda key: initializer(key, (4, 4), jnp.float32)).trace(KEY)
    assert "callback" not in traced.lower(lowering_platforms=(platform,)).as_text()


def test_cells_take_initializers():
    cell = ro.VanillaCell.random(KEY, 2, 8, recurrent=init.with_radius(0.9))
    np.testing.assert_allclose(np.abs(eigenvalues(cell.W_h)).max(), 0.9, rtol=1e-12)


@each
@pytest.mark.parametrize("shape", [(3, 4), (4,), (2, 4, 4), (0, 0)])
def test_shapes_that_are_not_square(initializer, shape):
    with pytest.raises(ValueError, match=r"shape must be \(N, N\) with N ≥ 1.*got \("):
        initializer(KEY, shape)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: init.gaussian(np.nan), ValueError, "gain must be finite; got nan"),
        (lambda: init.orthogonal(np.inf), ValueError, "scale must be finite"),
        (lambda: init.with_radius(-0.5), ValueError, r"radius must be .*0 or more; got -0\.5"),
        (lambda: init.with_abscissa("0.5"), TypeError, "abscissa must be a number"),
        (lambda: init.with_multipliers([]), ValueError, "at least one eigenvalue"),
        (lambda: init.with_multipliers([[0.5]]), ValueError, r"multipliers must have shape \(N,\)"),
        (lambda: init.with_multipliers([0.5, np.nan]), ValueError, "multipliers must be finite"),
        (lambda: init.with_multipliers([1.0, 1j]), ValueError, "got 1j 1 times and its conjugate 0 times"),
        (lambda: init.with_multipliers([1j, 1j, -1j]), ValueError, "got 1j 2 times and its conjugate 1 times"),
        (lambda: EVERY["with_multipliers"](KEY, (3, 3)), ValueError, r"\(4, 4\) for 4 multipliers; got \(3, 3\)"),
        (lambda: init.with_radius(0.9, init.identity(0.0))(KEY, (2, 2)), ValueError, "other than 0"),
        (
            lambda: ro.VanillaCell.random(KEY, 1, 1, recurrent=init.with_radius(0.9, init.antisymmetric())),
            ValueError,
            "W_h must be finite",
        ),
    ],
)
def test_bad_input(make, error, match, as_user):
    with pytest.raises(error, match=match):
        make()
