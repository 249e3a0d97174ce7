"""Every value of reference.json, in float64 with the unit of time a thousandth, and in float32 with a thousand.

The float64 tolerances are those that the file tells. A float32 tolerance is the larger of that and a few rounding errors
(u = 1.2e-7) times the condition of what is computed; each test says where its condition comes from.
"""

import json
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text(encoding="utf-8"))
SETTINGS = [
    pytest.param((64, 1e-3), id="float64, time in thousandths"),
    pytest.param((32, 1e3), id="float32, time in thousands"),
]
METHODS = {
    "textbook": ro.Textbook(),
    "forward1": ro.Forward(1),
    "backward1": ro.Backward(1),
    "tustin": ro.Tustin(),
    "exact": ro.Exact(),
}
GROWTH = {"DECAYS": -1, "PERSISTS": 0, "GROWS": 1}


def entry(block, name):
    (row,) = [row for row in REFERENCE[block] if row["id"] == name]
    return row


@contextmanager
def precision(bits):
    with jax.enable_x64(bits == 64):
        yield jnp.dtype(f"float{bits}")


def tolerance(told, dtype, condition):
    """The tolerance that is told, and in float32 at least 8 rounding errors times the condition."""
    return max(told, 8 * float(jnp.finfo(dtype).eps) * condition) if dtype == jnp.float32 else told


def unit(w, dtype, b=0.0):
    return ro.VanillaCell(jnp.full((1, 1), w, dtype), jnp.ones((1, 1), dtype), jnp.full(1, b, dtype), jnp.tanh)


def flow_of(rate, c):
    """dh/dt = rate(h) in a time whose unit is 1/c of the rate's."""
    return ro.Flow(lambda t, h, path: rate(h) / c)


def as_names(verdicts):
    return [ro.verdict_name(v) for v in verdicts]


def found_points(system, guesses):
    found = ro.fixed_points(system, guesses)
    count = int(found.count)
    order = np.lexsort(np.asarray(found.points[:count]).T[::-1])
    return found, np.asarray(found.points[:count])[order], np.asarray(found.eigenvalues[:count])[order]


# Conversions.


BITS = pytest.mark.parametrize("bits", [pytest.param(64, marks=pytest.mark.slow), 32])


@pytest.mark.slow
@BITS
@pytest.mark.parametrize(
    "row", [row for row in REFERENCE["conversions"] if "network" in row], ids=lambda row: row["id"]
)
def test_verdicts_of_conversions(row, bits):
    with precision(bits) as dtype:
        if "matrix" in row:
            W = jnp.asarray(row["matrix"], dtype)
        else:
            a, b = row["multiplier"] if isinstance(row["multiplier"], list) else (row["multiplier"], 0.0)
            W = jnp.asarray([[a, -b], [b, a]], dtype)
        verdicts = as_names(ro.spectrum(W).verdicts(*METHODS.values()))
        for name, verdict in zip(("network", *METHODS), verdicts, strict=True):
            assert row.get(name, verdict) == verdict, name


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "dt"), [(64, 1e-3), (32, 1e3)])
def test_exponents_of_conversions_are_per_unit_time(bits, dt):
    """An affine cell of multiplier ½: g(½)/dt, which is g of the design's table."""
    g = {"textbook": 0.5, "forward1": -0.5, "backward1": -1.0, "tustin": -2 / 3, "exact": np.log(0.5)}
    with precision(bits) as dtype:
        cell = ro.VanillaCell(*(jnp.full(shape, 0.5, dtype) for shape in ((1, 1), (1, 1), (1,))), None)
        for name, method in METHODS.items():
            rate = ro.Flow(ro.to_ode(cell, method, dt=dt), jnp.ones(1, dtype)).jacobian(jnp.zeros(1, dtype))
            np.testing.assert_allclose(rate, g[name] / dt, rtol=tolerance(1e-12, dtype, 1))


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_equilibria_that_forward_2_adds(setting):
    """The residual's slope at them is about 1, so that the tolerance of the file holds in float32 too."""
    bits, c = setting
    row = entry("conversions", "spurious-equilibria")
    with precision(bits) as dtype:
        cell = unit(5.0, dtype)
        flow = ro.Flow(ro.to_ode(cell, ro.Forward(2), dt=c), jnp.zeros(1, dtype))
        found, points, _ = found_points(flow, jnp.linspace(-1.5, 1.5, 41, dtype=dtype)[:, None])
        added = np.sort(found.points[found.absent_from(ro.Map(cell, jnp.zeros(1, dtype), c)), 0])
    np.testing.assert_allclose(added, row["Forward(2)_extra_equilibria"], atol=row["tol"])
    assert len(points) == 5


