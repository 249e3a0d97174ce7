"""Every picture, drawn from plain values of awkward shapes: what it says is inside it, and nothing covers anything else."""

import io
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import matplotlib.style
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import rnn_ode as ro
from rnn_ode import plot

LONG = "a_method_of_somebody_else:with_a_very_long_label:7"
NOTHING = dict.fromkeys(("points", "exponents", "gradients", "transient", "about"))
STRANGE = SimpleNamespace(label=LONG, decay_label="", exponent=lambda z: z)
METHODS = ro.Textbook(), ro.Forward(1), ro.Exact()
RNG = np.random.default_rng(0)


def verdicts(*names):
    return jax.tree.map(lambda *items: jnp.stack(items), *(getattr(ro.Verdict, name) for name in names))


def orbit(size, count=30):
    """(count, size): a decaying oscillation, the last unit the slowest."""
    t = np.arange(count)[:, None]
    return 0.9**t * np.cos(0.5 * t / (1 + np.arange(size)))


def comparison(size=2, count=30, labels=("one", "two"), stop=None, dt=1.0):
    states = orbit(size, count)
    growth = SimpleNamespace(
        steps=np.arange(9), network=0.5 ** np.arange(9), textbook=2.0 ** np.arange(9), radius=0.5, abscissa=0.7,
        eigenvector_condition=3.0,
    )  # fmt: skip

    def row(i, label):
        theirs = states * (1 + 0.2 * i) if i < 2 else states * 30.0 ** np.arange(count)[:, None]
        if stop is not None:
            theirs = np.where(np.arange(count)[:, None] < stop, theirs, np.nan)
        method = SimpleNamespace(label=label, decay_label="mine decays: Re λ < 1" * (i == 0), exponent=lambda z: z - 1)
        errors = np.linalg.norm(theirs - states, axis=1)
        return SimpleNamespace(
            method=method, trajectory=run(theirs, dt), errors=errors, error_max=np.nanmax(errors), verdict="GROWS"
        )

    return plot.comparison(
        SimpleNamespace(
            network=run(states, dt),
            rows=[row(i, label) for i, label in enumerate(labels)],
            spectrum=SimpleNamespace(multipliers=0.9 * np.exp(2j * np.pi * np.arange(size) / size)),
            growth=growth,
            error_limit=0.1,
            finding="The network decays; exp(W t) grows: " * (1 + size // 12),
        )
    )


def run(states, dt=1.0):
    return SimpleNamespace(ts=dt * np.arange(len(states)), states=jnp.asarray(states))


def found(size, count=3, padding=0):
    points = np.concatenate([RNG.normal(size=(count, size)), np.full((padding, size), np.nan)])
    kinds = [*itertools.islice(itertools.cycle(("SADDLE", "NODE", "FOCUS")), count), *["NONE"] * padding]
    names = [
        *itertools.islice(itertools.cycle(("GROWS", "DECAYS", "UNDETERMINED")), count),
        *["UNDETERMINED"] * padding,
    ]
    return SimpleNamespace(
        points=points, count=count, kind_names=kinds, verdict_names=names, slow=np.zeros(len(points), bool)
    )


def exponents(size, dt=1.0):
    values = np.linspace(0.3, -2, size)
    values[-1] = -np.inf
    history = values + 0.1 * RNG.normal(size=(20, size)) / np.arange(1, 21)[:, None]
    known = {"stderr": np.full(size, 0.01), "is_zero": np.abs(values) < 0.02}
    return SimpleNamespace(exponents=values, history=history, times=dt * np.arange(1, 21), **known)


def flow(log_norms=None):
    norms = -0.3 * np.arange(20) if log_norms is None else np.asarray(log_norms)
    lags = np.arange(norms.shape[-1])
    bounds = SimpleNamespace(
        gain=1.0, log_from_weights=0.1 * lags, log_from_steps=-0.1 * lags, vanishing_guaranteed=False
    )
    return SimpleNamespace(log_norms=norms, measured_rate=-0.3, predicted_rate=-0.2, lyapunov_rate=-0.3, bounds=bounds)


def growing(dt=1.0, **fields):
    default = {
        "times": dt * np.arange(9), "norms": np.array([1, 8, 12, 9, 5, 2, 1, 0.5, np.nan]), "rate": -0.7 / dt, "peak": 12.0,
        "peak_time": 2.0 * dt, "kreiss": 5.0, "eigenvalues": np.array([0.5, 0.25]), "numerical_radius": 5.5,
        "numerical_abscissa": None, "verdict": ro.Verdict.GROWS,
    }  # fmt: skip
    return SimpleNamespace(**{**default, **fields})


def analysis(size=2, count=3, reason="", dt=1.0):
    grid = np.linspace(-3, 3, 31)
    x, y = np.meshgrid(grid, grid)
    points = found(size, count, padding=5)
    side = {
        "name": "network", "reason": reason, "orbit": orbit(size), "points": points, "added": np.arange(count + 5) == 1,
        "mark": "lost", "nullclines": np.stack([y - x**3, x - y]) if size == 2 else None, "exponents": exponents(size, dt),
        "gradients": flow(), "transient": growing(dt), "about": np.ones(size),
    }  # fmt: skip
    other = {
        **side,
        "name": LONG,
        **(dict.fromkeys(("points", "exponents", "gradients", "transient", "about")) if reason else {}),
    }
    sides = SimpleNamespace(**side), SimpleNamespace(**other)
    x, method = np.full(size, 0.123), SimpleNamespace(label=LONG)
    return plot.analysis(
        SimpleNamespace(sides=sides, x=x, method=method, centre=np.zeros(size), axes=np.eye(2, size), grid=grid, dt=dt)
    )


def branch(kinds=("fold", "neimark-sacker"), complete=True):
    return plot.branch(
        SimpleNamespace(
            parameters=np.array([0.0, 1.0, 2.0, 1.0, 0.0]),
            points=np.array([[3.0], [2.0], [1.0], [0.0], [-1.0]]),
            verdicts=verdicts("DECAYS", "DECAYS", "GROWS", "GROWS", "UNDETERMINED"),
            bifurcations=[(kind, 2.0 - i, np.array([1.0 + i])) for i, kind in enumerate(kinds)],
            indices=list(range(2, 2 + len(kinds))),
            complete=complete,
            diverged=False,
        )
    )


def bench(cases=2, curve=None, contenders=("ours", "a library", "another", "absent")):
    def row(case, name, i):
        return SimpleNamespace(
            case=case, hidden=64, batch=32, steps=1000, contender=name, ratio=(1.0, 0.02, 4000.0, None)[i % 4],
            skipped=i % 4 == 3, curve=curve,
        )  # fmt: skip

    return plot.bench([row(f"case {k}", name, i) for k in range(cases) for i, name in enumerate(contenders)])


class Windows(SimpleNamespace):
    def __len__(self):
        return len(self.starts)


def forecast(count=50, baselines=("last value", "last season")):
    targets = 5 + np.sin(np.arange(float(count)))[:, None, None] + np.zeros((count, 3, 1))
    test = Windows(starts=np.arange(100, 100 + count), inputs=targets[:, :1], gap=2, targets=targets)
    band = SimpleNamespace(mean=targets + 0.1, lower=targets - 8, upper=targets + 8)
    future = SimpleNamespace(mean=np.full((3, 1), 5.0), lower=np.zeros((3, 1)), upper=np.full((3, 1), 9.0))
    return plot.forecast(
        SimpleNamespace(
            split=SimpleNamespace(test=test),
            band=band,
            members=np.stack([band.mean] * 5),
            future=future,
            share=0.9,
            fit=SimpleNamespace(history=history()),
            baselines={name: targets + 0.2 * (i + 1) for i, name in enumerate(baselines)},
        )
    )


def history(steps=200):
    checks = {"validation": np.array([1.0, 0.5])}
    return SimpleNamespace(
        loss=1 / np.arange(1.0, steps + 1), gradient_norm=np.ones(steps), checks=checks, checked_at=np.array([1, steps])
    )


def memory(cells=("tanh", "lstm"), lags=(10, 20, 40)):
    trials = [
        SimpleNamespace(cell=cell, lag=lag, learnt=lag < 20 * (i + 1), gradient_before=-lag * 5.0, score=0.1 * lag)
        for i, cell in enumerate(cells)
        for lag in lags
    ]
    return plot.memory(
        SimpleNamespace(
            trials=trials,
            groups=lambda: [[trial] for trial in trials],
            share=lambda group: float(group[0].learnt),
            longest=lambda cell: 10,
            settings={"task": "copy", "solved": 0.9},
        )
    )


def scheme(label, snr, applications=1):
    return SimpleNamespace(
        label=label, snr=snr, applications=applications, latency=4.0 * applications - 4, in_phase=True
    )


def recommendation(count=3):
    schemes = [scheme(f"evolve(ahead={i}, behind={i}, band=0.075)", 40.0 - i, i) for i in range(1, count)]
    schemes.append(scheme("delayed_feedback(order=1)", -np.inf))
    return plot.recommendation(
        SimpleNamespace(schemes=[*schemes, scheme("none", np.nan)], best=schemes[0], front=schemes[:2], ratio=48 / 44.1)
    )


def cycles(size=2, count=3, complete=True):
    points = RNG.normal(size=(count, 4, size))
    names = list(itertools.islice(itertools.cycle(("GROWS", "DECAYS")), count))
    return plot.cycles(SimpleNamespace(points=points, verdicts=verdicts(*names) if names else None, complete=complete))


def root_condition(rows=3, columns=5):
    radii = np.linspace(0.9, 1.3, rows * columns).reshape(rows, columns)
    return plot.root_condition(SimpleNamespace(radii=radii, stable=[(1, 0), (1, 1)], gap=48 / 44.1))


def spectrum(size=2, methods=METHODS):
    values = 0.9 * np.exp(2j * np.pi * np.arange(size) / size)
    return plot.spectrum(SimpleNamespace(multipliers=values, radius=0.9, discrete=ro.Verdict.DECAYS), methods)


def pseudospectrum(**fields):
    x = np.linspace(-2, 2, 9)
    grid = x[None] + 1j * x[:, None]
    return plot.pseudospectrum(growing(**fields), grid, abs(grid) + 0.1)


def stopped(size, at, count=30):
    states = orbit(size, count)
    states[at:] = np.inf
    return plot.trajectory(run(states))


def gradients(count=5, log_norms=None):
    return plot.gradient_flows({f"{LONG}, number {i}": flow(log_norms) for i in range(count)})


def parallel(exponent=-0.1, steps=4.0, growth=None):
    growth = exponent * np.arange(1.0, 257.0) + RNG.normal(size=256) if growth is None else growth
    fields = {"steps": 8192, "window": 64, "converges": steps < 32}
    return plot.parallel(SimpleNamespace(growth=growth, exponent=np.array(exponent), predicted_steps=steps, **fields))


ORDINARY = {
    "comparison": comparison,
    "spectrum": spectrum,
    "analysis": analysis,
    "fixed points": lambda: plot.fixed_points(found(2, padding=9)),
    "fixed points and runs": lambda: plot.fixed_points(found(5), RNG.normal(size=(4, 30, 5))),
    "cycles": cycles,
    "lyapunov": lambda: plot.lyapunov(exponents(3)),
    "branch": branch,
    "gradients": gradients,
    "two gradients": lambda: gradients(2),
    "one gradient": lambda: plot.gradient_flow(flow()),
    "transient": lambda: plot.transient(growing()),
    "pseudospectrum": pseudospectrum,
    "trajectory": lambda: stopped(2, 12),
    "recommendation": recommendation,
    "root condition": root_condition,
    "history": lambda: plot.history(history()),
    "fit": lambda: plot.fit(SimpleNamespace(history=history(), stopped_because="all 200 steps are done")),
    "forecast": forecast,
    "memory": memory,
    "parallel": parallel,
    "bench": bench,
}

AWKWARD = {
    "comparison of many units and labels": lambda: comparison(48, labels=(LONG, LONG + "1", "three", "four", "five", "six")),
    "comparison of one sample": lambda: comparison(1, count=2),
    "comparison that stops": lambda: comparison(2, stop=5),
    "comparison that stops at once": lambda: comparison(2, stop=1),
    "comparison in milliseconds": lambda: comparison(dt=1e-3),
    "comparison in years": lambda: comparison(dt=3.2e7),
    "analysis in milliseconds": lambda: analysis(dt=1e-3),
    "exponents in milliseconds": lambda: plot.lyapunov(exponents(3, 1e-3)),
    "growth in milliseconds": lambda: plot.transient(growing(1e-3)),
    "run in milliseconds": lambda: plot.trajectory(run(orbit(2), 1e-3)),
    "spectrum of many units": lambda: spectrum(48, (ro.Forward(3), STRANGE)),
    "analysis of many units": lambda: analysis(48, 22),
    "analysis of one unit": lambda: analysis(1, 1),
    "analysis with a gap": lambda: analysis(2, 2, reason="W_h is singular, " * 9),
    "fixed points of many units": lambda: plot.fixed_points(found(48, 22, padding=400)),
    "fixed points of one unit": lambda: plot.fixed_points(found(1, 3)),
    "no fixed point": lambda: plot.fixed_points(found(2, 0, padding=3)),
    "no cycle": lambda: cycles(2, 0),
    "many cycles of many units": lambda: cycles(48, 40, complete=False),
    "cycles of one unit": lambda: cycles(1, 2),
    "many exponents": lambda: plot.lyapunov(exponents(48)),
    "one exponent": lambda: plot.lyapunov(exponents(1)),
    "branch of many kinds that stops": lambda: branch(("fold", "flip", "undecided: float64 will"), complete=False),
    "branch without bifurcations": lambda: branch(()),
    "three gradients": lambda: gradients(3),
    "four gradients": lambda: gradients(4),
    "gradient that is undefined": lambda: gradients(5, [0.0, np.nan, np.nan]),
    "gradient that is gone": lambda: gradients(5, [0.0, -1.0, -np.inf, -np.inf]),
    "growth without bound": lambda: plot.transient(growing(peak=np.inf, peak_time=np.inf, kreiss=np.inf)),
    "no growth": lambda: plot.transient(growing(peak=1.0, peak_time=0.0, kreiss=1.0, norms=0.5 ** np.arange(9.0))),
    "pseudospectrum of a flow": lambda: pseudospectrum(numerical_radius=None, numerical_abscissa=2.0),
    "long run of many units": lambda: stopped(48, 299, 300),
    "run of one sample": lambda: plot.trajectory(run(orbit(3, 1))),
    "run that stops at once": lambda: stopped(2, 0),
    "many schemes": lambda: recommendation(30),
    "one pair": lambda: root_condition(1, 1),
    "training of no step": lambda: plot.history(history(0)),
    "short training": lambda: plot.fit(SimpleNamespace(history=history(1), stopped_because="stopped by Ctrl-C, " * 9)),
    "parallel and growing": lambda: parallel(0.2, np.inf),
    "parallel and gone": lambda: parallel(-np.inf, 1.0, np.full(256, -np.inf)),
    "short forecast": lambda: forecast(3, baselines=(LONG,)),
    "forecast without baselines": lambda: forecast(baselines=()),
    "memory of many cells": lambda: memory([f"{LONG}{i}" for i in range(11)]),
    "memory of one lag": lambda: memory(lags=(10,)),
    "bench with curves": lambda: bench(3, curve=[(1e-3, 0.1), (1e-6, 0.2)]),
    "bench without contenders": lambda: bench(1, contenders=("ours",)),
}  # fmt: skip


def texts(figure):
    """Every text that is drawn: titles, labels of axes and ticks, notes and legends."""
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()
    yield from filter(None, (figure._suptitle, figure._supxlabel))
    for axes in figure.axes:
        yield from (*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.xaxis.offsetText, axes.yaxis.offsetText)
        yield axes._left_title
        if axes.get_legend() is not None:
            yield from axes.get_legend().get_texts()
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            yield from (tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)


def shown(figure):
    """(words, box) of every text that is drawn."""
    found = {id(text): text for text in texts(figure) if text.get_visible() and text.get_text().strip()}
    return [(text.get_text(), text.get_window_extent()) for text in found.values()]


def faults(figure):
    """What is wrong with a picture, in words."""
    figure.draw_without_rendering()
    boxes = shown(figure)
    wrong = [f"outside: {words!r}" for words, box in boxes if not _inside(box, figure.bbox)]
    wrong += [
        f"{one[0]!r} covers {two[0]!r}" for one, two in itertools.combinations(boxes, 2) if _cover(one[1], two[1])
    ]
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    words = [
        (f"{text.get_text()!r}", text.get_window_extent())
        for axes in figure.axes
        for text in axes.texts
        if text.get_text()
    ]
    for what, box in [*(("a legend", legend.get_window_extent()) for legend in legends), *words]:
        wrong += [f"{what} on data" for axes in figure.axes for line in axes.lines if _meets(line, axes, box)]
    return wrong


def _inside(box, page):
    return box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1


def _cover(one, two):
    return min(one.x1, two.x1) - max(one.x0, two.x0) > 1 and min(one.y1, two.y1) - max(one.y0, two.y0) > 1


def _meets(line, axes, box):
    """Whether the part of a line that is in its panel runs through a box."""
    panel = axes.get_window_extent()
    if not _cover(box, panel) or line.get_linestyle() == "None":
        return False
    part = type(box).from_extents(
        max(box.x0, panel.x0) + 1, max(box.y0, panel.y0) + 1, min(box.x1, panel.x1) - 1, min(box.y1, panel.y1) - 1
    )
    path = line.get_path().transformed(line.get_transform())
    return bool(path.intersects_bbox(part, filled=False))


# the picture of each kind is drawn by the quick tests of its own file as well
CHOSEN = ("comparison", "fixed points", "cycles", "gradients", "transient", "trajectory", "history")
CASES = [name if name in CHOSEN else pytest.param(name, marks=pytest.mark.slow) for name in (*ORDINARY, *AWKWARD)]


@pytest.mark.parametrize("name", CASES)
def test_every_text_is_inside_the_picture_and_covers_nothing(name):
    figure = {**ORDINARY, **AWKWARD}[name]()
    assert faults(figure) == []
    assert figure.get_suptitle() or any(axes.get_title(loc="left") for axes in figure.axes)


@pytest.mark.slow
def test_a_disturbance_is_drawn_for_as_many_steps_in_any_unit_of_time():
    def drawn(dt):
        return [len(line.get_xdata()) for line in analysis(dt=dt).axes[6].lines]

    assert drawn(1e-3) == drawn(1.0) == drawn(1e3) and max(drawn(1.0)) == 8


def test_runs_are_drawn_in_the_plane_of_their_principal_components():
    """Runs in a plane of three units: their distances are those of the picture, and the points lie where they are in it."""
    plane = np.linalg.qr(RNG.normal(size=(3, 2)))[0]
    runs = RNG.normal(size=(4, 30, 2)) @ np.diag([3, 1]) @ plane.T
    points = found(3)
    points.points[:] = runs[0, :3]
    axes = plot.fixed_points(points, runs).axes[0]
    drawn = [np.column_stack(line.get_data()) for line in axes.lines if len(line.get_xdata()) == 30]
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(drawn, axis=1), axis=2), np.linalg.norm(np.diff(runs, axis=1), axis=2)
    )
    marks = [np.ravel(line.get_data()) for line in axes.lines if len(line.get_xdata()) == 1]
    np.testing.assert_allclose(marks, drawn[0][:3])
    for bad, words in (
        (runs[..., :2], r"runs must be states \(…, T, 3\)"),
        (np.full((2, 3), np.nan), "must be finite"),
    ):
        with pytest.raises(ValueError, match=words):
            plot.fixed_points(points, bad)


