"""The bridge of noises under `Exact`, against Van Loan's integral in closed form, and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads
from matrices import lower

import rnn_ode as ro
from rnn_ode._bridge.noise import square_root

RNG = np.random.default_rng(0)
SPREAD = RNG.normal(size=(4, 3))
TURN = RNG.normal(size=(4, 4))
TURN = np.linalg.qr(TURN)[0]


def generator(*rates):
    return TURN @ (np.diag(rates) + np.triu(RNG.normal(size=(4, 4)), 1)) @ TURN.T


GENERATORS = {
    "slow": generator(-0.01, -0.02, -0.5, -1.0),
    "nearly at rest": generator(-1e-6, -1e-3, -0.3, -1.0),
    "fast": generator(-0.1, -2.0, -9.0, -14.0),
    "growing": generator(0.0, 0.3, -1.0, -2.0),
    "growing as fast as it decays": generator(0.6, -0.6, -0.1, -0.2),
    "oscillating": scipy.linalg.block_diag([[-0.1, 2.5], [-2.5, -0.1]], [[-0.4, 1.0], [-1.0, -0.4]]),
}


@pytest.mark.parametrize("dt", [1.0, 0.25])
@pytest.mark.parametrize("name", GENERATORS)
def test_an_ornstein_uhlenbeck_process_is_sampled_and_taken_back(name, dt):
    """The identity, for frequencies below Nyquist; to 1e-11 of the noise."""
    A, C = GENERATORS[name], SPREAD @ SPREAD.T
    sigma = np.asarray(ro.noise_to_rnn(A, SPREAD, dt=dt))
    W = scipy.linalg.expm(A * dt)
    np.testing.assert_allclose(ro.logm(W) / dt, A, atol=1e-7)
    back = np.asarray(ro.noise_to_ode(W, sigma, dt=dt))
    np.testing.assert_allclose(back @ back.T, C, atol=1e-10)


@pytest.mark.parametrize(
    "A",
    [
        np.diag([-1.0, -2.0, -9.0, -35.0]),  # the smallest multiplier is e⁻³⁵ = 6e-16
        np.diag([-1.0, -2.0, -9.0, -20.0]) + np.triu(np.ones((4, 4)), 1),  # Van Loan's logarithm alone loses 1e-4
    ],
    ids=["diagonal", "triangular"],
)
def test_noise_of_a_decay_that_is_over_within_a_step_is_taken_back(A):
    back = np.asarray(ro.noise_to_ode(scipy.linalg.expm(A), ro.noise_to_rnn(A, SPREAD)))
    np.testing.assert_allclose(back @ back.T, SPREAD @ SPREAD.T, atol=1e-10)


def test_noise_in_one_direction_is_taken_back():
    """A flow that turns it into the others during a step: the covariance has one eigenvalue that is not rounding."""
    A = GENERATORS["oscillating"]
    sigma = np.asarray(ro.noise_to_rnn(A, SPREAD[:, :1]))
    back = np.asarray(ro.noise_to_ode(scipy.linalg.expm(A), sigma))
    np.testing.assert_allclose(back @ back.T, SPREAD[:, :1] @ SPREAD[:, :1].T, atol=1e-10)


@pytest.mark.gate
def test_the_noise_of_a_step_in_closed_form():
    """C_ij (e^{(a_i + a_j) dt} − 1)/(a_i + a_j) for a diagonal generator, also for a decay that is over within a step."""
    rates, dt = np.array([-0.5, -2.0, -3e4]), 0.5
    spread = RNG.normal(size=(3, 3))
    sums = rates[:, None] + rates[None, :]
    wanted = spread @ spread.T * np.expm1(sums * dt) / sums
    sigma = np.asarray(ro.noise_to_rnn(np.diag(rates), spread, dt=dt))
    np.testing.assert_allclose(sigma @ sigma.T, wanted, rtol=1e-10)
    np.testing.assert_allclose(ro.noise_to_rnn(np.zeros((2, 2)), 3.0, dt=0.25), 1.5 * np.eye(2), rtol=1e-12)


@pytest.mark.gate
def test_both_settle_at_the_same_covariance():
    A = GENERATORS["oscillating"]
    network = ro.VanillaCell(scipy.linalg.expm(A), np.zeros((4, 1)), np.zeros(4), activation=None)
    flow = ro.Flow(ro.to_ode(network, ro.Exact()), jnp.zeros(1))
    found = ro.covariance(ro.Map(network, jnp.zeros(1)), jnp.zeros(4), ro.noise_to_rnn(A, SPREAD))
    np.testing.assert_allclose(found, ro.covariance(flow, jnp.zeros(4), SPREAD), rtol=1e-9, atol=1e-12)


TURNING = scipy.linalg.block_diag(0.9 * np.array([[0.0, -1.0], [1.0, 0.0]]), 0.5 * np.eye(2))
ONE_WAY = np.array([1.0, 0.1, 1.0, 1.0])


def test_noise_that_no_flow_makes_is_refused_with_the_eigenvalue():
    """0.9 R(90°) with diag(1, 0.01): C = −(A X + X Aᵀ) has the eigenvalue −0.30."""
    X = scipy.linalg.solve_discrete_lyapunov(TURNING, np.diag(ONE_WAY**2))
    A = scipy.linalg.logm(TURNING).real
    values = np.linalg.eigvalsh(-(A @ X + X @ A.T))
    with pytest.raises(ValueError, match=rf"eigenvalue {values[0]:.3g} \(the largest is {values[-1]:.3g}\)") as error:
        ro.noise_to_ode(TURNING, ONE_WAY)
    assert "-0.301" in str(error.value)


@pytest.mark.gate
def test_traced_noise_that_no_flow_makes_is_nan_and_noise_in_every_direction_is_possible():
    assert np.isnan(jax.jit(lambda W: ro.noise_to_ode(W, ONE_WAY))(TURNING)).all()
    even = np.asarray(ro.noise_to_ode(TURNING[:2, :2], 1.0))
    np.testing.assert_allclose(even, even[0, 0] * np.eye(2), atol=1e-14)


def test_noise_that_leaves_the_float_range_is_refused():
    """That of the growing mode alone; traced it is not finite."""
    A = np.diag([-0.5, 900.0, -3e4])
    with pytest.raises(ValueError, match=r"^dt must be short enough for the noise .* finite in float64; got 0\.5"):
        ro.noise_to_rnn(A, np.ones(3), dt=0.5)
    assert not np.isfinite(jax.jit(lambda A: ro.noise_to_rnn(A, np.ones(3), dt=0.5))(A)).all()


def test_a_matrix_without_a_logarithm_is_refused():
    with pytest.raises(ValueError, match=r"^W has no principal logarithm.*generator\(W\)"):
        ro.noise_to_ode(np.diag([-0.5, 0.5]), 1.0)


@pytest.mark.gate
def test_single_precision():
    A, W = (np.float32(M) for M in (GENERATORS["slow"], scipy.linalg.expm(GENERATORS["slow"])))
    sigma = ro.noise_to_rnn(A, np.float32(SPREAD))
    assert sigma.dtype == jnp.float32
    back = np.asarray(ro.noise_to_ode(W, sigma))
    np.testing.assert_allclose(back @ back.T, SPREAD @ SPREAD.T, atol=1e-4)


@pytest.mark.gate
def test_gradients_in_three_ways():
    A = GENERATORS["oscillating"]
    full = np.eye(4) + SPREAD @ SPREAD.T
    check_grads(ro.noise_to_rnn, (A, full), 1, eps=1e-6)
    for G in (A, np.diag([-2.0, -3.0, -3.5, -4.0]) + np.triu(np.ones((4, 4)), 1) / 4):  # by either of the two ways
        W, sigma = scipy.linalg.expm(G), ro.noise_to_rnn(G, full)
        check_grads(ro.noise_to_ode, (W, sigma), 1, eps=1e-7, rtol=1e-4, atol=1e-4)


@pytest.mark.gate
def test_it_lowers_for_every_platform():
    for f in (lambda A: ro.noise_to_rnn(A, 1.0), lambda A: ro.noise_to_ode(A, 1.0)):
        assert "geev" not in lower(f, np.eye(3) / 2)["tpu"]


@pytest.mark.parametrize("rank", [4, 2])
def test_the_root_of_a_covariance_and_its_derivative(rank):
    """S S = C and so S dS + dS S = dC, where C changes within its range; a derivative out of its kernel would be infinite."""
    rng = np.random.default_rng(1)
    F, dF = rng.normal(size=(2, 4, rank))
    dF = dF if rank == 4 else F @ rng.normal(size=(rank, rank))
    C, dC = F @ F.T, F @ dF.T + dF @ F.T
    S, dS = jax.jvp(square_root, (jnp.asarray(C),), (jnp.asarray(dC),))
    np.testing.assert_allclose(S @ S, C, atol=1e-13)
    np.testing.assert_allclose(S @ dS + dS @ S, dC, atol=1e-12)
    lopsided = np.triu(rng.normal(size=(4, 4)))  # a covariance is symmetric, and so is what is added to it
    _, half = jax.jvp(square_root, (jnp.asarray(np.eye(4)),), (jnp.asarray(lopsided),))
    np.testing.assert_allclose(half, (lopsided + lopsided.T) / 4, atol=1e-15)


def test_bad_input_is_named():
    for f in (ro.noise_to_rnn, ro.noise_to_ode):
        with pytest.raises(ValueError, match=r"noise must be a standard deviation"):
            f(np.eye(2), np.ones(3))
        with pytest.raises(ValueError, match="must be a square matrix"):
            f(np.ones((2, 3)), 1.0)
        with pytest.raises(ValueError, match="dt must be positive"):
            f(np.eye(2), 1.0, dt=0.0)