# Fixed points.


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_pitchfork(setting):
    bits, c = setting
    row = entry("fixed_points", "pitchfork")
    with precision(bits) as dtype:
        cell, guesses = unit(1.5, dtype), jnp.linspace(-2, 2, 9, dtype=dtype)[:, None]
        for system in (
            ro.Map(cell, jnp.zeros(1, dtype), c),
            ro.Flow(ro.to_ode(cell, ro.Forward(1), dt=c), jnp.zeros(1)),
        ):
            found, points, values = found_points(system, guesses)
            # the residual has the slopes 0.5 and 0.6
            np.testing.assert_allclose(points[:, 0], row["points"], atol=tolerance(row["tol"], dtype, 2))
            multipliers = values if isinstance(system, ro.Map) else 1 + c * values
            np.testing.assert_allclose(
                multipliers[:, 0].real,
                [row["multiplier_at_outer"], 1.5, row["multiplier_at_outer"]],
                atol=tolerance(1e-8, dtype, 4),
            )
            assert sorted(found.verdict_names[:3]) == ["DECAYS", "DECAYS", "GROWS"]


@pytest.mark.slow
@pytest.mark.parametrize("setting", [pytest.param((64, 1e-3), marks=pytest.mark.thorough), (32, 1e3)])
def test_bifurcations(setting):
    """The fold, the flip, and Neimark–Sacker against Hopf. A simple eigenvalue that is known to u crosses at a parameter
    that is known to a few u; a fold is where the branch is vertical, and its parameter is better known than its state."""
    bits, c = setting
    with precision(bits) as dtype:
        near = tolerance(1e-8, dtype, 32)

        def branch(flow, weights, start, interval):
            def make_system(p):
                W, b = weights(p.astype(dtype))
                cell = ro.VanillaCell(W, jnp.zeros((len(b), 1), dtype), b, jnp.tanh)
                x = jnp.zeros(1, dtype)
                return ro.Flow(ro.to_ode(cell, ro.Forward(1), dt=c), x) if flow else ro.Map(cell, x, c)

            return ro.continue_branch(make_system, jnp.asarray(start, dtype), interval)

        fold = entry("fixed_points", "fold")["fold_at_b"]
        for flow in (False, True):
            run = branch(flow, lambda b: (jnp.full((1, 1), 2, dtype), b[None]), [-1.0], (-1.0, 1.0))
            assert [kind for kind, *_ in run.bifurcations] == ["fold", "fold"]
            np.testing.assert_allclose([p for _, p, _ in run.bifurcations], [fold, -fold], atol=near)
        for flow, kinds in ((False, ["flip"]), (True, [])):
            run = branch(flow, lambda w: (w[None, None], jnp.zeros(1, dtype)), [0.0], (-1.5, 0.5))
            assert [kind for kind, *_ in run.bifurcations] == kinds
            np.testing.assert_allclose([p for _, p, _ in run.bifurcations], [-1.0] * len(kinds), atol=near)
        row = entry("fixed_points", "neimark-sacker-vs-hopf")
        turn = jnp.asarray([[0.5, -(0.75**0.5)], [0.75**0.5, 0.5]], dtype)
        for flow, kind, gain in (
            (False, "neimark-sacker", "map_bifurcates_at_g"),
            (True, "hopf", "ode_bifurcates_at_g"),
        ):
            run = branch(flow, lambda g: (g * turn, jnp.zeros(2, dtype)), [0.0, 0.0], (0.5, 2.5))
            assert [found for found, *_ in run.bifurcations] == [kind]
            np.testing.assert_allclose(run.bifurcations[0].parameter, row[gain], atol=near)
            if flow:
                np.testing.assert_allclose(run.critical[0].imag * c, row["ode_frequency"], atol=near)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 32])
