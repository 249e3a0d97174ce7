"""The stability radius and the Kreiss constant, against SLICOT, closed forms and grids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from matrices import jordan, lower

from rnn_ode import linalg

RNG = np.random.default_rng(0)
# The example of SLICOT's AB13FD (Byers' distance to instability); its documented result for the radius is 0.39196472317E-02
# at 0.98966520430. In 40 digits (mpmath) the minimum is 0.00391964723174914 at 0.98966520382791.
SLICOT = np.array(
    [
        [246.5, 242.5, 202.5, -197.5],
        [-252.5, -248.5, -207.5, 202.5],
        [-302.5, -297.5, -248.5, 242.5],
        [-307.5, -302.5, -252.5, 246.5],
    ]
)
W = RNG.normal(size=(4, 4))
W *= 0.9 / np.abs(np.linalg.eigvals(W)).max()

jit_radius = jax.jit(linalg.stability_radius, static_argnames="continuous")


def test_slicots_example():
    found = jit_radius(SLICOT, continuous=True)
    np.testing.assert_allclose(found.radius, 0.39196472317e-2, rtol=5e-11)
    np.testing.assert_allclose(found.at.imag, 0.98966520382791, rtol=1e-8)
    np.testing.assert_allclose(found.at.imag, 0.98966520430, rtol=1e-9)
    assert abs(float(found.radius) - 0.00391964723174914) < found.error < 1e-11


@pytest.mark.slow
def test_slicots_example_in_single_precision():
    """The error that is estimated is an eighth of the radius, and true."""
    found = jit_radius(np.float32(SLICOT), continuous=True)
    assert found.radius.dtype == jnp.float32
    assert abs(float(found.radius) - 0.00391964723) < found.error < 6e-4


@pytest.mark.gate
def test_no_point_of_the_boundary_is_closer():
    turn = np.exp(1j * np.linspace(0, np.pi, 4001))
    grid = np.linalg.svd(turn[:, None, None] * np.eye(4) - W, compute_uv=False)[:, -1].min()
    found = jit_radius(W)
    assert grid * (1 - 1e-5) < found.radius <= grid * (1 + 1e-12)
    A = W - np.eye(4)
    line = 1j * np.linspace(0, 3, 4001)
    grid = np.linalg.svd(line[:, None, None] * np.eye(4) - A, compute_uv=False)[:, -1].min()
    assert grid * (1 - 1e-5) < jit_radius(A, continuous=True).radius <= grid * (1 + 1e-12)


@pytest.mark.slow
def test_a_normal_matrix_is_as_far_as_its_eigenvalues():
    turn = 0.8 * np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    normal = np.kron(np.diag([1.0, 0.5]), turn)
    found = jit_radius(normal)
    np.testing.assert_allclose(found.radius, 0.2, rtol=1e-13)
    np.testing.assert_allclose(found.at, np.exp(1j), rtol=1e-7)
    np.testing.assert_allclose(jit_radius(np.diag([-1.0, -2.0, -3.0, -4.0]), continuous=True).radius, 1, rtol=1e-14)
    np.testing.assert_allclose(linalg.kreiss(normal), 1, rtol=1e-12)


def test_the_change_that_it_promises_makes_an_eigenvalue_reach_the_boundary():
    found = jit_radius(W)
    U, s, Vh = np.linalg.svd(complex(found.at) * np.eye(4) - W)
    changed = np.linalg.eigvals(W + s[-1] * np.outer(U[:, -1], Vh[-1]))
    np.testing.assert_allclose(np.abs(changed - complex(found.at)).min(), 0, atol=1e-12)


def test_at_the_point_that_it_names_the_singular_value_is_at_rest():
    """Its derivative along the circle, Re(i z uᴴv). The value alone would give half of the digits of the point."""
    z = complex(jit_radius(W).at)
    U, _, Vh = np.linalg.svd(z * np.eye(4) - W)
    assert abs(np.real(1j * z * np.vdot(U[:, -1], Vh[-1].conj()))) < 1e-13


@pytest.mark.slow
def test_an_unstable_matrix_has_no_radius_and_no_finite_kreiss_constant():
    assert jit_radius(np.diag([1.5, 0.2, 0.1, 0.0])).radius == 0
    assert linalg.kreiss(np.diag([1.5, 0.2, 0.1, 0.0])) == np.inf
    assert linalg.kreiss(np.diag([1.5, 0.2, 0.1, 0.0]), continuous=True) == np.inf


@pytest.mark.parametrize("continuous", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_kreiss_constant_of_a_block_in_closed_form(continuous):
    """Of [[½, c], [0, ½]], on the real line: the maximum over z of (z − 1)/σ_min, by a fine grid."""
    block = jordan(0.5, 2, 10.0)
    z = 1 + np.logspace(-4, 2, 20001)
    sigma = np.linalg.svd(z[:, None, None] * np.eye(2) - block, compute_uv=False)[:, -1]
    for unit in (1.0, 2.0**-60, 2.0**60) if continuous else (1.0,):  # of time, which a flow alone may change
        found = linalg.kreiss(unit * (block - continuous * np.eye(2)), continuous=continuous)
        np.testing.assert_allclose(found, ((z - 1) / sigma).max(), rtol=1e-6)


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kreiss_constant_beyond_the_digits_of_singular_values(dtype):
    """Of [[½, c], [0, ½]] it is c/2 to 1/c: d (½ + d)⁻² c is largest at d = ½. ‖Wᵏ‖ is at most c, at k = 1."""
    for exponent in (3, 5, 9, 12):
        c = 10.0**exponent
        found = linalg.kreiss(jordan(0.5, 2, c).astype(dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, c / 2, rtol=1e-5)
        for unit in (1.0, 2.0 ** (np.finfo(dtype).minexp // 4)):  # of time
            flow = (unit * jordan(-0.5, 2, c)).astype(dtype)
            np.testing.assert_allclose(linalg.kreiss(flow, continuous=True), c / 2, rtol=1e-5)


@pytest.mark.gate
def test_the_gradient_of_a_large_kreiss_constant():
    """Of [[a, c], [0, a]] it is c/(4 (1 − a)): the derivatives are 1/(4 (1 − a)) by c and c/(4 (1 − a)²) by a."""
    slope = jax.jit(jax.grad(linalg.kreiss))(jordan(0.5, 2, 1e10))
    np.testing.assert_allclose([slope[0, 1], jnp.trace(slope)], [0.5, 1e10], rtol=1e-4)


@pytest.mark.gate
def test_gradients_in_three_ways():
    check_grads(lambda W: linalg.stability_radius(W).radius, (jnp.asarray(W),), 1, eps=1e-6)
    check_grads(linalg.kreiss, (jnp.asarray(W),), 1, eps=1e-6, rtol=1e-4)


@pytest.mark.gate
def test_a_batch_and_every_platform():
    batch = jax.vmap(linalg.stability_radius)(jnp.stack([W, W / 2]))
    np.testing.assert_allclose(batch.radius[1], jit_radius(W / 2).radius, rtol=1e-12)
    for f in (linalg.kreiss, lambda A: linalg.stability_radius(A).radius):
        assert "geev" not in lower(f, W)["tpu"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="A must be a square matrix"):
        linalg.stability_radius(np.ones((2, 3)))
    with pytest.raises(TypeError, match="continuous"):
        linalg.kreiss(W, continuous=1)


@pytest.mark.slow
def test_a_radius_is_the_least_value_also_where_that_hardly_changes_along_the_circle():
    """σ_min lies between 0.61841056536 and 0.61841058462 on the whole circle; 40 digits (mpmath) give the least. The search
    ended 3.2e-13 above it."""
    small = 9.98638106e-09
    found = jit_radius(np.array([[-small, small], [-0.998638106, 0.0]]))
    assert abs(found.radius - 0.618410565364115873) <= 10 * found.error
