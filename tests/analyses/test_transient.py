"""Transient growth and pseudospectra, against closed forms, powers one by one, scipy's optimisers and numpy's SVD."""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from telling import telling

import rnn_ode as ro
import rnn_ode.plot
from rnn_ode.linalg._exponential import exponential, matrix_power
from rnn_ode.linalg._norms import numerical_abscissa, numerical_radius

REFERENCE = {
    row["id"]: row
    for row in (
        {"id": "map-1", "W": [[0.5, 10], [0, 0.5]], "peak": 10.0249378, "peak_time": 1, "kreiss": 5.05},
        {
            "id": "ode-1",
            "A": [[-1, 10], [0, -2]],
            "peak": 2.5634929,
            "peak_time": 0.66268,
            "kreiss": 1.8653556,
            "numerical_abscissa": 3.5249378,
        },
    )
}


class Linear(eqx.Module):
    """The field dh/dt = A h."""

    A: jax.Array

    def __call__(self, t, h, path):
        return self.A @ h


def of_map(W):
    return ro.transient(jnp.asarray(W, jnp.result_type(float)))


def of_flow(A):
    A = jnp.asarray(A, jnp.result_type(float))
    return ro.transient(ro.Flow(Linear(A)), jnp.zeros(A.shape[0]))


def rotation(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def jordan(n, value, coupling=1.0):
    return value * np.eye(n) + coupling * np.eye(n, k=1)


def name(t):
    return ro.verdict_name(t.verdict)


# --- values known beforehand -----------------------------------------------------------------------------------------


@pytest.mark.gate
def test_the_published_map():
    row, t = REFERENCE["map-1"], of_map(REFERENCE["map-1"]["W"])
    for key in ("peak", "peak_time", "kreiss"):
        assert getattr(t, key) == pytest.approx(row[key], rel=1e-6), key
    assert t.numerical_abscissa is None and t.numerical_radius == pytest.approx(5.5, rel=1e-12)
    assert t.departure == pytest.approx(10, rel=1e-12) and t.rate == pytest.approx(np.log(0.5))
    assert name(t) == "DECAYS"


@pytest.mark.gate
def test_the_published_flow():
    row, t = REFERENCE["ode-1"], of_flow(REFERENCE["ode-1"]["A"])
    for key in ("peak", "kreiss", "numerical_abscissa"):
        assert getattr(t, key) == pytest.approx(row[key], rel=1e-6), key
    # the norm's own slope vanishes there: more digits than the five published ones
    assert t.peak_time == pytest.approx(row["peak_time"], abs=1e-5)
    slope = scipy.optimize.approx_fprime([float(t.peak_time)], lambda s: norm_of_flow(row["A"], s[0]), 1e-6)
    assert abs(slope[0]) < 1e-4 and t.numerical_radius is None
    assert t.condition == pytest.approx([101**0.5] * 2, rel=1e-10)


@pytest.mark.slow
def test_normal_matrices_do_not_grow():
    turn = rotation(2, 1)
    for t, verdict in (
        (of_map(turn), "PERSISTS"),
        (of_map(turn @ np.diag([0.9, -0.5]) @ turn.T), "DECAYS"),
        (of_map(np.zeros((2, 2))), "DECAYS"),
        (of_flow(turn @ np.diag([-0.1, -3]) @ turn.T), "DECAYS"),
        (of_flow([[0, 2], [-2, 0]]), "PERSISTS"),
        (of_flow(np.zeros((2, 2))), "PERSISTS"),
    ):
        assert (float(t.peak), float(t.peak_time), name(t)) == (1.0, 0.0, verdict)
        assert t.kreiss == pytest.approx(1, abs=1e-12) and t.departure < 1e-14


@pytest.mark.gate
def test_what_grows_has_no_peak():
    for t, verdict in (
        (of_map([[1.1, 0], [0, 0.5]]), "GROWS"),
        (of_flow([[0.1, 0], [0, -1]]), "GROWS"),
        (of_map(jordan(2, 1.0)), "UNDETERMINED"),
        (of_flow(jordan(2, 0.0)), "UNDETERMINED"),
    ):
        assert (t.peak, t.peak_time, t.kreiss, name(t)) == (np.inf, np.inf, np.inf, verdict)
        assert np.isfinite(t.norms).sum() >= 60  # the curve is there to be drawn


@pytest.mark.slow
@pytest.mark.parametrize("gap", [1e-1, 1e-3, 1e-5])
def test_a_peak_after_many_steps_is_found(gap):
    """‖Jᵏ‖ of J = [[λ, 1], [0, λ]] in closed form; K = 1/4(1 − λ) + … by maximising (r − 1)‖(r − J)⁻¹‖ over r > 1."""
    decay = 1 - gap
    steps = np.arange(max(0, 1 / gap - 3000), 1 / gap + 3000).round()
    norms = jordan_norm(decay**steps, steps * decay ** (steps - 1))
    t = of_map(jordan(2, decay))
    assert t.peak == pytest.approx(norms.max(), rel=1e-9)
    # neighbours of the maximum are as high to (gap · steps)²/2
    assert abs(float(t.peak_time) - steps[norms.argmax()]) <= max(0.5, 3e-7 / gap)

    def negative(logarithm):
        d = np.exp(logarithm)
        return -d * jordan_norm(1 / (d + gap), 1 / (d + gap) ** 2)

    best = -scipy.optimize.minimize_scalar(negative, (np.log(gap) - 1, np.log(gap) + 1)).fun
    assert t.kreiss == pytest.approx(max(1, best), rel=1e-6)


def jordan_norm(a, b):
    """The norm of [[a, b], [0, a]]."""
    half = (2 * a**2 + b**2) / 2
    return np.sqrt(half + np.sqrt(half**2 - a**4))


def test_scales_of_time_and_size():
    """A flow runs faster in proportion, to the ends of the float range."""
    A = np.array(REFERENCE["ode-1"]["A"], float)
    for scale in (1e-150, 1e-3, 1e150):
        t = of_flow(scale * A)
        found = np.array([t.peak, t.peak_time * scale, t.kreiss, t.numerical_abscissa / scale, t.departure / scale])
        np.testing.assert_allclose(found, [2.56349288571, 0.6626750754, 1.8653556159, 3.52493781056, 10], rtol=1e-9)


@pytest.mark.slow
def test_sizes_of_a_map_to_the_ends_of_the_float_range():
    """The powers of a nilpotent map end."""
    t = of_map([[0, 1e150], [0, 0]])
    assert (float(t.peak), float(t.peak_time)) == (1e150, 1.0)
    t = of_map(1e-150 * np.array(REFERENCE["map-1"]["W"]))
    assert t.peak == 1 and t.departure == pytest.approx(1e-149, rel=1e-12)


@pytest.mark.slow
def test_time_is_the_systems():
    cell, h = ro.VanillaCell(REFERENCE["map-1"]["W"], np.zeros((2, 1)), np.zeros(2), None), jnp.zeros(2)
    t = ro.transient(ro.Map(cell, np.zeros(1), dt=0.1), h)
    assert t.peak == pytest.approx(10.0249378, rel=1e-8) and t.peak_time == pytest.approx(0.1)
    assert t.rate == pytest.approx(10 * np.log(0.5)) and t.times[1] == pytest.approx(0.1)


@pytest.mark.slow
def test_a_system_at_a_state_is_its_jacobian():
    W, h = np.array([[0.5, 3.0], [0.1, 0.4]]), np.array([0.3, -0.2])
    cell = ro.VanillaCell(W, np.eye(2), np.zeros(2), jnp.tanh)
    x = np.arctanh(h) - W @ h  # makes h the fixed point
    J = np.diag(1 - h**2) @ W
    chart, flow = ro.Map(cell, x), ro.Flow(ro.to_ode(cell, ro.Forward(1)), x)
    for t, other in ((ro.transient(chart, h), of_map(J)), (ro.transient(flow, h), of_flow(J - np.eye(2)))):
        for field in ("peak", "kreiss", "departure", "eigenvalues"):
            np.testing.assert_allclose(getattr(t, field), getattr(other, field), rtol=1e-9)


# --- against other algorithms ----------------------------------------------------------------------------------------


def norm_of_flow(A, t):
    return np.linalg.norm(scipy.linalg.expm(np.asarray(A) * t), 2)


def peak_of_map(W, count=20000):
    P, best = np.eye(len(W)), (1.0, 0)
    for k in range(1, count):
        P = P @ W
        size = np.linalg.norm(P, 2)
        if size > best[0] * (1 + 1e-12):
            best = size, k
        if size <= 1:
            return best
    return best


def peak_of_flow(A):
    """Samples every 0.1/‖A‖ until the norm is at most 1, and scipy's bounded minimiser round the highest."""
    step = 0.1 / np.linalg.norm(A, 2)
    E, P, norms = scipy.linalg.expm(A * step), np.eye(len(A)), [1.0]
    while (len(norms) < 2 or norms[-1] > 1) and len(norms) < 30000:
        P = P @ E
        norms.append(np.linalg.norm(P, 2))
    norms = np.array([*norms, 0.0])
    humps = [i for i in range(1, len(norms) - 1) if norms[i] >= max(norms[i - 1], norms[i + 1])]
    best = (1.0, 0.0)
    for i in sorted(humps, key=lambda i: -norms[i])[:5]:
        found = scipy.optimize.minimize_scalar(
            lambda t: -norm_of_flow(A, t),
            bounds=((i - 1) * step, (i + 1) * step),
            method="bounded",
            options={"xatol": 1e-9},
        )
        best = max(best, (-found.fun, found.x))
    return best


def kreiss_by_scipy(J, flow):
    """A fine grid, and Nelder–Mead from its best points."""
    n, size, values = len(J), np.linalg.norm(J, 2), np.linalg.eigvals(J)
    gap = -values.real.max() if flow else 1 - np.abs(values).max()
    places = np.concatenate(
        [np.linspace(0, size if flow else np.pi, 60), abs(values.imag if flow else np.angle(values))]
    )
    d, at = np.meshgrid(np.geomspace(gap / 30 / n, 1e3 * (1 + size), 60), places, indexing="ij")

    def quotient(d, at):
        z = np.asarray(d + 1j * at if flow else (1 + d) * np.exp(1j * at))
        return d / np.linalg.svd(z[..., None, None] * np.eye(n) - J, compute_uv=False)[..., -1]

    grid = quotient(d, at)
    best = max(1.0, grid.max())
    for i in np.argsort(-grid.ravel())[::9][:6]:
        start = np.log(d.ravel()[i]), at.ravel()[i]
        how = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 300}
        found = scipy.optimize.minimize(
            lambda q: -np.log(quotient(np.exp(q[0]), q[1])), start, method="Nelder-Mead", options=how
        )
        best = max(best, np.exp(-found.fun))
    return best


