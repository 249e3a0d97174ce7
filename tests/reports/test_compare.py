"""The comparison: what is predicted beside what is measured, against closed forms."""

import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from parts import Step
from scipy.linalg import expm
from weights import drawn

import rnn_ode as ro
from rnn_ode._reports.compare import _errors
from rnn_ode._run.trajectory import Trajectory

XS = np.sin(0.4 * np.arange(12.0))[:, None]
W = np.array([[0.8, 0.2, 0.0], [-0.1, 0.7, 0.1], [0.05, 0.0, 0.9]])
AFFINE = ro.VanillaCell(W, np.ones((3, 1)), 0.1 * np.ones(3), activation=None)
# Few shapes and few sets of methods: each costs a compilation of all its verdicts.
METHODS = (ro.Textbook(), ro.Forward(2), ro.Backward(1), ro.Tustin(), ro.Exact())
TWO = (ro.Textbook(), ro.Exact())


@pytest.fixture(scope="module")
def affine():
    return ro.compare(AFFINE, XS, methods=METHODS)


def row(comparison, label):
    return next(row for row in comparison.rows if row.method.label == label)


@pytest.mark.gate
def test_exact_meets_the_network_and_the_textbook_does_not(affine):
    assert row(affine, "exact").error_max < 1e-9
    assert row(affine, "exact").parted_at is None
    assert row(affine, "textbook").error_max > 1
    assert row(affine, "textbook").parted_at == affine.network.ts[np.argmax(row(affine, "textbook").errors > 0.1)]


def test_errors_are_those_of_a_closed_form(affine):
    """Tustin's flow of an affine cell, propagated by expm with the input held."""
    G = 2 * np.linalg.solve(W + np.eye(3), W - np.eye(3))
    phi = 2 * np.linalg.inv(W + np.eye(3))
    h, states = np.zeros(3), [np.zeros(3)]
    for x in XS:
        block = np.block([[G, (phi @ (np.ones(3) * x[0] + 0.1))[:, None]], [np.zeros((1, 4))]])
        h = expm(block)[:3] @ np.append(h, 1)
        states.append(h)
    network = np.asarray(affine.network.states)
    distance = np.linalg.norm(states - network, axis=1) / np.max(np.linalg.norm(network, axis=1))
    got = row(affine, "tustin")
    np.testing.assert_allclose(got.errors, distance, atol=1e-9)
    np.testing.assert_allclose(got.error_max, distance.max(), rtol=1e-6)
    np.testing.assert_allclose(got.error_rms, np.sqrt(np.mean(distance[1:] ** 2)), rtol=1e-6)


def run_of(*states):
    return Trajectory(jnp.arange(float(len(states))), jnp.asarray(states, float), ro.RESULTS.successful, {})


@pytest.mark.parametrize("unit", [1.0, 1e300, 1e-300])
def test_errors_are_distances_over_the_network_s_largest_state_while_both_run(unit):
    network = run_of([3 * unit, 4 * unit], [0, 0], [0, unit], [0, unit])
    other = run_of([3 * unit, 4 * unit], [0, -10 * unit], [np.inf, unit], [np.nan, unit])
    np.testing.assert_allclose(_errors(network, other), [0, 2, np.nan, np.nan], rtol=1e-12)
    assert np.isnan(_errors(network, None)).tolist() == [True] * 4


@pytest.mark.filterwarnings("error")
def test_a_distance_beyond_the_float_range_is_infinite_and_warns_of_nothing():
    network = run_of([0, 0], [0.1, 0], [0, 0.1], [0, 0])
    other = run_of([0, 0], [1.7e308, 1.7e308], [1.7e307, 1.7e307], [1e300, 0])
    np.testing.assert_allclose(_errors(network, other), [0, np.inf, np.inf, 1e301], rtol=1e-12)


def test_errors_of_a_network_at_zero_are_the_distances_themselves():
    np.testing.assert_allclose(_errors(run_of([0, 0], [0, 0]), run_of([0, 0], [3, 4])), [0, 5], rtol=1e-12)


