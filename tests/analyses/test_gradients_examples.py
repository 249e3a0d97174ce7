"""The five networks that treat gradients differently."""

import jax
import numpy as np
import pytest

import rnn_ode as ro
import rnn_ode.plot

D = 2
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def five():
    cells = ro.gradient_examples(jax.random.key(0), D, 16)
    xs = np.random.default_rng(1).normal(size=(60, D))
    return {name: ro.gradient_flow(cell, xs) for name, cell in cells.items()}


@slow
def test_each_example_vanishes_persists_or_explodes_as_intended(five):
    assert list(five) == ["ReLU", "tanh", "orthogonal", "antisymmetric", "LSTM"]
    last = {name: float(g.log_norms[-1]) for name, g in five.items()}
    assert last["ReLU"] > 5 and last["tanh"] < -5
    assert abs(last["orthogonal"]) < 1e-12
    assert max(abs(last["antisymmetric"]), abs(last["LSTM"])) < 2.5
    assert five["tanh"].bounds.vanishing_guaranteed and five["ReLU"].bounds.exploding_possible
    with pytest.raises(ValueError, match="hidden_size"):
        ro.gradient_examples(jax.random.key(0), 1, 0)


@slow
def test_the_picture_sets_them_side_by_side(five, tmp_path):
    figure = ro.plot.gradient_flows(five)
    assert len(figure.axes) == 5
    for axes, (name, g) in zip(figure.axes, five.items(), strict=True):
        curves = [np.asarray(line.get_ydata(), float) * np.log(10) for line in axes.lines]
        assert any(len(c) == 61 and np.allclose(c, g.log_norms, atol=1e-12) for c in curves)
        assert axes.get_title(loc="left").startswith(f"{name}\n")
    fates = [axes.get_title(loc="left").split("\n")[1].split(":")[0] for axes in figure.axes]
    assert fates == ["explodes", "vanishes", "persists", "persists", "persists"]
    figure.savefig(tmp_path / "five.png")
