"""Functions of matrices satisfy their identities, in every scale and in both precisions."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import scipy.linalg
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro

la = ro.linalg
TAME = tuple(kind for kind in draw.ALL if kind != "graded")  # those for which one norm serves all entries
EPS = {np.dtype(np.float32): 2.0**-23, np.dtype(np.float64): 2.0**-52}


def norm(A):
    """The Frobenius norm, which neither overflows nor underflows."""
    size = np.max(np.abs(A), initial=0)
    return 0.0 if size == 0 else float(size * np.linalg.norm(np.asarray(A) / size))


def exp_derivative(L):
    """The matrix (N², N²) of the derivative of exp at L, from the exponential of a block matrix."""
    n = len(L)
    units = np.eye(n * n).reshape(-1, n, n)
    return np.stack([scipy.linalg.expm_frechet(L, E, compute_expm=False).ravel() for E in units], axis=1)


def has_logarithm(W):
    """Whether every eigenvalue is far from (−∞, 0], compared with what rounding does to it."""
    values = np.linalg.eigvals(W)
    return np.abs(values).min() > 1e-3 * norm(W) and np.abs(np.angle(values)).max() < 3.0


@prop(
    50,
    3000,
    found="`to_ode` with `Exact` gave a field of NaN where rounding hides the logarithm, and `logm` named a wrong reason",
    W=draw.matrices(TAME, most=8),
    dtype=draw.dtypes(),
)
def test_the_exponential_of_the_logarithm_is_the_matrix(W, dtype):
    assume(has_logarithm(W))
    W = W.astype(dtype)
    try:
        L = np.asarray(la.logm(W), np.float64)
    except ValueError as error:
        assert "too ill-conditioned" in str(error)
        if dtype == np.float32:  # where at most four digits would be right
            assert np.linalg.cond(exp_derivative(np.asarray(la.logm(W.astype(float))))) * EPS[W.dtype] > 1e-4
        return
    condition = np.linalg.cond(exp_derivative(L))
    with mpmath.workdps(30):
        back = np.array(mpmath.expm(mpmath.matrix(L)).tolist(), float)
    assert norm(back - W) <= 100 * len(W) * EPS[W.dtype] * condition * norm(W)


@prop(50, 3000, A=draw.matrices(most=8), size=st.floats(1e-9, 3.0), dtype=draw.dtypes())
def test_the_logarithm_of_the_exponential_is_the_matrix(A, size, dtype):
    assume(norm(A) > 0)
    A = (A * (size / norm(A))).astype(dtype)  # no eigenvalue has an imaginary part above 3
    derivative = exp_derivative(A.astype(float))
    # exp(A) is near 1: its rounding is of the size of the identity, and moves the logarithm by the inverse derivative
    allowed = np.linalg.norm(np.linalg.inv(derivative), 2) * norm(scipy.linalg.expm(A.astype(float)))
    allowed = max(allowed * np.linalg.cond(derivative), 1)
    assert norm(la.logm(la.expm(A)) - A) <= 100 * len(A) * EPS[A.dtype] * allowed


@prop(50, 4000, A=draw.matrices(most=5, kinds=TAME), size=st.floats(-8, 2), dtype=draw.dtypes())
def test_the_exponential_is_that_of_sixty_digits(A, size, dtype):
    assume(norm(A) > 0)
    A = (A / norm(A) * 10.0**size).astype(dtype)
    with mpmath.workdps(60):
        wanted = np.array(mpmath.expm(mpmath.matrix(A.astype(float))).tolist(), float)
    assume(np.abs(wanted).max() < np.finfo(dtype).max and norm(wanted) > np.finfo(dtype).tiny)
    # what rounding of A alone changes, at worst
    condition = np.linalg.norm(exp_derivative(A.astype(float)), 2) * norm(A) / norm(wanted)
    assert norm(la.expm(A) - wanted) <= 20 * len(A) * EPS[A.dtype] * max(condition, 1) * (1 + norm(A)) * norm(wanted)


@prop(50, 3000, A=draw.matrices(most=8), size=st.floats(-3, 1), k=st.integers(0, 2))
def test_phi_functions_obey_their_recurrence(A, size, k):
    """φ_k(A) = A φ_{k+1}(A) + 1/k!."""
    assume(norm(A) > 0)
    A = A / norm(A) * 10.0**size
    phis = np.asarray(la.phi_functions(A, 3))
    left, right = phis[k], A @ phis[k + 1] + np.eye(len(A)) / np.prod(np.arange(1, k + 1))
    assert norm(left - right) <= 1e-13 * len(A) * (norm(left) + norm(A) * norm(phis[k + 1])) * (1 + norm(A))


@prop(
    40,
    3000,
    n=draw.sizes(least=draw.SLOW, most=17),
    m=st.sampled_from([1, 3]),
    rng=draw.rngs(),
    shift=st.floats(-2, 2),
    data=st.data(),
    scale=draw.scales(100),
    q=draw.scales(100),
)
def test_sylvester_solves_its_equation(n, m, rng, shift, data, scale, q):
    A = data.draw(draw.matrices(n=n)) * scale
    B = (data.draw(draw.matrices(n=m)) + shift * np.eye(m)) * scale
    Q = q * rng.normal(size=(n, m))
    gaps = np.abs(np.linalg.eigvals(A)[:, None] + np.linalg.eigvals(B)[None])
    assume(gaps.min() > 1e-6 * (norm(A) + norm(B)))
    X = np.asarray(la.sylvester(A, B, Q))
    assert norm(A @ X + X @ B - Q) <= 1e-13 * (n + m) * ((norm(A) + norm(B)) * norm(X) + norm(Q))


@prop(40, 3000, A=draw.stable(continuous=True), rng=draw.rngs(), scale=draw.scales(100), q=draw.scales(100))
def test_the_continuous_lyapunov_equation_gives_a_covariance(A, rng, scale, q):
    n = len(A)
    spread = rng.normal(size=(n, max(n // 2, 1)))
    A, Q = A * scale, q * spread @ spread.T
    X = np.asarray(la.lyapunov_continuous(A, Q))
    rounding = 1e-13 * n * (2 * norm(A) * norm(X) + norm(Q))
    assert norm(A @ X + X @ A.T + Q) <= rounding
    assert norm(X - X.T) <= 1e-8 * norm(X)


@prop(40, 3000, A=draw.stable(), rng=draw.rngs(), q=draw.scales(140))
def test_the_discrete_lyapunov_equation_is_the_sum_of_its_series(A, rng, q):
    n = len(A)
    spread = rng.normal(size=(n, max(n // 2, 1)))
    Q = q * spread @ spread.T
    X = np.asarray(la.lyapunov_discrete(A, Q))
    assert norm(X - A @ X @ A.T - Q) <= 1e-13 * n * ((1 + norm(A) ** 2) * norm(X) + norm(Q))
    if np.abs(np.linalg.eigvals(A)).max() < 0.9 and norm(A) < 10:
        total, inverse, power = Q.copy(), np.eye(n), A.copy()
        for _ in range(12):  # doublings: 4096 terms
            total, inverse = total + power @ total @ power.T, inverse + power @ inverse @ power.T
            power = power @ power
        # the equation's inverse is a positive map, whose norm is that of its value at the identity
        assert norm(X - total) <= 1e-13 * n * (1 + norm(A) ** 2) * norm(inverse) * norm(total)


def square(z):
    return z * z


def rational(z):
    return 1 / (z * z + 40)


@prop(0, 1500, A=draw.matrices(least=2, most=8), size=st.floats(-3, 0.5))
def test_functions_of_a_matrix_are_those_that_are_known(A, size):
    """z² is A A, and 1/(z² + 40) is an inverse."""
    assume(norm(A) > 0)
    A = A / norm(A) * 10.0**size
    for f, wanted in ((square, A @ A), (rational, np.linalg.inv(A @ A + 40 * np.eye(len(A))))):
        try:
            value, error = la.funm(A, f)
        except ValueError:  # no digit is right of what is 0 to rounding
            assert norm(wanted) <= 1e-13 * norm(A) ** 2
            continue
        off = norm(value - wanted)
        assert off <= max(10 * float(error) * norm(value), 1e-12 * len(A) * norm(wanted), 1e-13 * norm(A) ** 2)


@prop(
    20,
    1500,
    found="`funm` took eigenvectors of a nearly defective matrix whose eigenvalues are 0, and named a small error",
    A=draw.matrices(TAME, least=2, most=8),
    rng=draw.rngs(),
    size=st.floats(-2, 0.5),
)
def test_functions_of_similar_matrices_are_similar(A, rng, size):
    """f(S A S⁻¹) = S f(A) S⁻¹, to within the errors that funm itself estimates."""
    assume(norm(A) > 0)
    n = len(A)
    A = A / norm(A) * 10.0**size
    S = draw._orthogonal(rng, n) @ np.diag(2.0 ** rng.integers(-2, 3, n))
    value, error = la.funm(A, jnp.sin)
    there, error_there = la.funm(S @ A @ np.linalg.inv(S), jnp.sin)
    allowed = 100 * n * (float(error) + float(error_there) + 2.0**-52)
    assert norm(there - S @ value @ np.linalg.inv(S)) <= allowed * np.linalg.cond(S) ** 2 * max(norm(value), norm(A))


@prop(0, 1500, A=draw.matrices(least=2, most=8), size=st.floats(-3, 1), dtype=draw.dtypes())
def test_a_function_of_a_matrix_is_as_exact_as_it_says(A, size, dtype):
    """exp by `funm` is exp by another way, to within ten times the error that it states."""
    assume(norm(A) > 0)
    A = (A / norm(A) * 10.0**size).astype(dtype)
    value, error = la.funm(A, jnp.exp)
    wanted = scipy.linalg.expm(A.astype(float))
    assert norm(value - wanted) <= 10 * float(error) * norm(value) + 1e-13 * len(A) * norm(wanted) * (1 + norm(A)) ** 2


@prop(50, 3000, A=draw.matrices(), power=draw.scales(140))
def test_eigenvalues_have_the_trace_and_the_vectors_their_equation(A, power):
    A = A * power
    assume(np.isfinite(A).all())
    values, V = (np.asarray(part) for part in la.eig(A))
    assert abs(values.sum() - np.trace(A)) <= 1e-13 * len(A) * norm(A)
    theirs, U = np.linalg.eig(A / power)  # LAPACK balances a matrix, which may cost a badly scaled one some digits
    known = norm(A / power @ U - U * theirs) * power
    assert norm(A @ V - V * values) <= max(1e-13 * len(A) * norm(A) * norm(V), 2 * known)
    np.testing.assert_allclose(np.linalg.norm(V, axis=0), 1, rtol=1e-12)


@prop(40, 2000, A=draw.matrices(most=17), z=st.lists(st.complex_numbers(max_magnitude=5), min_size=6, max_size=6))
def test_a_pseudospectrum_changes_no_faster_than_its_point(A, z):
    """σ_min(z − A) is 1-Lipschitz in z, at most the distance to the spectrum, and a singular value."""
    z = np.array(z)
    found = np.asarray(ro.pseudospectrum(A, z))
    rounding = 1e-13 * len(A) * (norm(A) + 5)
    assert np.all(np.abs(found[:, None] - found[None]) <= np.abs(z[:, None] - z[None]) + rounding)
    wanted = [np.linalg.svd(point * np.eye(len(A)) - A, compute_uv=False)[-1] for point in z]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding)


@prop(
    30,
    1500,
    found="`stability_radius` ended 3.2e-13 above the least value where it hardly changes along the circle",
    A=draw.stable(least=2, most=8),
    continuous=st.booleans(),
)
def test_no_point_of_the_boundary_is_nearer_than_the_stability_radius(A, continuous):
    if continuous:
        A = A - np.eye(len(A)) * 1.01
    radius, at, error = la.stability_radius(A, continuous=continuous)
    values = np.linalg.eigvals(A)
    top = 4 * norm(A) + 1
    boundary = 1j * np.linspace(-top, top, 801) if continuous else np.exp(1j * np.linspace(0, np.pi, 801))
    boundary = np.append(boundary, 1j * values.imag if continuous else np.exp(1j * np.angle(values)))
    eye = np.eye(len(A))
    sampled = np.linalg.svd(boundary[:, None, None] * eye - A, compute_uv=False)[:, -1].min()
    assert radius <= sampled + 10 * error
    attained = np.linalg.svd(complex(at) * eye - A, compute_uv=False)[-1]
    assert abs(attained - radius) <= 10 * error
    gap = -values.real.max() if continuous else 1 - np.abs(values).max()
    assert radius <= gap * (1 + 1e-9) + 10 * error + 1e-7 * norm(A)


@prop(0, 1500, A=draw.stable(least=2, most=8, kinds=TAME))
def test_the_kreiss_constant_bounds_the_powers(A):
    """K ≤ sup ‖Aᵏ‖ ≤ e N K, and K is at least what any point outside of the disc gives."""
    K = float(la.kreiss(A))
    assume(K < 1e4 and np.abs(np.linalg.eigvals(A)).max() < 0.995)
    powers, power = [1.0], np.eye(len(A))
    for _ in range(4000):
        power = power @ A
        powers.append(np.linalg.norm(power, 2))
        if powers[-1] < 1e-3:
            break
    assert max(powers) * (1 + 1e-6) >= K
    assert max(powers) <= np.e * len(A) * K * (1 + 1e-6)
    z = np.outer(1 + 10.0 ** np.linspace(-4, 1, 20), np.exp(1j * np.linspace(0, np.pi, 60))).ravel()
    sampled = (np.abs(z) - 1) / np.linalg.svd(z[:, None, None] * np.eye(len(A)) - A, compute_uv=False)[:, -1]
    assert sampled.max() <= K * (1 + 1e-3)


@prop(
    30, 1500, A=draw.matrices(least=2, most=5, kinds=("Gaussian", "normal", "symmetric", "triangular")), rng=draw.rngs()
)
def test_the_condition_number_bounds_what_a_small_change_does(A, rng):
    assume(norm(A) > 0)
    A = A / norm(A)
    derivative = exp_derivative(A)
    wanted = np.linalg.norm(derivative, 2) * norm(A) / norm(scipy.linalg.expm(A))
    found = float(la.condition(la.expm, A))
    assert found <= wanted * (1 + 1e-9)
    assert found >= 0.7 * wanted


@prop(0, 1000, Ws=st.lists(draw.matrices(n=3), min_size=4, max_size=4))
def test_a_batch_of_matrices_is_a_loop_over_them(Ws):
    """Also where some of them have no logarithm or no unique solution: these are NaN, and leave the others alone."""
    Ws = np.stack(Ws)
    batch = _batch(Ws)
    for i, W in enumerate(Ws):
        for name, one in _one(W).items():
            came = np.asarray(batch[name][i])
            if not np.isfinite(one).all() or not np.isfinite(came).all():
                # on the edge of existence two programs may round to different sides
                continue
            magnified = np.linalg.cond(W) ** 0.5 if name == "logm" else 1
            assert norm(came - one) <= 1e-9 * max(norm(one), norm(W)) * magnified, name


def _answers(W):
    return {
        "expm": la.expm(W),
        "logm": la.logm(W),
        "lyapunov": la.lyapunov_discrete(W / 8, jnp.eye(3)),
        "values": jnp.sum(la.eigvals(W)),
        "radius": la.stability_radius(W / 8).radius,
    }


_one = jax.jit(_answers)
_batch = jax.jit(jax.vmap(_answers))
