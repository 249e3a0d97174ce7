"""Every case at a tiny size, beside its peers where they are installed."""

import importlib.util
import os
import re
import sys

import jax
import numpy as np
import pytest
from jax.experimental import rnn

from rnn_ode import bench
from rnn_ode.bench import _cudnn, _networks, _precision
from rnn_ode.bench._cases import (
    basins,
    eig,
    evolve,
    fixed_points,
    flow_gradient,
    long,
    lowering,
    lyapunov,
    newton,
    noise,
    orbits,
    parallel,
    scheme,
    sweep,
    train,
)

JAX = ["hand-written lax.scan"]

LEAN, PRODUCTS = "lax.scan, W_x x in it", "products alone"

LOOPS = ["Python loop, jitted cell", "Python loop, un-jitted JAX"]

DIFFRAX = ["diffrax", "diffrax with jump_ts"]

SOLVERS = {"scipy": ["scipy LSODA", "scipy DOP853"], "torchdiffeq": ["torchdiffeq", "torchdiffeq, its best"]}


def here(module):
    """Whether a package is installed. PyTorch must be if the environment says so."""
    found = importlib.util.find_spec(module) is not None
    assert found or module != "torch" or "RNN_ODE_REQUIRE_TORCH" not in os.environ
    return found


def missing(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def all_is_well(rows, allowed):
    for row in rows:
        assert row.ok and not row.skipped, row
        assert row.error <= allowed
        assert 0 < row.low_s <= row.median_s <= row.high_s and row.rounds > 0
        assert row.compile_s >= 0 and row.ratio > 0
    assert rows[0].contender == "rnn_ode" and rows[0].ratio == 1


@pytest.mark.gate
def test_a_case_is_ours_and_then_hand_written_programs_which_agree(run):
    rows = run(cases="iterate", peers=False)
    assert [row.contender for row in rows] == ["rnn_ode", *JAX, LEAN, PRODUCTS, *LOOPS]
    all_is_well([row for row in rows if row.contender != PRODUCTS], 1e-4)
    assert rows[0].compile_s > rows[0].median_s
    for row in rows:
        assert row.flops == 2 * 5 * 3 * (3 + 1) and row.dtype == "float32" and 0 < row.of_peak <= 1.5


def test_a_missing_peer_is_a_skipped_row(run, monkeypatch):
    missing(monkeypatch, "torch", "flax")
    rows = run(cases="iterate")
    skipped = [row for row in rows if row.skipped]
    assert [row.contender for row in skipped] == ["PyTorch nn.RNN", "flax nnx.RNN"]
    assert skipped[0].note == "not installed: pip install torch"
    assert skipped[1].note == "not installed: pip install '.[bench]' in a clone of rnn_ode"
    assert all(row.median_s is None and row.ratio is None for row in skipped) and "skipped" in bench.table(rows)


CLASSES = {"lstm": "LSTM", "gru": "GRU"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "batch", "inputs"),
    [
        *(("iterate", 1, 1), ("iterate", 2, 3), ("lstm", 2, 1), ("lstm", 1, 2), ("gru", 2, 1)),
        *(("gradient", 2, 3), ("lstm_gradient", 2, 2), ("gru_gradient", 1, 1), ("sequence", 2, 1)),
    ],
)
def test_networks_agree_with_their_peers(run, case, batch, inputs):
    peers = {f"PyTorch nn.{CLASSES.get(case.partition('_')[0], 'RNN')}": here("torch"), "flax nnx.RNN": here("flax")}
    rows = run(cases=case, batch=batch, inputs=inputs)
    states = case in ("iterate", "lstm", "gru")
    both = ["rnn_ode, batch first", "flax, batch first"] if batch > 1 else []
    more = [PRODUCTS, *both, *(LOOPS if case == "iterate" and batch == 1 else [])] if states else []
    assert [row.contender for row in rows[1:]] == [*JAX, *([LEAN] if states else []), *peers, *more]
    all_is_well([row for row in rows if not row.skipped and row.contender != PRODUCTS], 1e-5)
    assert {row.contender: not row.skipped for row in rows if row.contender in peers} == peers
    assert {row.inputs for row in rows} == {16 if case == "sequence" else inputs}


