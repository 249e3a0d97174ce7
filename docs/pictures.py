"""Draws the pictures of the gallery into docs/pictures/: run `python docs/pictures.py` from the repository's root.

`python docs/pictures.py spectrum lyapunov` draws these alone.
"""

import dataclasses
import io
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from PIL import Image

import rnn_ode as ro
from rnn_ode import datasets, learn, plot

FOLDER = Path(__file__).parent / "pictures"


def _sunspots():
    values = datasets.sunspots().values
    return jnp.asarray((values - values.mean()) / values.std())


def _network(size=32):
    """Tanh units with W_h = I/2 + 0.3 Q, Q orthogonal: every multiplier has a positive real part."""
    turn, drive = jax.random.split(jax.random.key(0))
    W_h = jnp.eye(size) / 2 + 0.3 * jax.nn.initializers.orthogonal()(turn, (size, size))
    return ro.VanillaCell(W_h, 0.3 * jax.random.normal(drive, (size, 1)), jnp.zeros(size), jnp.tanh)


def _pair():
    """Two tanh units that turn."""
    return ro.VanillaCell(1.6 * jnp.array([[0.9, -0.7], [0.5, 0.9]]), jnp.ones((2, 1)), jnp.zeros(2), jnp.tanh)


def _chaos():
    W_h = 1.8 * jax.random.normal(jax.random.key(3), (24, 24)) / 24**0.5
    return ro.VanillaCell(W_h, jnp.zeros((24, 1)), jnp.zeros(24), jnp.tanh)


def comparison():
    methods = ro.Textbook(), ro.Forward(1), ro.Forward(3), ro.Exact(anchored=True)
    return ro.compare(_network(), _sunspots(), methods=methods).plot()


def spectrum():
    return ro.spectrum(_network().W_h).plot()


def trajectory():
    return ro.iterate(_network(4), _sunspots()[:80]).plot()


def resampled():
    cell, xs = _network(4), _sunspots()[:40]
    return ro.evolve(cell, ro.Linear(xs), jnp.linspace(1.0, 40.0, 300), ro.iterate(cell, xs).states[1]).plot()


def analysis():
    return ro.analyse(_pair(), jnp.zeros(1), ro.Forward(2), steps=200).plot()


def fixed_points():
    """A network that stores two patterns: both are stable, and so are their opposites."""
    patterns = jnp.sign(jax.random.normal(jax.random.key(5), (2, 24)))
    noise = 0.02 * jax.random.normal(jax.random.key(2), (24, 24)) / 24**0.5
    cell = ro.VanillaCell(1.6 * patterns.T @ patterns / 24 + noise, jnp.zeros((24, 1)), jnp.zeros(24), jnp.tanh)
    mixed = jax.random.normal(jax.random.key(1), (120, 2)) @ patterns
    return ro.fixed_points(ro.Map(cell, jnp.zeros(1)), mixed).plot()


def lyapunov():
    return ro.lyapunov(ro.Map(_chaos(), jnp.zeros(1)), 0.1 * jnp.ones(24), 1500, count=5, transient=100).plot()


def cycles():
    tent = ro.VanillaCell([[1.5, -3.0], [1.5, -3.0]], jnp.zeros((2, 1)), [0.0, -0.5])
    return ro.cycles(ro.Map(tent, jnp.zeros(1)), 6).plot()


def orbit():
    van_der_pol = ro.Flow(lambda t, h, path: jnp.stack([h[1], 3 * (1 - h[0] ** 2) * h[1] - h[0]]))
    return ro.periodic_orbit(van_der_pol, jnp.array([2.0, 0.0]), 8.8).plot()


def branch():
    return ro.continue_branch(lambda p: ro.Flow(lambda t, h, path: p + h - h**3), jnp.array([-1.3]), (-1.0, 1.0)).plot()


def gradients():
    cells = ro.gradient_examples(jax.random.key(0), 1, 16)
    return plot.gradient_flows({name: ro.gradient_flow(cell, jnp.zeros((60, 1))) for name, cell in cells.items()})


def transient():
    return ro.transient([[0.9, 4.0], [0.0, 0.8]]).plot()