@pytest.mark.slow
def test_faults_are_seen():
    figure = plot.transient(growing())
    figure.axes[0].text(0, 1.0, "on the line")
    figure.axes[0].text(0, 1.0, "twice")
    wrong = faults(figure)
    assert "'on the line' covers 'twice'" in wrong and "'on the line' on data" in wrong
    figure.set_layout_engine("none")  # the layout would make room
    figure.axes[0].annotate("far out", (1.5, 0.5), xycoords="axes fraction", annotation_clip=False)
    assert "outside: 'far out'" in faults(figure)


def contrast(one, two):
    low, high = sorted(
        float(np.dot([0.2126, 0.7152, 0.0722], np.array(to_rgb(colour)) ** 2.2)) for colour in (one, two)
    )
    return (high + 0.05) / (low + 0.05)


def drawn_lines(axes):
    return [line for line in axes.lines if line.get_linewidth() > 1 and line.get_linestyle() != "None"]


@pytest.mark.gate
@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize(
    "name",
    [
        "gradients",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("comparison", "analysis", "branch", "transient")),
    ],
)
def test_words_and_lines_stand_out_in_light_and_dark(name, style):
    with matplotlib.style.context(style):
        figure = ORDINARY[name]()
    paper = figure.get_facecolor()
    assert contrast(paper, "black" if style == "default" else "white") > 15
    colours = {text.get_color() for text in texts(figure) if text.get_text().strip()}
    assert min(contrast(paper, colour) for colour in colours) > 2.7
    lines = {line.get_color() for axes in figure.axes for line in drawn_lines(axes)}
    assert min(contrast(paper, colour) for colour in lines) > 2.7


