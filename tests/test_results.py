"""Every result shows itself: as a table, on one screen, as HTML, as plain values, and as a dataset where it is an array."""

import dataclasses
import functools
import json
from functools import partial
from html.parser import HTMLParser

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode import learn
from rnn_ode._reports.analysis import Analysis
from rnn_ode._reports.analysis_side import Side
from rnn_ode._reports.comparison import Comparison
from rnn_ode._reports.comparison_rows import Row
from rnn_ode._reports.linear_growth import linear_growth
from rnn_ode._resampling.candidates import Scheme
from rnn_ode._resampling.files_report import Report

W = np.array([[0.5, 2.0], [0.0, 0.4]])
XS = np.sin(np.arange(20.0))[:, None]
CELL = ro.VanillaCell(W, np.ones((2, 1)), np.zeros(2), jnp.tanh)
WAVE = np.sin(np.arange(60.0))[:, None] + 2


class Bent(eqx.Module):
    """h ↦ a h + b tanh(2h) + c, one compiled program for all of them."""

    weights: tuple[jax.Array, jax.Array, jax.Array]

    def __call__(self, x, h):
        a, b, c = self.weights
        return a * h + b * jnp.tanh(2 * h) + c


def points_of(*weights):
    return ro.fixed_points(ro.Map(Bent(tuple(map(jnp.asarray, weights)))), np.linspace(-2, 2, 64)[:, None])


def one_orbit():
    tent = ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], np.zeros((2, 1)), [0.0, -0.5])
    return ro.cycles(ro.Map(tent, np.zeros(1)), 2)


def orbit_of_henon():
    henon = ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]]))
    return ro.periodic_orbit(henon, np.array([[1.0, -0.15], [-0.5, 0.3]]), 2)


def two_folds():
    def network(b):
        return ro.Map(ro.VanillaCell([[2.0]], [[1.0]], [0.0], jnp.tanh), b[None])

    return ro.continue_branch(network, jnp.array([-1.0]), (-1.0, 1.0))


def fitted():
    def loss(model, batch):
        return jnp.mean((model - batch) ** 2)

    way = {"steps": 30, "key": jax.random.key(0), "validate": jnp.ones(2), "every": 10, "progress": False}
    return learn.fit(jnp.zeros(2), loss, [jnp.ones(2)], optimiser=optax.sgd(0.1), **way)


def forecasted():
    """A forecast of nothing but 0."""
    parts = learn.split(WAVE, history=5, gap=0, horizon=1)
    zero = np.zeros_like(parts.test.targets)
    band, future = learn.Band(zero, zero - 1, zero + 1), learn.Band(zero[0], zero[0] - 1, zero[0] + 1)
    return learn.Forecast(parts, WAVE[:42], band, zero[None], future, {"last value": zero}, 0.9, made("fit"), 1)


def compared():
    run, s = made("trajectory"), made("small spectrum")
    errors = np.linspace(0.0, 0.5, len(run.ts))
    row = Row(ro.Forward(1), run, errors, "DECAYS", "DECAYS", -0.5, -0.5, True, 0.1, 5.0, "")
    gone = Row(
        ro.Exact(), None, np.full(21, np.nan), "DECAYS", "DECAYS", -0.7, None, True, 0.0, None, "does not exist here."
    )
    return Comparison(run, (row, gone), s, "DECAYS", -0.69, "W_h", linear_growth(s, 5))


def analysed():
    """Both sides have the answers of other results; only the shapes matter here."""
    points = made("fixed points")
    side = Side(
        name="network",
        system=None,
        times=np.arange(21.0),
        orbit=np.zeros((21, 1)),
        points=points,
        added=np.zeros(64, bool),
        undefined=np.zeros(64, bool),
        mark="lost",
        exponents=made("lyapunov"),
        gradients=made("gradients"),
        transient=made("transient"),
        about=np.zeros(1),
        nullclines=None,
        reason="",
    )
    flow = dataclasses.replace(
        side, name="exact", points=None, mark="added", exponents=None, reason="does not exist here."
    )
    return Analysis((side, flow), np.zeros(1), ro.Exact(), np.zeros(1), np.eye(2), np.zeros(3))


def recommended():
    schemes = [Scheme(f"evolve(ahead={i})", partial(ro.evolve, ahead=i), i, i, 0.9, i < 40, 20.0) for i in range(1, 50)]
    return ro.Recommendation(tuple(schemes), schemes[0], 2.0)


def studied():
    trial = learn.Trial("tanh", 10, 0, "DECAYS", 0.5, -2.0, float("nan"), 0.1, True, 10, "all 10 steps are done")
    settings = {"task": "Adding()", "hidden": 8, "steps": 100, "size": 4, "solved": 0.01, "chance": {"10": 1 / 6}}
    return learn.Study(settings, (trial,) * 60)


def reported():
    scheme = {"ahead": 3, "behind": 3, "band": 0.0, "radius": 0.9, "stable": True, "recommended": False}
    return Report("a.wav", "b.wav", 8000.0, 9600.0, 8000.0, 12, scheme, 0, 0.5, 2.0, 33.0, None, None)