def pseudospectrum():
    W = 1.1 * jnp.eye(12, k=1) + 0.5 * jnp.eye(12, k=-2)
    x = jnp.linspace(-2.2, 2.2, 90)
    grid = x[None] + 1j * x[:, None]
    return plot.pseudospectrum(ro.transient(W), grid, ro.pseudospectrum(W, grid))


def recommendation():
    return ro.recommend(_network(4), jnp.sin(0.2 * jnp.arange(600.0))[:, None], 48 / 44.1, budget=2).plot()


def fit():
    xs = jax.random.normal(jax.random.key(0), (64, 5, 1))

    def loss(cell, batch):
        return jnp.mean((jax.vmap(lambda xs: ro.iterate(cell, xs).states[-1])(batch) - batch.mean(1)) ** 2)

    cell = ro.VanillaCell.random(jax.random.key(1), 1, 1, activation=None)
    key = jax.random.key(2)
    return learn.fit(cell, loss, [xs], optimiser=optax.adam(0.03), steps=400, key=key, progress=False).plot()


def forecast():
    series = datasets.sunspots()
    make, key = learn.many_to_one("gru", 12), jax.random.key(0)
    return learn.forecast(
        series.values, make, history=22, key=key, members=2, steps=300, season=11, progress=False
    ).plot()


def memory():
    """The first table of docs/memory.md, with the median for each of the five seeds."""
    text = (FOLDER.parent / "memory.md").read_text(encoding="utf-8").split("\ngradient:")[0]
    row = re.compile(
        r"^(\w.*?) {2,}(\d+) +(\w+) +([\d.]+) +(\S+) +(\S+) +(\S+) +\S+ +(\d) of (\d) +(\d+)$", re.MULTILINE
    )
    trials = []
    for cell, lag, verdict, radius, before, after, score, learnt, seeds, steps in row.findall(text):
        numbers = map(float, (radius, before, after, score))
        one = learn.Trial(cell, int(lag), 0, verdict, *numbers, learnt=False, steps=int(steps), stopped_because="")
        trials += [dataclasses.replace(one, seed=k, learnt=k < int(learnt)) for k in range(int(seeds))]
    return learn.Study({"task": "Temporal order", "solved": 0.05}, tuple(trials)).plot()


def sweep():
    """The picture of docs/sweep.md, from the function on that page, on a finer grid."""
    page = (FOLDER.parent / "sweep.md").read_text(encoding="utf-8")
    names = {}
    exec(page.split("```python")[1].split("axes = ")[0], names)
    axes = {"gain": jnp.linspace(0.5, 3.0, 21).tolist(), "drive": jnp.linspace(0, 1, 11).tolist(), "seed": range(20)}
    found = ro.sweep(names["exponent"], axes)["value"]
    return plot.sweep(found.assign_attrs(long_name="largest Lyapunov exponent", units="nats per step"))


def _of_page(name, block, picture="picture"):
    """What a page draws, from its own lines: those of its blocks up to the given one."""
    code = (FOLDER.parent / name).read_text(encoding="utf-8").split("```python")[1 : block + 2]
    lines = "".join(part.split("```")[0] for part in code).splitlines()
    names = {}
    exec("\n".join(line for line in lines if ".savefig(" not in line), names)
    return names[picture]


def basins():
    return _of_page("basins.md", 0)


def state_portrait():
    return _of_page("basins.md", 1, "portrait")


def diagram():
    with jax.enable_x64(True):
        return _of_page("diagrams.md", 0)


def parallel():
    return _of_page("parallel.md", 1)


PICTURES = (
    comparison, spectrum, trajectory, resampled, analysis, fixed_points, lyapunov, cycles, orbit, branch, gradients,
    transient, pseudospectrum, recommendation, fit, forecast, memory, sweep, basins, state_portrait, diagram, parallel,
)  # fmt: skip


def main(names):
    FOLDER.mkdir(exist_ok=True)
    for draw in PICTURES:
        if not names or draw.__name__ in names:
            _save(draw(), FOLDER / f"{draw.__name__}.png")


def _save(figure, path):
    """A png of 96 colours, which is a third as large."""
    file = io.BytesIO()
    figure.savefig(file, dpi=80 if figure.get_figheight() < 10 else 64)
    Image.open(file).convert("RGB").quantize(96, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