def test_padding_is_never_drawn():
    figure = plot.fixed_points(found(5, 3, padding=500))
    assert sum(line.get_xdata().size for line in figure.axes[0].lines) == 3
    assert figure.get_suptitle() == "3 fixed points, 1 of them stable"


def test_pictures_are_vectors_where_asked_and_show_themselves_in_notebooks():
    figure, file = plot.transient(growing()), io.StringIO()
    figure.savefig(file, format="svg")
    assert "<image" not in file.getvalue()
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_picture_says_how_it_is_seen():
    with pytest.raises(RuntimeError, match=r"no window.*savefig.*end a cell with it"):
        plot.transient(growing()).show()


def test_an_axis_of_one_number_has_one_tick():
    axes = plot.lyapunov(exponents(1)).axes[1]
    assert [tick for tick in axes.get_xticks() if 0.4 < tick < 1.6] == [1]
    assert list(memory(lags=(190,)).axes[0].get_xticks()) == [190]


def test_no_fixed_point_is_said_in_the_box():
    (axes,) = plot.fixed_points(found(2, 0, padding=3)).axes
    assert [text.get_text() for text in axes.texts] == ["no fixed point"] and not len(axes.get_xticks())


def test_a_state_of_several_vectors_has_components():
    both = SimpleNamespace(ts=np.arange(9.0), states=(jnp.asarray(orbit(2, 9)), jnp.asarray(orbit(1, 9))))
    names = [text.get_text() for text in plot.trajectory(both).axes[0].texts]
    assert names == ["component 0", "component 1", "component 2"]
    assert [text.get_text() for text in plot.trajectory(run(orbit(2, 9))).axes[0].texts] == ["unit 0", "unit 1"]