def radius_by_scipy(W):
    def support(angle):
        turned = np.exp(1j * angle) * W
        return -np.linalg.eigvalsh((turned + turned.conj().T) / 2)[-1]

    grid = np.linspace(0, np.pi, 200)
    starts = grid[np.argsort([support(angle) for angle in grid])[:4]]
    how = {"method": "bounded", "options": {"xatol": 1e-9}}
    return max(-scipy.optimize.minimize_scalar(support, bounds=(a - 0.02, a + 0.02), **how).fun for a in starts)


def zoo(n, seed):
    """Matrices with a spectral radius below 1 that grow in different ways."""
    rng = np.random.default_rng(seed)
    gauss, turn, basis = rng.normal(size=(n, n)), rotation(n, seed), rng.normal(size=(n, n))
    gauss /= np.abs(np.linalg.eigvals(gauss)).max()
    triangle = np.triu(3 * rng.normal(size=(n, n)), 1) + np.diag(rng.uniform(-0.9, 0.9, n))
    turns = [scipy.linalg.expm(np.array([[0, -a], [a, 0]])) for a in rng.uniform(0, np.pi, n // 2)]
    circle = scipy.linalg.block_diag(*turns, *np.full((n % 2, 1, 1), 0.5))
    return {
        "gauss": 0.9 * gauss,
        "marginal": 0.9999 * gauss,
        "triangle": triangle,
        "turned": turn @ triangle @ turn.T,
        "shift": 1.5 * np.eye(n, k=1),
        "turned shift": 2 * turn @ np.eye(n, k=1) @ turn.T,
        "jordan": jordan(n, 0.8),
        "flip": jordan(n, -0.8),
        "beats": basis @ (0.999 * circle) @ np.linalg.inv(basis),
        "normal": turn @ np.diag(rng.uniform(-1, 1, n)) @ turn.T,
    }


@pytest.mark.gate
@pytest.mark.parametrize("n", [2, 5])
def test_against_brute_force(n):
    """And the Kreiss matrix theorem, K ≤ peak ≤ e N K."""
    for seed, (kind, W) in enumerate(zoo(n, n).items()):
        for flow, J, t in ((False, W, of_map(W)), (True, W - np.eye(n), of_flow(W - np.eye(n)))):
            label = f"{kind}, seed {seed}, flow {flow}"
            peak, time = (peak_of_flow if flow else peak_of_map)(J)
            assert t.peak == pytest.approx(peak, rel=1e-8), label
            assert t.peak_time == pytest.approx(time, rel=1e-5, abs=1e-5), label
            assert t.kreiss == pytest.approx(kreiss_by_scipy(J, flow), rel=1e-6), label
            assert 1 <= t.kreiss <= t.peak * (1 + 1e-9) and t.peak <= np.e * n * t.kreiss, label
            if not flow:
                assert t.numerical_radius == pytest.approx(radius_by_scipy(J), rel=1e-8), label
            squares = np.linalg.norm(J) ** 2 - np.sum(np.abs(np.linalg.eigvals(J)) ** 2)
            assert t.departure == pytest.approx(max(squares, 0) ** 0.5, rel=1e-6, abs=1e-6), label


@pytest.mark.gate
@pytest.mark.parametrize("n", telling([1, 16], 1))
def test_other_sizes(n):
    for kind, W in zoo(n, n).items():
        t = of_map(W)
        if name(t) != "UNDETERMINED":
            assert t.peak == pytest.approx(peak_of_map(W)[0], rel=1e-6), kind
            assert t.kreiss <= t.peak * (1 + 1e-6) and t.peak <= np.e * n * t.kreiss, kind


@pytest.mark.gate
def test_rounding_does_not_make_a_nilpotent_matrix_unstable():
    """float64 gives 2·shift of size 64, turned, a radius near 1.13; its powers peak at 2⁶³ and then are nothing."""
    turn = rotation(64)
    t = of_map(2 * turn @ np.eye(64, k=1) @ turn.T)
    assert name(t) == "UNDETERMINED" and t.peak == pytest.approx(2.0**63, rel=1e-9) and t.peak_time == 63


@pytest.mark.slow
def test_stiff_flows():
    """A slow hump beside a mode a million times faster: rounding of A itself is 2e-7 of the slow rate."""
    A = scipy.linalg.block_diag(jordan(2, -1e-3), np.diag([-1e6, -1e5, -1e4]))
    times = np.linspace(990, 1010, 20001)
    peak = jordan_norm(np.exp(-1e-3 * times), times * np.exp(-1e-3 * times)).max()
    t = of_flow(A)
    assert t.peak == pytest.approx(peak, rel=1e-6) and t.peak_time == pytest.approx(1000, rel=1e-3)


@pytest.mark.slow
def test_numerical_radius_and_abscissa():
    """c cos(π/(N + 1)) of c · shift; of a matrix with entries ≥ 0 that of its symmetric part."""
    radius = jax.jit(numerical_radius)
    assert radius(3 * jnp.eye(5, k=1)) == pytest.approx(3 * np.cos(np.pi / 6), rel=1e-12)
    positive = np.random.default_rng(0).uniform(size=(5, 5))
    top = np.linalg.eigvalsh((positive + positive.T) / 2)[-1]
    assert radius(jnp.asarray(positive)) == pytest.approx(top, rel=1e-12)
    assert radius(jnp.asarray(-1e150 * positive)) == pytest.approx(1e150 * top, rel=1e-12)
    assert numerical_abscissa(jnp.asarray(positive)) == pytest.approx(top, rel=1e-12)
    turn = rotation(5)
    assert radius(jnp.asarray(turn)) == pytest.approx(1, rel=1e-12)


@pytest.mark.slow
def test_exponentials_and_powers():
    rng = np.random.default_rng(0)
    f, power = jax.jit(exponential), jax.jit(matrix_power)
    for scale in (0, 1e-8, 0.3, 4.0, 100.0):
        A = scale * (rng.normal(size=(4, 4)) - 3 * np.eye(4))
        expected = scipy.linalg.expm(A)
        np.testing.assert_allclose(f(jnp.asarray(A)), expected, atol=1e-13 * max(1, scale) * np.linalg.norm(expected))
    np.testing.assert_allclose(f(jnp.diag(jnp.array([0.0, -1e15, -1e3, -1.0])))[3, 3], np.exp(-1), rtol=0.5)
    A = rng.normal(size=(4, 4)) / 3
    for k in (0, 1, 2, 13, 100):
        np.testing.assert_allclose(power(jnp.asarray(A), jnp.asarray(k)), np.linalg.matrix_power(A, k), rtol=1e-11)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ro.transient(np.ones((2, 3))), ValueError, "square"),
        (lambda: ro.transient([[np.nan]]), ValueError, "finite"),
        (lambda: ro.transient("W"), TypeError, "system must be"),
        (lambda: ro.transient(np.eye(2), np.zeros(2)), TypeError, "a matrix has no states to choose from"),
        (lambda: ro.transient(ro.Flow(Linear(jnp.eye(2)))), TypeError, "needs the state"),
        (lambda: ro.transient(ro.Flow(Linear(jnp.eye(2)), ro.Linear(np.ones((3, 1)))), np.zeros(2)), ValueError, "const"),
        (lambda: ro.transient(ro.Map(ro.VanillaCell(np.eye(2), np.eye(2), np.zeros(2)), np.ones(2)), np.zeros(3)),
         ValueError, "2 numbers"),
    ],
)  # fmt: skip
def test_bad_input_is_named(as_user, call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- compiled, batched, differentiated -------------------------------------------------------------------------------


def numbers(t):
    return jnp.stack([t.peak, t.peak_time, t.kreiss, t.departure, t.rate, jnp.max(t.condition)])


@pytest.mark.gate
def test_jitted_and_vmapped_it_equals_a_loop():
    many = jnp.stack([jnp.asarray(zoo(2, 0)[kind]) for kind in ("gauss", "triangle", "beats", "normal")])
    for f in (of_map, lambda W: of_flow(W - jnp.eye(2))):
        eager = np.stack([numbers(f(W)) for W in many])
        np.testing.assert_allclose(jax.jit(jax.vmap(lambda W, f=f: numbers(f(W))))(many), eager, rtol=1e-9, atol=1e-12)


@pytest.mark.gate
@pytest.mark.parametrize("flow", [False, True], ids=["map", "flow"])
def test_gradients(flow):
    """In reverse mode against central differences of 1e-5: 1e-10 and the rounding of the search, 1e-15/1e-5."""
    W = jnp.asarray(zoo(2, 4)["triangle"]) - (jnp.eye(2) if flow else 0)
    D = jnp.asarray(np.random.default_rng(1).normal(size=(2, 2)))

    def answers(W):
        t = of_flow(W) if flow else of_map(W)
        return jnp.stack([t.peak, t.kreiss, t.numerical_abscissa if flow else t.numerical_radius])

    slopes = jnp.tensordot(jax.jit(jax.jacrev(answers))(W), D, [[1, 2], [0, 1]])
    difference = (answers(W + 1e-5 * D) - answers(W - 1e-5 * D)) / 2e-5
    np.testing.assert_allclose(slopes, difference, rtol=1e-6)


@pytest.mark.gate
def test_float32(float32):
    """A few roundings of 6e-8 times the growth."""
    for t, expected in (
        (of_map(REFERENCE["map-1"]["W"]), (10.0249378, 1, 5.05)),
        (of_flow(REFERENCE["ode-1"]["A"]), (2.5634929, 0.662675, 1.8653556)),
        (of_map(rotation(2)), (1, 0, 1)),
        (of_map(jordan(2, 0.99)), (36.976729, 99, 25.01)),
    ):
        assert t.peak.dtype == t.peak_time.dtype == t.kreiss.dtype == t.norms.dtype == jnp.float32
        np.testing.assert_allclose([t.peak, t.peak_time, t.kreiss], expected, rtol=1e-5 if t.kreiss < 20 else 2e-3)


LOWERED = {
    "map": lambda W: numbers(ro.transient(W)),
    "flow": lambda A: numbers(of_flow(A)),
    "pseudospectrum": lambda W: ro.pseudospectrum(W, jnp.ones(3) + 1j),
}


def lower_everything():
    """What the child process does."""
    for key, f in LOWERED.items():
        for platform in ("cpu", "cuda", "tpu"):
            text = jax.jit(f).trace(jnp.eye(3)).lower(lowering_platforms=(platform,)).as_text()
            callback = any("callback" in line.split("loc(")[0] for line in text.splitlines())
            print(key, platform, "host callback" if callback else "ok")


@pytest.mark.gate
def test_everything_lowers():
    env = os.environ | {"EQX_ON_ERROR": "nan", "JAX_PLATFORMS": "cpu"}
    here = Path(__file__).parent
    env["PYTHONPATH"] = os.pathsep.join(map(str, (Path(ro.__file__).parent.parent, here, here.parent)))
    script = "import test_transient; test_transient.lower_everything()"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 9 and all(line.endswith("ok") for line in lines), done.stdout


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.gate
def test_pictures():
    x = np.linspace(-3, 3, 21)
    grid = x[None] + 1j * x[:, None]
    for t, W in ((of_map(REFERENCE["map-1"]["W"]), REFERENCE["map-1"]["W"]), (of_flow(REFERENCE["ode-1"]["A"]),
                 REFERENCE["ode-1"]["A"]), (of_map([[1.1, 0], [0, 0.5]]), np.diag([1.1, 0.5]))):  # fmt: skip
        curve = rnn_ode.plot.transient(t).axes[0]
        drawn = np.asarray(curve.get_lines()[1].get_ydata())
        assert drawn[0] == 1 and len(drawn) > 5 and (np.isinf(t.peak) or drawn.max() <= t.peak * (1 + 1e-9))
        figure = rnn_ode.plot.pseudospectrum(t, grid, ro.pseudospectrum(W, grid))
        figure.draw_without_rendering()
        points = figure.axes[0].get_lines()[0]
        np.testing.assert_allclose(np.sort(points.get_xdata()), np.sort(np.diag(W)), atol=1e-7)
    with pytest.raises(ValueError, match="both be"):
        rnn_ode.plot.pseudospectrum(t, grid, np.ones(3))


@pytest.mark.slow
def test_nothing_is_sure_on_a_kink():
    """Without bias a ReLU network has one at 0; the same network with a bias has none at its fixed point."""
    W = np.diag([0.5, -0.3])
    for bias, verdict in ((0.0, "UNDETERMINED"), (1.0, "DECAYS")):
        network = ro.Map(ro.VanillaCell(W, np.eye(2), np.full(2, bias)), jnp.zeros(2))
        assert ro.verdict_name(ro.transient(network, bias / (1 - np.diag(W))).verdict) == verdict


@pytest.mark.slow
def test_the_kreiss_constant_is_never_below_what_the_peak_proves():
    """(1 − ε) + 1000 of a Jordan block: within rounding of the boundary, where the resolvent cannot be computed."""
    found = of_map([[1 - 1e-6, 1e3], [0, 1 - 1e-6]])
    np.testing.assert_allclose(found.peak, 1e3 / (1e-6 * np.e), rtol=1e-3)
    assert found.peak <= 2 * np.e * found.kreiss * (1 + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e300, 1e307])
