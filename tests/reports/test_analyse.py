"""A network and its flow on one page: the flagship contrast, gaps with their reasons, the command."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import rnn_ode as ro
from rnn_ode.cli import app

c, s = np.cos(np.pi / 3), np.sin(np.pi / 3)
WIDE = "two_inputs.npz"
TURN = np.array([[c, -s], [s, c]])
# Compiling is nearly all of the time here: networks of one shape and activation share it.


def two_units(W, activation=jnp.tanh, b=(0.0, 0.0)):
    return ro.VanillaCell(W, np.ones((2, 1)), np.array(b), activation)


@pytest.fixture(scope="module")
def turning():
    """g R(60°) with g = 1.5: beyond the map's Neimark–Sacker point (g = 1), before the flow's Hopf point (g = 2)."""
    return ro.analyse(two_units(1.5 * TURN), np.zeros(1))


@pytest.fixture(scope="module")
def nowhere():
    """A network of which one unit is off, so that its step has no inverse, from the start of the run to its fixed point."""
    cell = two_units(np.diag([0.7, 0.5]), jax.nn.relu, (-1.0, 0.1))
    return ro.analyse(cell, np.zeros(1), ro.Backward(1))


@pytest.mark.gate
def test_the_network_turns_for_ever_and_its_flow_comes_to_rest(turning):
    network, flow = (side.to_dict() for side in turning.sides)
    assert [p["verdict"] for p in network["fixed_points"]] == ["GROWS"]
    assert [p["verdict"] for p in flow["fixed_points"]] == ["DECAYS"]
    np.testing.assert_allclose(network["fixed_points"][0]["leading_eigenvalue"], [1.5 * c, 1.5 * s], rtol=1e-9)
    assert abs(network["exponents"][0]) < 0.01 > network["exponents"][1] + 0.5  # an invariant circle
    np.testing.assert_allclose(flow["exponents"], [1.5 * c - 1] * 2, atol=1e-6)
    assert network["transient_peak"] is None and flow["transient_peak"] == pytest.approx(1)
    np.testing.assert_allclose(flow["gradient_rate"], 1.5 * c - 1, atol=1e-6)


@pytest.mark.gate
def test_the_page_and_the_table_have_a_column_each(turning):
    text = turning.table()
    assert "network" in text.splitlines()[0] and "forward:1" in text.splitlines()[0]
    points = [line.split()[:3] for line in text.splitlines() if "focus" in line]
    assert points == [["network", "focus", "GROWS"], ["forward:1", "focus", "DECAYS"]] and "grows without bound" in text
    assert len(turning.plot().axes) == 8
    json.loads(turning.to_json())


@pytest.mark.slow
def test_the_orbit_that_a_run_ends_in_is_told_with_its_multipliers():
    """tanh(−2h) has the orbit ±h with h = tanh(2h) and the multiplier (2 (1 − h²))²; its flow comes to rest at 0. Beside it
    a unit decays by 0.3 a step."""
    a = ro.analyse(two_units(np.diag([-2.0, 0.3])), np.zeros(1))
    network, flow = (side.to_dict() for side in a.sides)
    (orbit,) = network["orbits"]
    h = abs(orbit["points"][0][0])
    np.testing.assert_allclose(h, np.tanh(2 * h), rtol=1e-9)
    np.testing.assert_allclose(orbit["multipliers"], [[0.09, 0], [(2 * (1 - h**2)) ** 2, 0]], rtol=1e-6, atol=1e-12)
    assert orbit["period"] == 2 and orbit["verdict"] == "DECAYS" and flow["orbits"] == []
    assert "closed orbit" in a.table() and "period 2, DECAYS" in a.table()
    words = [text.get_text() for text in a.plot().axes[0].get_legend().get_texts()]
    assert "stable orbit of period 2" in words


@pytest.mark.slow
def test_a_flow_that_does_not_exist_leaves_a_gap_with_its_reason():
    a = ro.analyse(two_units(np.diag([0.5, 0.0]), None), np.zeros(1), ro.Backward(1))
    assert "singular" in a.sides[1].reason and a.sides[1].to_dict()["fixed_points"] == []
    assert "singular" in a.table() and len(a.plot().axes) == 8


@pytest.mark.gate
def test_the_command_prints_one_json_object_and_draws(turning, tmp_path):
    out, weights = tmp_path / "page.png", tmp_path / "network.npz"
    np.savez(weights, W_h=1.5 * TURN, W_x=np.ones((2, 1)), b=np.zeros(2))
    done = CliRunner().invoke(
        app, ["analyse", "--weights", str(weights), "--activation", "tanh", "--json", "--out", str(out)]
    )
    assert done.exit_code == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["method"] == "forward:1" and answers["figure"] == str(out) and out.stat().st_size > 1000
    assert {"fixed_points", "exponents", "gradient_rate", "transient_peak", "kreiss"} <= set(answers["flow"])
    np.testing.assert_allclose(answers["network"]["exponents"], turning.sides[0].to_dict()["exponents"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", WIDE, "--hidden", "3", "--method", "magic"], "--hidden does nothing with --weights"),
        (["--method", "magic"], "--method magic: unknown"),
        (["--out", "page.txt"], "--out must end in"),
        (["--x", "0.3", "--weights", WIDE], "the network takes 2 inputs; got 0.3"),
    ],
)
def test_the_command_names_what_is_wrong(options, message, tmp_path):
    np.savez(tmp_path / WIDE, W_h=TURN, W_x=np.ones((2, 2)), b=np.zeros(2))
    options = [str(tmp_path / WIDE) if option == WIDE else option for option in options]
    done = CliRunner().invoke(app, ["analyse", *options])
    assert done.exit_code == 2 and message in done.stderr


@pytest.mark.parametrize(("how", "message"), [({"steps": 3}, "steps"), ({"x": np.zeros(3)}, "x")])
def test_bad_input_is_named(how, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ro.analyse(**{"cell": ro.VanillaCell(TURN, np.ones((2, 1)), np.zeros(2)), "x": np.zeros(1), **how})


@pytest.mark.gate
def test_a_run_that_grows_large_but_stays_finite_is_analysed():
    """2.6 I under a linear activation: in 400 steps to 1e165, whose square is beyond the float range."""
    a = ro.analyse(two_units(2.6 * np.eye(2), None), np.zeros(1))
    network = a.sides[0].to_dict()
    assert network["reason"] == "" and [p["verdict"] for p in network["fixed_points"]] == ["GROWS"]
    np.testing.assert_allclose(network["exponents"], [np.log(2.6)] * 2, rtol=1e-6)
    assert np.isfinite(a.grid).all() and a.sides[1].points is not None
    a.plot().draw_without_rendering()


@pytest.mark.slow
def test_a_flow_that_does_not_exist_at_the_start_says_so(nowhere):
    """No overflow, but no field."""
    side = nowhere.sides[1]
    assert side.reason.startswith("does not exist here: the vector field") and "(at t = 0)" in side.reason


@pytest.mark.slow
def test_what_the_conversion_adds_loses_and_leaves_undefined(nowhere):
    """dh/dt = W h + W⁻¹ b for the tanh network 1.5 h + 0.1: one fixed point of its own, and the network's three are lost. The
    flow of `Backward` does not exist where a unit is off, and so cannot be said to have lost that."""
    cell = two_units(np.diag([1.5, 0.5]), b=(0.1, 0.0))
    textbook = ro.analyse(cell, np.zeros(1), ro.Textbook())
    network, flow = (side.to_dict()["fixed_points"] for side in textbook.sides)
    assert len(network) == 3 and all(p["lost_by_the_conversion"] for p in network)
    assert [p["added_by_the_conversion"] for p in flow] == [True]
    assert "lost by the conversion" in textbook.table()
    found = nowhere.sides[0].to_dict()["fixed_points"]
    assert [(p["lost_by_the_conversion"], p["undefined_in_the_other"]) for p in found] == [(False, True)]
    assert "undefined in the other" in nowhere.table()


@pytest.mark.gate
def test_infinite_exponents_are_said_and_the_leading_eigenvalue_is_the_one_that_names_the_kind():
    """diag(0.5, 0) has an exponent of −∞; diag(2, −1.1) is a flip by the −1.1, which is nearer to the boundary than the 2."""
    lost = ro.analyse(two_units(np.diag([0.5, 0.0]), None), np.zeros(1))
    assert lost.sides[0].to_dict()["exponents"][1] == "-inf" and "−∞" in lost.table()
    page = lost.plot()
    assert "−∞" in [text.get_text() for text in page.axes[2].texts]
    page.draw_without_rendering()
    assert "nearest to the end of the run" in " ".join(page.axes[6].get_title(loc="left").split())
    right = page.bbox.width
    for axes in page.axes:
        if axes.get_legend() is not None:
            box = axes.get_legend().get_window_extent()
            assert box.x0 >= 0 and box.x1 <= right
    grows = ro.analyse(two_units(np.diag([2.0, -1.1]), None), np.zeros(1))
    (point,) = grows.sides[0].to_dict()["fixed_points"]
    assert point["kind"] == "FLIP" and point["leading_eigenvalue"] == [-1.1, 0.0]
    gap = ro.analyse(two_units(np.zeros((2, 2)), None), np.zeros(1), ro.Backward(1))
    assert "singular" in gap.plot().axes[1].texts[0].get_text()