def test_verdicts_and_rates_are_those_of_the_eigenvalues(affine):
    multipliers = np.linalg.eigvals(W)
    assert affine.network_verdict == "DECAYS"
    assert row(affine, "textbook").verdict == "GROWS" and not row(affine, "textbook").agrees
    assert row(affine, "exact").verdict == "DECAYS" and row(affine, "exact").agrees
    np.testing.assert_allclose(row(affine, "textbook").predicted_rate, multipliers.real.max())
    np.testing.assert_allclose(row(affine, "exact").predicted_rate, np.log(np.abs(multipliers)).max())
    assert row(affine, "forward:2").series_converges
    term = np.abs((multipliers - 1) ** 3 / 3) / np.abs((multipliers - 1) - (multipliers - 1) ** 2 / 2)
    np.testing.assert_allclose(row(affine, "forward:2").neglected, term.max())


def test_measured_rate_agrees_with_the_predicted_one(affine):
    for got in affine.rows:
        np.testing.assert_allclose(got.measured_rate, got.predicted_rate, atol=1e-3)  # the fit of an oscillating norm
    np.testing.assert_allclose(affine.measured_rate, np.log(np.abs(np.linalg.eigvals(W)).max()), atol=1e-3)


def test_a_row_says_why_a_method_does_not_exist():
    cell = ro.VanillaCell(np.diag([0.5, 0.6, 0.0]), np.ones((3, 1)), np.zeros(3), activation=None)
    c = ro.compare(cell, XS, methods=METHODS)
    for label in ("textbook", "backward:1", "exact"):
        assert row(c, label).trajectory is None
        assert row(c, label).reason.startswith("does not exist here: W_h is singular")
        assert row(c, label).error_max is None
    assert row(c, "tustin").reason == "" and row(c, "forward:2").reason == ""
    assert "does not exist here" in c.table()


def relu(weight):
    return ro.VanillaCell(weight * np.eye(3), np.ones((3, 1)), np.zeros(3))


@pytest.mark.slow
def test_a_relu_network_has_no_logarithm_where_a_unit_is_off():
    c = ro.compare(relu(0.5), -np.ones((12, 1)), methods=TWO)
    assert row(c, "exact").reason == "does not exist here: zero multiplier at t = 0"


@pytest.mark.slow
def test_a_unit_that_switches_off_later_ends_the_run_there():
    xs = np.where(np.arange(12)[:, None] < 3, 1.0, -5.0)
    c = ro.compare(relu(0.5), xs, np.ones(3), methods=TWO)
    assert row(c, "exact").reason == "does not exist here: zero multiplier at t = 3"
    assert np.isfinite(row(c, "exact").errors[:4]).all() and np.isnan(row(c, "exact").errors[4:]).all()


@pytest.mark.slow
def test_a_flow_that_leaves_the_float_range_says_when():
    c = ro.compare(relu(120.0), -np.ones((12, 1)), methods=TWO)
    got = row(c, "textbook")
    assert got.reason.startswith("left the float range after t = ")
    ended = float(got.reason.rsplit("=", 1)[1])
    assert ended == pytest.approx(np.log(np.finfo(float).max) / 120, abs=1.01)


@pytest.mark.slow
def test_a_network_that_leaves_the_float_range_is_compared_up_to_there():
    cell = ro.VanillaCell(1e60 * np.eye(3), np.ones((3, 1)), np.zeros(3), activation=None)
    c = ro.compare(cell, np.ones((12, 1)), methods=METHODS)
    assert c.to_dict()["network"]["reason"].startswith("left the float range after t = 6")
    assert np.isfinite(row(c, "tustin").errors[:7]).all() and np.isnan(row(c, "tustin").errors[7:]).all()