# Each result, with the axes of its dataset and their sizes, or the axes alone; `None` where it is no array.
def cusp():
    def network(p):
        return ro.Map(lambda x, h: jnp.tanh(p[0] * h + p[1]))

    at = ro.Bifurcation("fold", 0.533, np.array([-0.707]))
    return ro.continue_bifurcation(network, at, (2.0, 0.533), ((0.5, 3.0), (-1.5, 1.5)))


RESULTS = {
    "trajectory": (lambda: ro.iterate(CELL, XS), {"time": 21, "unit": 2}),
    "trajectory of pairs": (
        lambda: ro.iterate(drawn(eqx.nn.LSTMCell, 1, 2), XS),
        {"time": 21, "unit": 2},
    ),
    "trajectory that ended early": (
        lambda: ro.iterate(lambda x, h: 1e30 * h, XS, jnp.ones(()), throw=False),
        {"time": 21},
    ),
    "spectrum": (lambda: ro.spectrum(np.diag(np.linspace(0.9, 0.1, 40))), {"row": 40, "column": 40, "mode": 40}),
    "small spectrum": (lambda: ro.spectrum(W), {"row": 2, "column": 2, "mode": 2}),
    "fixed points": (lambda: points_of(0.0, 1.0, 0.0), {"point": 3, "unit": 1, "mode": 1, "guess": 64}),
    "no fixed points": (
        lambda: points_of(1.0, 0.0, 1.0),
        {"point": 0, "unit": 1, "mode": 1, "guess": 64},
    ),
    "cycles": (one_orbit, {"orbit": 1, "step": 2, "unit": 2, "mode": 2}),
    "orbit": (orbit_of_henon, {"time": 2, "unit": 2, "mode": 2}),
    "lyapunov": (
        lambda: ro.lyapunov(ro.Map(CELL, np.zeros(1)), np.ones(2), 100.0),
        {"time": 100, "exponent": 2, "unit": 2},
    ),
    "gradients": (lambda: ro.gradient_flow(CELL, XS), {"lag": 21, "mode": 2}),
    "bounds": (lambda: made("gradients").bounds, {"lag": 21}),
    "transient": (lambda: ro.transient(W), ("time", "mode")),
    "branch": (two_folds, ("point", "unit", "mode", "bifurcation")),
    "portrait": (
        lambda: ro.portrait(ro.Map(CELL, np.zeros(1)), ro.iterate(CELL, XS).states),
        {"run": 1, "time": 21, "component": 2, "unit": 2, "point": 1},
    ),
    "curve": (cusp, ("point", "unit", "mode", "parameter", "event")),
    "basins": (
        lambda: ro.basins(ro.Map(CELL, np.zeros(1)), np.eye(2)),
        {"state": 2, "unit": 2, "attractor": 1},
    ),
    "recommendation": (recommended, None),
    "roots": (
        lambda: ro.root_condition(CELL, np.zeros(1), 0.9, ahead=2, behind=2),
        {"ahead": 2, "behind": 3, "mode": 2},
    ),
    "comparison": (compared, {"time": 21, "method": 2, "unit": 2}),
    "analysis": (analysed, None),
    "fit": (fitted, {"step": 30, "check": 3}),
    "history": (lambda: made("fit").history, {"step": 30, "check": 3}),
    "band": (lambda: made("forecast").future, None),
    "forecast": (forecasted, ("window", "step", "column", "member")),
    "study": (studied, None),
    "report": (reported, None),
}
SLOW = {"portrait", "basins", "curve", "orbit", "spectrum", "lyapunov", "gradients", "bounds", "branch", "analysis"}
SLOW |= {"transient", "fixed points"}
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in RESULTS]


@functools.cache
def made(name):
    return RESULTS[name][0]()


