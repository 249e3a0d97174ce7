"""A stranger's parts (tests/strangers.py), run through everything public that takes such a part."""

import ast
import inspect
import json
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import strangers
from oracles import loop
from parts import CELLS, XS, B, N, W
from typer.testing import CliRunner

import rnn_ode as ro
from rnn_ode import learn
from rnn_ode.cli import app

LEAKY = CELLS["stranger"]
TIMES = np.arange(15) / 2


def test_a_stranger_needs_public_names_alone_and_under_forty_lines_a_part():
    text = Path(strangers.__file__).read_text(encoding="utf-8")
    tree = ast.parse(text)
    imports = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [line for line in imports if "rnn_ode" in line] == ["import rnn_ode as ro"] and "ro._" not in text
    parts = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert len(parts) >= 10 and max(node.end_lineno - node.lineno + 1 for node in parts) < 40


def test_nothing_abstract_is_for_speed():
    wanted = {
        ro.AbstractCell: {"__call__"},
        ro.AbstractField: {"__call__"},
        ro.AbstractMethod: {"of_number", "of_matrix"},
        ro.AbstractPath: {"within"},
        ro.AbstractScheme: {"step"},
        ro.AbstractSystem: {"rule"},
    }
    assert {base: set(base.__abstractmethods__) for base in wanted} == wanted
    assert all(inspect.getdoc(base) and ">>>" in inspect.getdoc(base) for base in wanted)


# --- a cell ------------------------------------------------------------------------------------------------------------


@pytest.mark.gate
def test_a_new_cell_in_compare_with_a_new_method():
    methods = (ro.Forward(1), strangers.Central(), ro.Exact(anchored=True))
    found = ro.compare(LEAKY, XS, methods=methods)
    np.testing.assert_allclose(found.network.states, loop(LEAKY, jnp.asarray(XS), jnp.zeros(N)), atol=1e-12)
    text = found.table()
    assert "every unit active" not in text and "stranger" in text
    assert found.rows[2].error_max < 1e-6  # anchored: exact at the samples


@pytest.mark.gate
def test_a_new_cell_at_other_times():
    states = ro.evolve(LEAKY, ro.Hold(XS), TIMES).states
    np.testing.assert_allclose(states[::2], ro.iterate(LEAKY, XS).states, atol=1e-12)
    stream = ro.Stream(LEAKY, lambda x, h: h, rate_in=1, rate_out=2, trained=1)
    blocks = [stream.push(XS[:3]), stream.push(XS[3:]), stream.flush()]
    assert np.isfinite(np.concatenate(blocks)).all() and len(np.concatenate(blocks)) > len(XS)
    smooth = np.sin(0.2 * np.arange(80))[:, None] * np.ones(2)
    assert ro.recommend(LEAKY, smooth, 1.5, budget=2).schemes


@pytest.mark.thorough
def test_the_analyses_of_a_new_cell():
    report = ro.analyse(LEAKY, XS[0], method=ro.Forward(1), steps=50, guesses=8)
    network, flow = report.sides
    assert int(network.points.count) == int(flow.points.count) >= 1  # Forward(1) keeps the fixed points
    assert "network" in report.table()
    flows = ro.gradient_flow(LEAKY, XS)
    J = np.eye(N)
    for x, h in zip(jnp.asarray(XS), ro.iterate(LEAKY, XS).states, strict=False):
        J = np.asarray(jax.jacfwd(lambda v, x=x: LEAKY(x, v))(h)) @ J
    assert float(flows.norms[-1]) == pytest.approx(np.linalg.norm(J, 2), rel=1e-9)


@pytest.mark.slow
def test_a_new_piecewise_linear_cell_has_its_cycles():
    """h' = −2|h| + 1 has the fixed points 1/3 and −1, and no others."""
    cell = strangers.Folded(jnp.array([[-2.0]]), jnp.zeros((1, 1)), jnp.ones(1))
    found = ro.cycles(ro.Map(cell, np.zeros(1)), 1)
    np.testing.assert_allclose(np.sort(found.points.ravel()), [-1, 1 / 3], atol=1e-12)
    two = ro.cycles(ro.Map(cell, np.zeros(1)), 2)  # the tent map: one orbit of period 2
    orbit = np.sort(two.points.ravel())
    np.testing.assert_allclose(-2 * np.abs(orbit) + 1, orbit[::-1], atol=1e-12)


