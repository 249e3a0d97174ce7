"""The case "first": seconds of the first call of a function in a fresh process. Most of them are spent compiling.

Every call has processes of its own and is timed without the imports. The network has 16 tanh units, the input 50 samples.
Beside each call stands a hand-written `lax.scan` of the same network over the same input, jitted: what one small program
costs. The last two rows are the sums over all calls. Compiled programs that JAX keeps on disk are not used.
"""

import dataclasses
from functools import partial

from .._process import seconds_of
from .._race import OURS, Contender, Plan, race
from .._rows import Row

SIZE = (16, 1, 50)  # units, batch, steps
ROUNDS = 3  # at most: every one starts two processes
CACHE = ("JAX_COMPILATION_CACHE_DIR",)  # environment variables that would let a process read what another one compiled

WEIGHTS = """
import jax, jax.numpy as jnp, numpy as np
rng = np.random.default_rng(0)
W_h = np.linalg.qr(rng.normal(size=(16, 16)))[0].astype(np.float32)
W_x = rng.uniform(-1, 1, size=(16, 1)).astype(np.float32)
xs = np.sin(np.arange(50.0, dtype=np.float32))[:, None]
h0 = jnp.zeros(16)
jnp.ones(3).sum().block_until_ready()  # starts JAX's backend
"""

OBJECTS = """
from rnn_ode import *
cell = VanillaCell(W_h, W_x, jnp.zeros(16), jnp.tanh)
path, field, system = Hold(xs), to_ode(cell, Forward(1)), Map(cell, np.zeros(1))
guesses = rng.normal(size=(8, 16)).astype(np.float32)
symmetric = jnp.asarray(0.5 * np.eye(16) + 0.01 * guesses.T @ guesses, jnp.float32)
times = np.arange(0, 50, 0.75).astype(np.float32)
"""

CALLS = {
    "fixed_points": "fixed_points(system, guesses).points",
    "compare": "compare(cell, xs, methods=(Forward(1), Exact())).rows",
    "transient": "transient(system, h0).peak",
    "continue_branch": "continue_branch(lambda p: Flow(lambda t, h, path: p * h - h**3), h0, (-1.0, -0.5)).points",
    "evolve": "evolve(cell, path, times).states",
    "integrate": "integrate(field, path, h0).states",
    "lyapunov": "lyapunov(system, h0, 200.0).exponents",
    "logm": "logm(symmetric)",
    "spectrum": "spectrum(W_h).discrete",
}

SCAN = """
def step(h, x):
    h = jnp.tanh(W_h @ h + W_x @ x)
    return h, h
"""


def rows(plan: Plan) -> list[Row]:
    plan = dataclasses.replace(plan.of_size(*SIZE), repeats=min(plan.repeats, ROUNDS))
    scan = partial(_first, WEIGHTS + SCAN, "jax.jit(lambda h, xs: jax.lax.scan(step, h, xs))(h0, xs)")
    pairs = []
    for name, call in CALLS.items():
        ours = Contender(OURS, partial(_first, WEIGHTS + OBJECTS, call), call)
        pairs.append(race(f"first {name}", [ours, Contender("hand-written lax.scan", scan, "jitted")], plan, None))
    ours, theirs = (_sum(its) for its in zip(*pairs, strict=True))
    if ours.median_s is not None and theirs.median_s is not None:
        theirs = dataclasses.replace(theirs, ratio=theirs.median_s / ours.median_s)
    return [*(row for pair in pairs for row in pair), ours, theirs]


def _first(before: str, call: str) -> float:
    """Seconds that the call takes until its results are there."""
    return seconds_of(f"jax.block_until_ready(jax.tree.leaves({call}))", before, CACHE)


def _sum(rows: tuple[Row, ...]) -> Row:
    """A contender's sums over all calls; skipped, like its first row, if one is missing."""
    missing = [row for row in rows if row.skipped]
    if missing:
        return dataclasses.replace(missing[0], case="first, sum")
    sums = {name: sum(getattr(row, name) for row in rows) for name in ("median_s", "low_s", "high_s")}
    return dataclasses.replace(rows[0], case="first, sum", note=f"{len(rows)} calls", **sums)