@pytest.mark.thorough
@pytest.mark.parametrize("installed", [True, False])
def test_flows_agree_with_their_peers(run, installed, monkeypatch):
    """A batch under a held input; one under a linear input without the peers, whose rows say what to install."""
    monkeypatch.setattr(_precision, "CURVE_S", 0.0)
    monkeypatch.setattr(_precision, "POINT_S", 0.0)
    if not installed:
        missing(monkeypatch, "scipy.integrate", "torchdiffeq")
    case, batch = ("integrate", 2) if installed else ("integrate_linear_input", 1)
    rows = run(cases=case, batch=batch, hidden=2, steps=3, repeats=1)
    timed = [row for row in rows if not row.skipped]
    all_is_well(timed, bench.TARGET)
    peers = {name: installed and here(module) for module, names in SOLVERS.items() for name in names}
    loops = [] if installed else ["Python loop, jitted RK4 step", "Python loop, un-jitted JAX"]
    assert [row.contender for row in rows[1:]] == [*DIFFRAX, *peers, *loops]
    assert {row.contender: not row.skipped for row in rows if row.contender in peers} == peers
    notes = {row.contender: row.note for row in rows if row.skipped}
    assert installed or notes["torchdiffeq"] == "not installed: pip install torch torchdiffeq"
    adaptive = [row for row in timed if "rtol" in row.note]
    assert len({row.note.split("rtol")[1] for row in adaptive}) > 1
    assert all(row.error > bench.TARGET / 100 for row in adaptive[:3]), "far tighter than needed is not equal error"
    assert all(row.curve for row in timed if row.contender != "Python loop, un-jitted JAX")


@pytest.mark.slow
def test_linear_flows_are_exact(run):
    rows = run(cases="linear")
    all_is_well(rows, bench.TARGET)
    assert [row.contender for row in rows[1:]] == ["hand-written expm, lax.scan", *DIFFRAX]
    assert rows[0].error < 1e-13 and len(rows[0].curve) == 1 and len(rows[2].curve) > 3


@pytest.mark.slow
def test_long_gradients_agree(run, monkeypatch):
    monkeypatch.setattr(long, "SIZE", (3, 1, 20))
    ours, plain = run(cases="long", repeats=1)
    all_is_well([ours, plain], 1e-5)
    assert ours.steps == 20 and "checkpoints=4" in ours.note


@pytest.mark.slow
def test_another_rate_is_timed(run, monkeypatch):
    """At this length the values are right to a thousandth; the plain scans have none to compare."""
    monkeypatch.setattr(evolve, "AUDIO", (3, 400, 9, 10))
    ours, *peers = run(repeats=1, cases="evolve")
    assert [row.contender for row in peers] == ["delayed_feedback", "… with band=0.075", "3 hand-written lax.scan"]
    assert ours.error < 1e-3 and all(row.error < 1e-2 for row in peers[:2]) and peers[2].error is None
    assert all(row.ok and row.ratio > 0 for row in (ours, *peers))


@pytest.mark.slow
@pytest.mark.parametrize("installed", [True, False])
def test_a_search_for_fixed_points_is_timed(run, installed, monkeypatch):
    """At this size and length Adam leaves less than a tenth; without optax the row says what to install."""
    monkeypatch.setattr(fixed_points, "SEARCH", (4, 64, 1000))
    if not installed:
        missing(monkeypatch, "optax")
    ours, adam = run(repeats=1, cases="fixed_points")
    assert ours.ok and ours.error < 1e-12 and ours.ratio == 1
    assert adam.contender == "Adam on the speed" and adam.skipped != installed
    if installed:
        assert adam.ok and ours.error < adam.error < 0.1 and adam.ratio > 0
    else:
        assert adam.note == "not installed: pip install '.[bench]' in a clone of rnn_ode"


@pytest.mark.thorough
def test_an_orbit_and_a_branch_of_orbits_are_timed(run, monkeypatch):
    monkeypatch.setattr(orbits, "ORBIT", (3, 2.0))
    monkeypatch.setattr(orbits, "BRANCH", (3, 4))
    ours, twenty, tangents = run(repeats=1, cases="orbit")
    assert (ours.contender, twenty.contender) == ("rnn_ode", "diffrax, 20 periods")
    assert max(ours.error, twenty.error, tangents.error) < 1e-5 and ours.ratio == 1
    (branch,) = run(repeats=1, cases="orbits")
    assert branch.ok and branch.error < 1e-8