@pytest.mark.gate
def test_a_new_cell_is_trained_with_a_new_penalty_and_kept(tmp_path):
    keys = jax.random.split(jax.random.key(1))
    cell = strangers.Leaky(jnp.asarray(W) / 3, jnp.ones((N, 1)), jnp.asarray(B), 0.5)
    model = learn.ManyToOne(learn.Iterated(cell), eqx.nn.Linear(N, 1, key=keys[0]))
    inputs = jax.random.normal(keys[1], (16, 5, 1))
    targets = inputs.sum(axis=1)

    def loss(model, batch):
        return jnp.mean((jax.vmap(model)(batch[0]) - batch[1]) ** 2) + 1e-3 * strangers.smallness(model)

    file = tmp_path / "leaky.ckpt"
    options = {"optimiser": optax.adam(0.02), "key": jax.random.key(2), "progress": False, "checkpoint": file}
    done = learn.fit(model, loss, lambda key: (inputs, targets), steps=60, **options)
    assert done.history.loss[-1] < 0.3 * done.history.loss[0]
    assert eqx.tree_equal(learn.load(file, known=(strangers.Leaky,)), done.model)
    with pytest.raises(ValueError, match="strangers:Leaky"):
        learn.load(file)


# --- a method ----------------------------------------------------------------------------------------------------------


def test_a_new_method_says_where_it_does_not_exist():
    central = strangers.Central()
    assert central.obstacle(np.array([[0.5]])) is None
    assert "multiplier -1 is excluded by stranger" in central.obstacle(np.array([[-1.0]])).text
    assert central.obstacle(np.zeros((1, 1))).zero
    with pytest.raises(ValueError, match=r"Central\(\) does not exist for this network.*These do: Forward\(1\)"):
        ro.to_ode(ro.VanillaCell([[-1.0]], [[1.0]], [0.0], activation=None), central)


@pytest.mark.slow
def test_a_new_method_converts_every_cell_to_second_order():
    """g(λ) − log λ is (λ − 1)³/6 to leading order: half the distance from 1, an eighth of the error."""
    errors = [abs(complex(strangers.Central().exponent(np.float64(1 - d))) - np.log(1 - d)) for d in (0.02, 0.01)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(3, abs=0.05)
    field = ro.to_ode(CELLS["tanh"], strangers.Central())
    h = jnp.linspace(-0.3, 0.3, N)
    J = np.asarray(jax.jacfwd(lambda v: CELLS["tanh"](jnp.asarray(XS[0]), v))(h))
    # φ(J) (cell(x, h) − h) with φ(z) = (z + 1)/(2 z)
    phi = (J + np.eye(N)) @ np.linalg.inv(2 * J)
    wanted = phi @ np.asarray(CELLS["tanh"](jnp.asarray(XS[0]), h) - h)
    np.testing.assert_allclose(field(0.0, h, lambda t, after=0.0: jnp.asarray(XS[0])), wanted, rtol=1e-9)


@pytest.mark.gate
def test_the_command_knows_a_new_method(tmp_path):
    file = tmp_path / "weights.json"
    cell = {"W_h": (W / 3 + np.eye(N) / 2).tolist(), "W_x": np.ones((N, 1)).tolist(), "b": [0.0] * N}
    file.write_text(json.dumps(cell))
    command = [
        "compare",
        "--weights",
        str(file),
        "--method",
        "stranger",
        "--method",
        "forward:1",
        "--activation",
        "tanh",
        "--json",
    ]
    run = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "figure.png")])
    assert run.exit_code == 0, run.output
    rows = {row["method"]: row for row in json.loads(run.stdout)["rows"]}
    assert rows.keys() == {"stranger", "forward:1"} and rows["stranger"]["error_max"] < 1


@pytest.mark.parametrize("name", ["input_size", "gain", "linear", "input"])
def test_an_optional_member_may_be_a_field(name):
    """Whatever a part says of itself, it may say by a field of the dataclass, in any place."""
    bases = {
        "input_size": ro.AbstractCell,
        "gain": ro.AbstractCell,
        "linear": ro.AbstractField,
        "input": ro.AbstractSystem,
    }
    namespace = {
        "__annotations__": {name: Any, "W": Any},
        "__call__": lambda self, x, h, path=None: self.W * h,
        "rule": lambda self, h: self.W * h,
        "time": ro.Discrete(),
    }
    part = type("Part", (bases[name],), namespace)(None, jnp.ones(1))
    assert getattr(part, name) is None and part.W.shape == (1,)


