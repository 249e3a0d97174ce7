"""Functions of matrices, against SciPy and closed forms. Tolerances are measured, times ten."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from matrices import jordan, lower, rotated

from rnn_ode import linalg
from rnn_ode.linalg._funm import _Parts

SLOW = pytest.mark.slow
RNG = np.random.default_rng(0)
BLOCK = jordan(0.5, 4)
NEARLY = BLOCK.copy()
NEARLY[3, 0] = 1e-10
MATRICES = {
    "random": RNG.normal(size=(4, 4)) / 2,
    "Jordan": BLOCK,
    "rotated Jordan": rotated(RNG, BLOCK),
    "nearly defective": NEARLY,
    "identity": np.eye(4),
    "zero": np.zeros((4, 4)),
}
UNITS = np.array([1.0, 2.0**170, 2.0**-170, 1.0])
E = RNG.normal(size=(4, 4))

exp_of = jax.jit(lambda A: linalg.funm(A, jnp.exp))


def distance(found, wanted):
    return np.linalg.norm(np.asarray(found) - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("name", MATRICES)
def test_the_exponential_is_scipys_and_the_error_is_estimated(name):
    found, wanted = exp_of(MATRICES[name]), scipy.linalg.expm(MATRICES[name])
    assert distance(found.value, wanted) < 1e-14
    assert distance(found.value, wanted) < 10 * found.error < 1e-12


def test_a_nilpotent_matrix_is_right_or_refused():
    """Balancing makes its couplings small, and a large one has no circle on which the exponential is tame."""
    for size in (1.0, 30.0):
        nilpotent = size * np.eye(4, k=1)
        found = exp_of(nilpotent)
        assert distance(found.value, scipy.linalg.expm(nilpotent)) < 10 * found.error < 1e-11
    large = 1e4 * np.eye(4, k=1)
    assert np.isnan(exp_of(large).value).all() or distance(exp_of(large).value, scipy.linalg.expm(large)) < 0.1


def test_the_units_of_the_states_do_not_matter():
    A = MATRICES["random"]
    scaled = exp_of(UNITS[:, None] * A / UNITS)
    np.testing.assert_allclose(np.asarray(scaled.value) / UNITS[:, None] * UNITS, scipy.linalg.expm(A), rtol=1e-13)


@pytest.mark.gate
@pytest.mark.parametrize(("f", "reference"), [(jnp.cos, scipy.linalg.cosm), (jnp.tanh, scipy.linalg.tanhm)])
@pytest.mark.parametrize("name", ["random", "rotated Jordan"])
def test_other_functions_are_scipys(f, reference, name):
    found = linalg.funm(MATRICES[name], f)
    assert distance(found.value, reference(MATRICES[name])) < 10 * found.error < 1e-12


@pytest.mark.gate
def test_the_logarithm_and_the_root_of_a_jordan_block():
    """f(J) has the derivatives of f on its diagonals: log 2, 2, −2, 8/3 ; √½, ….

    The singularity at 0 is as near as the eigenvalue is large."""
    z = 0.5
    for f, taylor in (
        (jnp.log, [np.log(z), 1 / z, -1 / (2 * z**2), 1 / (3 * z**3)]),
        (jnp.sqrt, [z**0.5, z**-0.5 / 2, -(z**-1.5) / 8, z**-2.5 / 16]),
    ):
        wanted = sum(c * np.eye(4, k=k) for k, c in enumerate(taylor))
        found = linalg.funm(BLOCK, f)
        assert distance(found.value, wanted) < 10 * found.error < 1e-11


@pytest.mark.gate
def test_single_precision():
    found = linalg.funm(np.float32(MATRICES["rotated Jordan"]), jnp.exp)
    assert found.value.dtype == jnp.float32
    assert distance(found.value, scipy.linalg.expm(MATRICES["rotated Jordan"])) < 3e-6


along = jax.jit(lambda A, E: jax.jvp(lambda A: exp_of(A).value, (A,), (E,))[1])
back = jax.jit(jax.grad(lambda A: jnp.sum(exp_of(A).value * E)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("rotated Jordan", marks=SLOW),
        pytest.param("identity", marks=pytest.mark.gate),
        pytest.param("nearly defective", marks=pytest.mark.thorough),
    ],
)
def test_the_derivative_is_frechets(name):
    A = jnp.asarray(MATRICES[name])
    assert distance(along(A, jnp.asarray(E)), scipy.linalg.expm_frechet(A, E, compute_expm=False)) < 1e-13
    assert distance(back(A), scipy.linalg.expm_frechet(A.T, E, compute_expm=False)) < 1e-13


@pytest.mark.slow
def test_how_uncertain_a_function_is_follows_from_its_condition_its_size_and_its_steepest_step():
    values, at = (
        np.array([1.0, 5.0, 5.0, 2.0]),
        np.array([0.0, 0.5, 0.5, 0.6]),
    )  # the steepest step is 30, from ½ to 0.6
    V = 2 * np.diag([1.0, 1.0, 1.0, 0.5])
    parts = _Parts(*(jnp.asarray(array + 0j) for array in (at, V, np.linalg.inv(V), values)))
    condition = np.sqrt(13.0) * np.sqrt(1.75)
    np.testing.assert_allclose(parts.uncertain(jnp.asarray(3.0)), condition * (5 + 3 * 30), rtol=1e-12)


def test_a_rate_is_made_of_divided_differences_also_of_eigenvalues_that_nearly_coincide():
    """(eᵃ − eᵇ)/(a − b) = eᵇ expm1(a − b)/(a − b). The slope between the two is wrong by (a − b)²/24, here 4e-12."""
    values = np.array([1.0, 1.0 + 1e-9, 1.0 + 1e-5, -2.0])
    gaps = values[:, None] - values
    wanted = E * np.exp(values) * np.where(gaps == 0, 1, np.expm1(gaps) / np.where(gaps == 0, 1, gaps))
    rate = jax.jit(lambda A, E: _Parts.of(A, jnp.exp).rate(jnp.exp, None, E))
    np.testing.assert_allclose(rate(np.diag(values) + 0j, E), wanted, rtol=1e-10)


@pytest.mark.slow
def test_a_parameter_of_the_function_has_a_derivative():
    A = MATRICES["rotated Jordan"]
    found = jax.grad(lambda t: jnp.sum(linalg.funm(A, lambda z: jnp.exp(t * z)).value))(1.0)
    np.testing.assert_allclose(found, np.sum(A @ scipy.linalg.expm(A)), rtol=1e-12)
    with pytest.raises(NotImplementedError, match="no second ones"):
        jax.hessian(lambda A: exp_of(A).value[0, 0])(jnp.asarray(A))


@pytest.mark.slow
def test_what_has_no_right_digits_is_refused():
    with pytest.raises(ValueError, match=r"not real for real numbers: then give A \+ 0j"):
        linalg.funm(np.diag([-1.0, 2.0, 3.0, 4.0]), jnp.sqrt)
    root = linalg.funm(np.diag([-1.0, 2.0, 3.0, 4.0]) + 0j, jnp.sqrt).value
    np.testing.assert_allclose(root, np.diag([1j, 2**0.5, 3**0.5, 2]), atol=1e-14)
    with pytest.raises(ValueError, match="f is not finite"):
        linalg.funm(np.diag([0.0, 2.0, 3.0, 4.0]), jnp.log)
    with pytest.raises(ValueError, match="it is 0 to rounding"):
        linalg.funm(np.diag(np.ones(1), 3), jnp.square)
    found = jax.jit(lambda A: linalg.funm(A, jnp.log))(np.diag([0.0, 2.0, 3.0, 4.0]))
    assert np.isnan(found.value).all() and np.isinf(found.error)
    with pytest.raises(TypeError, match=r"\bf\b"):
        linalg.funm(np.eye(2), "exp")


@pytest.mark.gate
def test_a_batch_and_every_platform():
    stack = jnp.stack([jnp.asarray(MATRICES["Jordan"]), jnp.asarray(MATRICES["random"])])
    batch = jax.vmap(lambda A: exp_of(A).value)(stack)
    np.testing.assert_allclose(batch[1], exp_of(stack[1]).value, rtol=1e-12)
    assert "geev" not in lower(lambda A: linalg.funm(A, jnp.exp).value, BLOCK)["tpu"]


@pytest.mark.gate
def test_a_nearly_nilpotent_matrix_is_not_judged_by_its_small_eigenvalues():
    """Its eigenvalues are ±5e-9 where 0 is right, and its sine is the matrix itself, up to the cube."""
    A = rotated(np.random.default_rng(0), np.array([[0.0, 1.6], [0.0, 0.0]]))
    value, error = linalg.funm(A, jnp.sin)
    assert np.max(np.abs(value - A)) < 1e-13 and error < 1e-13