@pytest.mark.slow
def test_basins_are_timed(run, monkeypatch):
    monkeypatch.setattr(basins, "SEARCH", (2, 60))
    ours, plain = run(repeats=1, cases="basins")
    assert ours.ok and ours.error == plain.error == 0 and (ours.hidden, ours.batch) == (2, 60)


@pytest.mark.slow
def test_the_import_is_timed(run):
    ours, diffrax = run(repeats=1, cases=("import",))
    assert (ours.contender, diffrax.contender) == ("rnn_ode", "diffrax")
    assert ours.median_s > 0.01 and diffrax.ratio > 0 and ours.error is None and ours.ok and ours.hidden is None
    assert "rnn_ode" in bench.table([ours, diffrax])


@pytest.mark.slow
def test_the_command_compare_is_timed(run, monkeypatch):
    monkeypatch.setattr("rnn_ode.bench._cases.compare.COMMAND", ("--help",))
    (ours,) = run(repeats=1, cases="compare")
    assert ours.median_s > 0.1 and ours.ratio == 1 and ours.rounds == 1


@pytest.mark.slow
def test_the_exponents_are_timed(run, monkeypatch):
    monkeypatch.setattr(lyapunov, "RATE_NETWORK", (3, 50, 0.05))
    pytest.importorskip("lyapax")
    rows = run(repeats=1, cases="lyapunov")
    assert [row.contender for row in rows] == ["rnn_ode", *JAX, "lyapax, renorm_every=1", "lyapax, renorm_every=10"]
    all_is_well(rows, bench.TARGET)


@pytest.mark.slow
def test_training_ends_where_a_hand_written_loop_ends(run, monkeypatch):
    monkeypatch.setattr(train, "LESSON", (4, 10, 3, 6))
    rows = run(cases="train")
    assert [row.contender for row in rows][:2] == ["rnn_ode", "hand-written optax loop"]
    assert all(row.ok and row.ratio > 0 for row in rows if not row.skipped)
    assert max(row.error for row in rows if not row.skipped) < 1e-4
    missing(monkeypatch, "optax")
    (ours,) = run(cases="train")
    assert ours.skipped and ".[bench]" in ours.note


@pytest.mark.slow
def test_noise_is_timed_beside_the_run_without_it(run, monkeypatch):
    monkeypatch.setattr(noise, "SIZE", (4, 1, 3000))
    ours, still, at_once, step_by_step = run(repeats=1, cases="noise")
    assert still.contender == "rnn_ode without noise" and still.error is None and still.ratio > 0
    for row in (ours, at_once, step_by_step):
        assert row.ok and row.error < 0.05 and row.ratio > 0


@pytest.mark.slow
def test_a_runge_kutta_network_is_timed_beside_diffrax(run, monkeypatch):
    monkeypatch.setattr(scheme, "SIZES", [(4, 1, 5), (4, 3, 5)])
    rows = run(repeats=1, cases="scheme")
    assert [row.contender for row in rows[:2]] == ["rnn_ode", "rnn_ode, the run alone"] and len(rows) == 8
    assert all(row.ok and row.ratio > 0 for row in rows)
    assert all(row.error < 1e-5 for row in rows[::2])  # float32


@pytest.mark.thorough
def test_the_gradient_of_a_flow_is_timed_beside_its_run(run, monkeypatch):
    monkeypatch.setattr(flow_gradient, "SIZES", [(3, 1, 4), (3, 2, 4)])
    monkeypatch.setattr(_precision, "POINT_S", 0.0)
    rows = run(repeats=1, cases="integrate_gradient")
    assert len(rows) == 12 and all(row.ok and row.ratio > 0 for row in rows)
    timed = [row for row in rows if "alone" not in row.contender]
    assert len(timed) == 6 and all(row.error <= bench.TARGET and "rtol" in row.note for row in timed)


@pytest.mark.slow
def test_the_gradient_of_eigenvectors_is_timed(run, monkeypatch):
    monkeypatch.setattr(eig, "UNITS", 4)
    ours, numpys, jaxs = run(repeats=1, cases="eig")
    assert ours.ok and ours.error < 1e-5 and ours.dtype == "float64"
    assert numpys.ratio > 0 and jaxs.ratio > 0