def test_lines_do_not_break_inside_numbers_and_vectors():
    words = "modulus 1.5 (input x = (0.1, -2, …))"
    assert plot._page._fill(words, 17).splitlines() == ["modulus 1.5", "(input", "x = (0.1, -2, …))"]
    assert plot._page._fill("up to 19 % of", 9).splitlines() == ["up", "to 19 %", "of"]
    assert plot._page._fill("off by 4 × 10⁴ times", 10).splitlines() == ["off", "by 4 × 10⁴", "times"]


def test_the_gallery_shows_every_stored_picture_and_all_are_light():
    docs = Path(__file__).parents[2] / "docs"
    shown = re.findall(r"\]\(([\w/]+\.png)\)", (docs / "gallery.md").read_text(encoding="utf-8"))
    stored = [*docs.glob("*.png"), *docs.glob("pictures/*.png")]
    assert sorted(shown) == sorted(path.relative_to(docs).as_posix() for path in stored)
    assert max(path.stat().st_size for path in stored) < 60_000


@pytest.mark.parametrize(
    ("draw", "fields"),
    [
        (plot.spectrum, {"multipliers": np.ones((3, 2))}),
        (plot.fixed_points, {"points": np.ones((3, 4, 2))}),
        (plot.cycles, {"points": np.ones((3, 1, 4, 2))}),
        (plot.lyapunov, {"exponents": np.ones((3, 2))}),
        (plot.gradient_flow, {"log_norms": np.ones((3, 5))}),
        (plot.transient, {"norms": np.ones((3, 5))}),
        (plot.trajectory, {"ts": np.ones((3, 5))}),
    ],
)
def test_a_batch_is_refused_with_its_size(draw, fields):
    with pytest.raises(ValueError, match=r"holds a batch \(3,\) of results; draw one of them"):
        draw(SimpleNamespace(**fields))