def test_a_leaky_network(bits):
    """1 − a + a μ, μ the multipliers of W: normal, so that the condition is 1."""
    with precision(bits) as dtype:
        W, a = np.array([[0.5, -0.8], [0.8, 0.5]]), 0.2
        mu = np.array([0.5 + 0.8j, 0.5 - 0.8j])
        weights = jnp.asarray(W, dtype)
        leaky = ro.Map(lambda x, h: (1 - a) * h + a * jnp.tanh(weights @ h))
        values = leaky.time.modes(leaky.jacobian(jnp.zeros(2, dtype)))[0]
    np.testing.assert_allclose(
        np.sort_complex(values), np.sort_complex(1 - a + a * mu), atol=tolerance(1e-12, dtype, 1)
    )


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 32])
def test_henon_and_the_kink(bits):
    with precision(bits) as dtype:
        a, b = 1.4, 0.3
        henon = ro.Map(lambda x, h: jnp.stack([1 - a * h[0] ** 2 + h[1], b * h[0]]))
        guesses = jnp.asarray(np.random.default_rng(0).normal(size=(16, 2)), dtype)
        found, points, _ = found_points(henon, guesses)
        x = (-(1 - b) + np.array([-1, 1]) * np.sqrt((1 - b) ** 2 + 4 * a)) / (2 * a)
        np.testing.assert_allclose(points[:, 0], x, atol=tolerance(entry("fixed_points", "henon")["tol"], dtype, 1))
        assert found.verdict_names[:2] == ["GROWS", "GROWS"]
        relu = ro.VanillaCell(
            jnp.asarray([[0.5, 0.2], [0.1, 0.4]], dtype), jnp.ones((2, 1), dtype), jnp.zeros(2, dtype)
        )
        found = ro.fixed_points(ro.Map(relu, jnp.zeros(1, dtype)), guesses)
        assert found.verdict_names == [entry("fixed_points", "kink")["verdict"]] and found.kind_names == [
            "UNDETERMINED"
        ]
        assert found.on_kink.tolist() == [True] + 15 * [False]
        np.testing.assert_allclose(found.points[0], 0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_lorenz_22(setting):
    """Points of size 21, slopes of the residual of about 1 to 20, so that a few u of 21 · 21 are a fair condition."""
    bits, c = setting
    row = entry("fixed_points", "lorenz-22")
    with precision(bits) as dtype:
        system = flow_of(lorenz(22.0), c)
        guesses = jnp.asarray(np.random.default_rng(0).normal(size=(24, 3), scale=10), dtype)
        found, points, _ = found_points(system, guesses)
    side = np.sqrt(8 / 3 * 21)
    wanted = [[-side, -side, 21], [0, 0, 0], [side, side, 21]]
    np.testing.assert_allclose(points, wanted, atol=tolerance(1e-10, dtype, 21))
    assert len(points) == row["count"] and found.verdict_names[:3].count("DECAYS") == row["stable"]
    assert sorted(found.kind_names) == ["FOCUS", "FOCUS", "SADDLE"]


def lorenz(rho):
    return lambda h: jnp.stack([10 * (h[1] - h[0]), h[0] * (rho - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]])


# Cycles.


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 32])
def test_cycles_of_the_tent_map(bits):
    row, m = entry("cycles", "tent"), 1.9
    with precision(bits) as dtype:
        W, b = jnp.asarray([[m, -2 * m], [m, -2 * m]], dtype), jnp.asarray([0, -0.5], dtype)
        tent = ro.Map(ro.VanillaCell(W, jnp.zeros((2, 1), dtype), b), jnp.zeros(1, dtype))
        for period, count in row["at_m_1.9"].items():
            found = ro.cycles(tent, int(period))
            assert found.complete and len(found.points) == count
            size = np.abs(found.multipliers[:, 0])
            np.testing.assert_allclose(size, m ** int(period), rtol=tolerance(1e-12, dtype, int(period)))
        two = np.sort(ro.cycles(tent, 2).points[0, :, 0])
    np.testing.assert_allclose(two, [m / (1 + m**2), m**2 / (1 + m**2)], rtol=tolerance(1e-12, dtype, 2))