class Balanced(HTMLParser):
    """Reads HTML and keeps what is open."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def of_plain_types(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and of_plain_types(entry) for key, entry in value.items())
    if isinstance(value, list):
        return all(map(of_plain_types, value))
    return value is None or type(value) in (str, int, float, bool)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_shows_itself(name):
    """One test for all, so that each result is made once."""
    result, sizes = made(name), RESULTS[name][1]
    lines = result.table().splitlines()
    assert lines and max(map(len, lines)) <= 80 and lines == [line.rstrip() for line in lines]
    screen = str(result).splitlines()
    assert screen and len(screen) <= 30 and max(map(len, screen)) <= 80 and "f64[" not in str(result)
    page = Balanced()
    page.feed(result._repr_html_())
    assert page.open == [] and page.seen[0] == "div" and len(page.text) > 20
    data = result.to_dict()
    assert of_plain_types(data) and json.loads(result.to_json()) == data
    assert "nan" not in result.table().lower().split()
    if sizes is None:
        assert not hasattr(result, "to_dataset")
    else:
        found = result.to_dataset().sizes
        assert dict(found) == sizes if isinstance(sizes, dict) else set(found) == set(sizes)


def test_a_forecast_states_the_forecast():
    future = learn.Band(*(np.arange(28.0).reshape(14, 2) + shift for shift in (0, -1, 1)))
    forecast = dataclasses.replace(made("forecast"), future=future, share=0.8)
    rows = [line.split() for line in forecast.table().splitlines()]
    start = rows.index(["The", "forecast:", "the", "mean", "of", "all", "1,", "with", "intervals", "of", "80%."])
    assert rows[start + 2] == ["step", "column", "mean", "lower", "upper"]
    assert rows[start + 4] == ["1", "0", "0", "-1", "1"] and rows[start + 27] == ["12", "1", "23", "22", "24"]
    assert rows[start + 28] == ["…", "and", "4", "more"]
    assert "<th" in forecast._repr_html_().split("The forecast:")[1] and "11" in str(future).split()
    assert forecast.to_dict()["future"]["steps"] == [*range(1, 15)]
    windows = learn.Band(*(np.zeros((3, 7, 2)) for _ in range(3)))
    assert "A batch (3,) of Band" in str(windows)


def test_rows_without_a_point_are_nowhere_to_be_seen():
    found = made("fixed points")
    assert found.points.shape == (64, 1) and np.isnan(found.points[3:]).all()  # the arrays keep a row for each guess
    assert sorted(found.verdict_names) == ["DECAYS", "DECAYS", "GROWS"] and len(found.kind_names) == 3
    assert len(found.to_dict()["points"]) == 3 and len(found.to_dict()["reached"]) == 64
    assert len(found.table().splitlines()) < 16 and "NONE" not in found.table()
    assert "3 fixed points, from 64 guesses." in str(found)
    dataset = found.to_dataset()
    assert not np.isnan(dataset.points).any() and sorted(dataset.verdict.values) == ["DECAYS", "DECAYS", "GROWS"]


@pytest.mark.slow
def test_names_of_a_batch_are_lists_of_each_ones_points():
    pair = made("fixed points"), made("no fixed points")
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair)
    assert batch.kind_names == [one.kind_names for one in pair] and len(batch.verdict_names[0]) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["trajectory", "spectrum", "transient"],
)
def test_a_batch_says_that_it_is_one_and_each_of_its_results_shows_itself(name):
    ask = {
        "trajectory": lambda s: ro.iterate(CELL, s * jnp.asarray(XS)),
        "spectrum": lambda s: ro.spectrum(s * jnp.asarray(W)),
        "transient": lambda s: ro.transient(s * jnp.asarray(W)),
    }[name]
    batch = jax.vmap(ask)(jnp.array([0.5, 1.0, 1.5]))
    kind = type(batch).__name__
    for text in (str(batch), batch.table(), batch._repr_html_()):
        assert f"A batch (3,) of {kind}: each field has 1 more axis in front." in " ".join(text.split())
    for refuse in (batch.to_dict, batch.to_json, batch.to_dataset):
        with pytest.raises(
            ValueError, match=rf"^{refuse.__name__} takes one result with known values; this is a batch \(3,\)"
        ):
            refuse()
    one = jax.tree.map(lambda leaf: leaf[1], batch)
    assert one.table() == ask(1.0).table()


def test_a_traced_result_says_so():
    seen = []

    @jax.jit
    def ask(matrix):
        found = ro.transient(matrix)
        seen.extend([str(found), found.table(), found._repr_html_()])
        with pytest.raises(ValueError, match="known once the compiled function has returned it"):
            found.to_dict()
        return found.peak

    ask(W)
    jax.eval_shape(lambda: seen.append(str(ro.transient(W))))
    assert all("A traced Transient" in text for text in seen)


def test_a_result_without_its_arrays_can_be_printed():
    assert "without numbers" in str(eqx.filter(ro.iterate(CELL, XS), eqx.is_inexact_array, inverse=True))


def test_leaves_with_the_same_name_are_told_apart_by_number():
    states = {"a_b": jnp.zeros((2, 1)), "a": {"b": jnp.ones((2, 1))}}
    run = ro.Trajectory(jnp.arange(2.0), states, ro.RESULTS.successful, {})
    assert run.to_dict()["states"] == {"state_a_b_0": [[1.0], [1.0]], "state_a_b_1": [[0.0], [0.0]]}
    assert "A run: 2 states of 2 numbers." in str(run) and "a_b_0[0]  a_b_1[0]" in str(run)
    assert set(run.to_dataset().data_vars) == {"state_a_b_0", "state_a_b_1"}


def test_times_and_units_are_said_by_the_dataset():
    dataset = ro.iterate(CELL, XS, dt=0.5).to_dataset()
    np.testing.assert_array_equal(dataset.time, 0.5 * np.arange(21))
    assert dataset.state.dims == ("time", "unit") and dataset.attrs["kind"] == "Trajectory"
    spectrum = ro.spectrum(W).to_dataset()
    assert spectrum.frequencies.attrs["units"] == "cycles per step" and spectrum.multipliers.dtype == complex


def test_a_dataset_without_xarray_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(ModuleNotFoundError, match="pip install xarray"):
        ro.spectrum(W).to_dataset()