@pytest.mark.slow
def test_the_weights_of_an_lstm_are_packed_as_cudnn_reads_them(float32):
    """JAX has the same computation for any device, which unpacks the weights."""
    keys = jax.random.split(jax.random.key(0))
    h0 = np.zeros((2, 3), np.float32)
    W_h, W_x, b = _networks.LSTM.draw(3, 2, keys[0])
    xs = jax.random.normal(keys[1], (5, 2, 2))

    def for_any_device(x, h, c, weights, lengths, inputs, units, *rest):
        return rnn.lstm_ref(
            x, h, c, *rnn.unpack_lstm_weights(weights, inputs, units, 1, False), lengths, inputs, units, *rest
        )

    outputs = _cudnn.time_first(xs, _cudnn.outputs(W_h, W_x, b, xs, h0, lstm=for_any_device))
    np.testing.assert_allclose(outputs, _networks.LSTM.scan(W_h, W_x, b, xs, h0), atol=1e-6)


@pytest.mark.slow
def test_a_sweep_of_adaptive_solves_is_timed(run, monkeypatch):
    monkeypatch.setattr(sweep, "MEMBERS", 40)
    rows = run(repeats=1, cases="sweep")
    assert [row.contender for row in rows] == ["rnn_ode", "jax.vmap, sharded", "jax.vmap"]
    all_is_well(rows, 1e-4)
    missing(monkeypatch, "zarr")
    (ours,) = run(cases="sweep")
    assert ours.skipped and ".[bench]" in ours.note


@pytest.mark.slow
def test_expected_and_taken_newton_steps_are_told(run, monkeypatch):
    monkeypatch.setattr(newton, "SIZE", (3, 1, 1024))
    monkeypatch.setattr(newton, "NETWORKS", ((0, 1.0, 0.8), (0, 0.1, 1.0)))
    rows = run(cases="newton", repeats=1)
    all_is_well(rows, 1e-5)
    assert [row.contender.partition(" ")[0] for row in rows] == ["rnn_ode", "iterate,", "exponent"]
    for row in (rows[0], rows[2]):
        numbers = re.search(r"Newton steps: (\d+) expected, (\d+) taken \(NEWTON\)", row.note)
        expected, taken = map(int, numbers.groups())
        assert 1 <= taken <= expected + 1 and expected <= taken + 2


@pytest.mark.slow
def test_runs_in_parallel_are_timed_at_every_length(run, monkeypatch):
    monkeypatch.setattr(parallel, "LENGTHS", (64, 300))
    rows = run(repeats=1, cases="parallel")
    assert [(row.contender, row.steps) for row in rows] == [
        (name, steps) for steps in (64, 300) for name in ("rnn_ode", "step by step")
    ]
    assert all(row.ok and row.error < 1e-5 for row in rows)
    assert all(re.fullmatch(r"all steps at once: [1-9]\d* steps .*, \d+ predicted", row.note) for row in rows[::2])


@pytest.mark.slow
def test_every_program_lowers_for_gpus_and_tpus_and_one_that_does_not_is_wrong(run, monkeypatch):
    chosen = {name: lowering.PROGRAMS[name] for name in ("iterate", "logm")}
    chosen["no rule"] = lambda W: jax.scipy.linalg.sqrtm(W)
    chosen["host"] = lambda W: jax.pure_callback(lambda W: W, W, W, vmap_method="sequential")
    monkeypatch.setattr(lowering, "PROGRAMS", chosen)
    rows = {row.contender: row for row in run(cases="lowering")}
    assert set(rows) == {f"{name}, {platform}" for name in chosen for platform in ("cuda", "tpu")}
    assert all(rows[f"{name}, tpu"].ok and rows[f"{name}, cuda"].median_s > 0 for name in ("iterate", "logm"))
    assert not rows["no rule, tpu"].ok and rows["no rule, tpu"].note.startswith("does not lower: ")
    assert not rows["host, cuda"].ok and rows["host, cuda"].note == "calls the host"


@pytest.mark.slow
def test_streams_are_told_as_real_time_factors(run, monkeypatch):
    monkeypatch.setattr("rnn_ode.bench._cases.stream.SAMPLES", 480)
    rows = run(repeats=1, cases="stream", peers=False)
    assert [row.contender for row in rows] == ["rnn_ode", "Stream, evolve", "Stream, blocks of 64", "iterate"]
    for row in rows:
        factor = float(row.note.split(" times real time")[0])
        assert factor == pytest.approx(0.01 / row.median_s, rel=0.01)