# Lyapunov exponents: float32 rounds the orbit, which is another orbit of the same measure, so that the tolerances of the
# file, which are those of a finite run, hold as they are.


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_exponents_of_maps(setting):
    bits, c = setting
    with precision(bits) as dtype:
        row = entry("lyapunov", "logistic-4")
        logistic = ro.Map(lambda x, h: 4 * h * (1 - h), None, c)
        # in float32 the orbit of 4h(1 − h) falls into a short cycle or onto 0: 1.999 h² maps of the same kind do not
        run = ro.lyapunov(logistic, jnp.asarray([0.3], dtype), 20_000 * c, transient=100 * c)
        if bits == 64:
            np.testing.assert_allclose(run.exponents * c, row["exponent"], atol=row["tol"])
        row = entry("lyapunov", "henon")
        henon = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]), None, c)
        run = ro.lyapunov(henon, jnp.zeros(2, dtype), 100_000 * c, transient=100 * c)
        np.testing.assert_allclose(run.exponents * c, row["exponents"], atol=row["tol"])
        np.testing.assert_allclose(run.kaplan_yorke, row["kaplan_yorke"], atol=row["tol"])
        # a mean of 10⁵ logarithms, each right to some u
        np.testing.assert_allclose(jnp.sum(run.exponents) * c, row["sum"], atol=tolerance(row["sum_tol"], dtype, 10))


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_exponents_of_flows(setting):
    bits, c = setting
    with precision(bits) as dtype:
        row = entry("lyapunov", "linear")
        A = jnp.asarray([[-0.5, 3.0, 0.4], [-0.7, -0.3, 1.0], [0.0, 0.0, -1.5]], dtype)
        run = ro.lyapunov(flow_of(lambda h: A @ h, c), jnp.zeros(3, dtype), 200 * c, step=0.01 * c)
        exponents = np.sort(np.linalg.eigvals(np.asarray(A, float)).real)[::-1]
        # the sum of 20 000 logarithms of some 0.03, each right to u
        np.testing.assert_allclose(run.exponents * c, exponents, atol=tolerance(row["tol"], dtype, 100))
        row = entry("lyapunov", "lorenz")
        run = ro.lyapunov(flow_of(lorenz(28.0), c), jnp.ones(3, dtype), 2000 * c, transient=20 * c)
        for found, wanted, tol in zip(run.exponents * c, row["exponents"], row["tol"], strict=True):
            np.testing.assert_allclose(found, wanted, atol=tol)
        np.testing.assert_allclose(jnp.sum(run.exponents) * c, row["sum"], atol=tolerance(row["sum_tol"], dtype, 1000))
        np.testing.assert_allclose(run.kaplan_yorke, row["kaplan_yorke"], atol=0.002)
        row = entry("lyapunov", "rossler")
        rossler = flow_of(lambda h: jnp.stack([-h[1] - h[2], h[0] + 0.2 * h[1], 0.2 + h[2] * (h[0] - 5.7)]), c)
        run = ro.lyapunov(rossler, jnp.ones(3, dtype), 2000 * c, transient=200 * c, step=0.02 * c)
        np.testing.assert_allclose(run.exponents[0] * c, row["largest"], atol=row["tol"])


# Gradients and transients.


@pytest.mark.slow
@pytest.mark.parametrize("bits", [64, 32])
def test_gradients(bits):
    row = entry("gradients", "radius-is-not-enough")
    with precision(bits) as dtype:
        W = 1.5 * jnp.eye(10, k=1, dtype=dtype)
        cell = ro.VanillaCell(W, jnp.zeros((10, 1), dtype), jnp.zeros(10, dtype), None)
        norms = np.asarray(ro.gradient_flow(cell, jnp.zeros((12, 1), dtype)).norms)
        # nine products, each right to a few u
        np.testing.assert_allclose(norms[:10], 1.5 ** np.arange(10), rtol=tolerance(1e-12, dtype, 9))
        assert (norms[10:] == 0).all() and ro.spectrum(W).radius == row["radius"]
        Q = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
        shift = jnp.asarray(Q @ (2 * np.eye(64, k=1)) @ Q.T, dtype)
        assert as_names([ro.spectrum(shift).discrete]) == [entry("gradients", "eigenvalues-lie")["verdict"]]


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_transients(setting):
    bits, c = setting
    with precision(bits) as dtype:
        row = entry("transient", "map-1")
        found = ro.transient(jnp.asarray(row["W"], dtype))
        for name in ("peak", "peak_time", "kreiss"):
            np.testing.assert_allclose(
                getattr(found, name), row[name], rtol=tolerance(row["tol"], dtype, 10), err_msg=name
            )
        row = entry("transient", "ode-1")
        A = jnp.asarray(row["A"], dtype)
        found = ro.transient(flow_of(lambda h: A @ h, c), jnp.zeros(2, dtype))
        for name, power in (("peak", 0), ("peak_time", 1), ("kreiss", 0), ("numerical_abscissa", -1)):
            near = tolerance(row["tol"], dtype, 10)
            if name == "peak_time":  # told to five digits; and the peak is flat, so that its time is known to the root
                near = max(5e-6 / row[name], near**0.5 if bits == 32 else 0)
            np.testing.assert_allclose(getattr(found, name) / c**power, row[name], rtol=near, err_msg=name)
        assert found.kreiss <= found.peak <= np.e * 2 * found.kreiss
