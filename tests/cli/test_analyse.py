"""The command `analyse`."""

import json

import numpy as np
import pytest


def test_the_network_the_input_and_the_method_are_those_of_the_options(invoke, asked, tmp_path):
    answers = asked("_reports.analyse.analyse")
    result = invoke(
        "analyse", "--weights", "net.npz", "--x", "0.25", "--method", "tustin", "--seed", "3", "--out", "a.svg"
    )
    assert result.exit_code == 0, result.output
    cell, x, method = answers[0].args
    assert cell.W_h.shape == (3, 3) and x.tolist() == [0.25] and method.label == "tustin"
    assert answers[0].options == {"seed": 3}
    assert result.stdout == "the table\n\n3-unit relu network (net.npz)\n\nfigure: a.svg\n"
    assert result.stderr == "note: net.npz does not say its activation: relu is taken; --activation gives another.\n"
    assert invoke("analyse", "--weights", "net.npz", "--activation", "relu").stderr == ""
    assert (tmp_path / "a.svg").exists()


@pytest.mark.slow
def test_without_a_file_the_network_is_random_and_takes_the_inputs_given(invoke, asked):
    answers = asked("_reports.analyse.analyse")
    result = invoke("analyse", "--x", "1", "--x", "2", "--json")
    assert json.loads(result.stdout) == {"figure": "rnn_ode_analyse.png", "rows": [1, 2]}
    cell, x, method = answers[0].args
    assert cell.W_x.shape == (2, 2) and x.tolist() == [1, 2] and method.label == "forward:1"
    np.testing.assert_allclose(cell.W_h @ cell.W_h.T, 1.5**2 * np.eye(2), atol=1e-12)
    assert "\n2-unit tanh network (random network)\n" in invoke("analyse").stdout
    assert answers[1].args[1].tolist() == [0]


def test_the_constant_input_must_fit_the_network(invoke):
    np.savez("two.npz", W_h=0.5 * np.eye(3), W_x=np.ones((3, 2)), b=np.zeros(3))
    result = invoke("analyse", "--weights", "two.npz", "--x", "1")
    assert result.exit_code == 2
    assert result.stderr == "error: --x must be given 2 times: the network takes 2 inputs; got 1.0.\n"