def test_a_kreiss_constant_near_the_end_of_the_float_range(size):
    """That of ((0, v), (0, 0)) is v/4 for large v: (|z| − 1) v / |z|² is largest at |z| = 2."""
    found = ro.transient(np.array([[0.0, size], [0.0, 0.0]]))
    assert size / (2 * np.e) <= float(found.kreiss) * (1 + 1e-12) and float(found.kreiss) <= size / 4


@pytest.mark.slow
def test_times_and_rates_follow_the_unit_of_time(float32):
    """A flow of milliseconds in seconds, and in units of 2²⁰ and 2⁻²⁰: powers of two change no digit."""
    A = np.array([[-0.5, 8.0], [0.01, -0.6]])
    found = [of_flow(A / c) for c in (1.0, 2.0**20, 2.0**-20, 1e-3)]
    grid = jnp.asarray([0.1, 0.3 + 0.2j])
    pseudo = [ro.pseudospectrum(jnp.asarray(A / c), grid / c) for c in (1.0, 2.0**20, 2.0**-20, 1e-3)]
    rtol = 1e-5  # 1e-3 is no power of two
    for c, t, values in zip((1.0, 2.0**20, 2.0**-20, 1e-3), found, pseudo, strict=True):
        assert name(t) == name(found[0]) == "DECAYS"
        for field, unit in (("peak", 1), ("kreiss", 1), ("peak_time", c), ("rate", 1 / c), ("departure", 1 / c)):
            np.testing.assert_allclose(getattr(t, field) / unit, getattr(found[0], field), rtol=rtol, err_msg=field)
        np.testing.assert_allclose(t.numerical_abscissa * c, found[0].numerical_abscissa, rtol=rtol)
        np.testing.assert_allclose(t.times / c, found[0].times, rtol=rtol)
        np.testing.assert_allclose(np.asarray(values) * c, pseudo[0], rtol=10 * rtol)