def test_a_system_with_an_input_says_how_it_is_carried_on():
    class Driven(ro.AbstractSystem):
        path: ro.AbstractPath
        time: Any = ro.Discrete()

        @property
        def input(self):
            return self.path

        def rule(self, h):
            return h / 2

    with pytest.raises(TypeError, match="must say how it is carried on: give Driven a method stepper"):
        ro.lyapunov(Driven(ro.Hold(XS)), jnp.ones(1), 4.0)


def test_a_method_with_parameters_has_labels_of_its_own():
    from rnn_ode._methods.catalogue import from_label

    class Weighted(strangers.Central):
        theta: float
        label = "weighted"

    with pytest.raises(ValueError, match="method weighted: unknown") as refused:
        from_label("method", "weighted")
    assert "weighted," not in str(refused.value)
    del Weighted


@pytest.mark.slow
def test_a_cell_with_another_drive_is_no_affine_map():
    class Sine(ro.VanillaCell):
        def drive(self, x):
            return super().drive(jnp.sin(x))

    cell = Sine([[0.5]], [[1.0]], [0.0], activation=None)
    assert ro.to_ode(cell, ro.Exact())(0.0, jnp.zeros(1), lambda t, after=0.0: jnp.ones(1))[0] == pytest.approx(
        2 * np.log(2) * np.sin(1)
    )


# --- paths, schemes, fields, systems -------------------------------------------------------------------------------------


@pytest.mark.gate
@pytest.mark.parametrize("run", [ro.evolve, ro.delayed_feedback, ro.state_trajectory])
def test_another_held_path_is_held(run):
    cell = ro.VanillaCell([[0.5]], [[1.0]], [0.1], jnp.tanh)
    xs = np.array([[1.0], [-1.0], [2.0], [0.5]])
    ours, theirs = (run(cell, path(xs), np.arange(9) / 2, throw=False).states for path in (strangers.Steps, ro.Hold))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("run", [ro.resampled, partial(ro.fitted_feedback, predict=[1.0])], ids=["resampled", "fitted"])
def test_another_held_path_is_refused_where_hold_is(run, as_user):
    cell = ro.VanillaCell([[0.5]], [[1.0]], [0.1], jnp.tanh)
    with pytest.raises(ValueError, match=r"path must be a smooth input for .* Steps"):
        run(cell, strangers.Steps(np.ones((4, 1))), np.arange(9) / 2)


@pytest.mark.gate
def test_new_paths_drive_a_flow():
    field = ro.to_ode(CELLS["affine"], ro.Forward(1))
    ours, theirs = (ro.integrate(field, path(XS), jnp.zeros(N)).states for path in (strangers.Steps, ro.Hold))
    np.testing.assert_allclose(ours, theirs, atol=1e-7)
    eased = strangers.Eased(XS)
    run = ro.integrate(field, eased, jnp.zeros(N))
    plain = ro.integrate(field, lambda t: eased(t), jnp.zeros(N), ts=np.asarray(run.ts))
    np.testing.assert_allclose(run.states, plain.states, atol=1e-6)


def test_a_new_field_hands_its_linear_part_to_the_schemes():
    """Linearly implicit Euler with the field's own generator −1/τ: h + dt f / (1 + dt/τ)."""
    field = strangers.Relaxing(jnp.ones((2, 1)), 2.0)
    h, x = jnp.array([0.4, -0.2]), jnp.array([0.7])
    rate = field(0.0, h, lambda t: x)
    step = ro.to_rnn(field, ro.BackwardEuler(), 0.5)
    np.testing.assert_allclose(step(x, h), h + 0.5 * rate / (1 + 0.5 / 2.0), rtol=1e-12)


@pytest.mark.slow
def test_a_new_system_has_its_bifurcation():
    """The delayed logistic map: 1 − 1/r loses its stability at r = 2, by a pair on the circle at ±60°."""
    branch = ro.continue_branch(lambda r: strangers.Delayed(r), jnp.array([0.3, 0.3]), (1.5, 2.2))
    (found,) = [b for b in branch.bifurcations if b.parameter > 1.6]
    assert found.kind == "neimark-sacker" and found.parameter == pytest.approx(2, abs=1e-6)
    np.testing.assert_allclose(found.point, 0.5, atol=1e-6)


def test_what_is_no_part_is_refused_by_name(as_user):
    with pytest.raises(TypeError, match="method must be one of"):
        ro.to_ode(LEAKY, strangers.Heun())
    with pytest.raises(TypeError, match="scheme must be one of"):
        ro.to_rnn(strangers.Relaxing(jnp.ones((1, 1)), 1.0), strangers.Central())