@pytest.mark.slow
def test_cells_of_every_kind():
    lstm = ro.compare(drawn(eqx.nn.LSTMCell, 1, 2), XS, methods=(ro.Textbook(), ro.Forward(1)))
    assert "Textbook() is written for VanillaCell" in row(lstm, "textbook").reason
    assert row(lstm, "forward:1").error_max < 1
    assert lstm.linear_part == "the Jacobian at h0 and the mean input"
    piecewise = ro.PiecewiseLinearCell(0.5 * np.eye(3), 0.1 * np.eye(3), np.ones((3, 1)), np.zeros(3))
    got = ro.compare(piecewise, XS, methods=(ro.Exact(anchored=True),))
    assert got.rows[0].error_max < 1e-9
    np.testing.assert_allclose(got.spectrum.radius, 0.6)


def test_table_and_json(affine):
    table = affine.table()
    for method in METHODS:
        assert any(line.startswith(method.label + " ") for line in table.splitlines())
    data = json.loads(affine.to_json())
    assert [r["method"] for r in data["rows"]] == [m.label for m in METHODS]
    assert data["rows"][0]["agrees"] is False and data["network"]["verdict"] == "DECAYS"
    assert max(len(line) for line in table.splitlines()) <= 118


@pytest.mark.slow
def test_figure_holds_the_four_panels(affine):
    figure = affine.plot()
    assert len(figure.axes) == 4
    drawn = figure.axes[2].get_lines()
    exact = next(line for line in drawn if np.nanmax(np.asarray(line.get_ydata())) < 1e-9)
    assert len(exact.get_xdata()) == len(XS) + 1


def test_bad_input(as_user):
    with pytest.raises(ValueError, match=r"xs must have shape \(T, 1\).*got \(12, 2\)"):
        ro.compare(AFFINE, np.ones((12, 2)))
    with pytest.raises(TypeError, match=r"methods must be .* such as \(Forward\(1\), Exact\(\)\); got 'forward:1'"):
        ro.compare(AFFINE, XS, methods="forward:1")
    with pytest.raises(TypeError, match=r"methods must be rnn_ode's methods.*'exact'"):
        ro.compare(AFFINE, XS, methods=("exact",))
    with pytest.raises(ValueError, match="methods must hold at least one"):
        ro.compare(AFFINE, XS, methods=())


def root_of_half(x, h):
    return jnp.sqrt(jnp.abs(0.5 * h))


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell", [ro.VanillaCell([[0.5]], [[0.0]], [0.0], activation=lambda z: jnp.sqrt(z)), root_of_half]
)
def test_a_jacobian_that_is_not_finite_is_said_and_not_raised(cell):
    """√ has no derivative at the state 0 where the run starts."""
    c = ro.compare(cell, np.zeros((3, 1)), np.zeros(1), methods=(ro.Backward(1), ro.Exact()))
    assert {row.reason for row in c.rows} == {"does not exist here: the local step's Jacobian is not finite at t = 0"}
    assert "is not finite" in c.table()


@pytest.mark.gate
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_units_of_time_and_state_change_the_times_alone(dtype):
    """Powers of two, so that every rounding is the same."""
    A, B = jnp.asarray([[0.3, -0.4], [0.5, 0.2]], dtype), jnp.asarray([[0.5, 0.0], [-0.7, 0.6]], dtype)
    xs, h0 = np.asarray(XS[:8], dtype), np.array([0.7, -0.2], dtype)

    def compared(dt, s):
        return ro.compare(Step(A, B, jnp.asarray(s, dtype)), xs, s * h0, (ro.Forward(1), ro.Forward(2)), dt=dt)

    wanted = compared(1.0, 1.0)
    assert all(not row.reason for row in wanted.rows)
    assert [row.parted_at is None for row in wanted.rows] == [False, True]
    for dt, s in ((2.0**-10, 2.0**20), (2.0**-10, 2.0**-20)):
        got = compared(dt, s)
        for ours, theirs in zip(got.rows, wanted.rows, strict=True):
            np.testing.assert_array_equal(ours.errors, theirs.errors)
            assert ours.parted_at == (theirs.parted_at and dt * theirs.parted_at)
            a, b = ours.to_dict(), theirs.to_dict()
            assert {**a, "parted_at": None} == {**b, "parted_at": None}
        assert got.measured_rate == wanted.measured_rate
