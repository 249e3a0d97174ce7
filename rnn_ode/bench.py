"""How fast the network and its flow run, beside what one would write without this package.

How it measures: every contender is called once, which compiles it; then all of them run in rounds, each round in a new
random order, every call waited for with `block_until_ready`. The headline is a *ratio*: a contender's time over ours in
the same round, the median of the rounds, so that whatever else the machine does meets both. Seconds are given as median
and quartiles, and belong to this machine and hour. The first call less a later one is the compilation, given apart.

Every contender's values are compared too: those of `iterate` with a NumPy loop in float64, those of `integrate` with an
eighth-order solution at tolerance 1e-12 that stops at every jump of the input, those of `lyapunov`, by the sum of all
exponents, with the mean of log|det J| in NumPy; those of `evolve` with the network itself, run on the input read between
its samples; those of training, by the predictions at its end, with a hand-written loop's. A contender with an error to
choose gets the cheapest setting of its own that brings the error below 1e-6. One whose values are wrong has no ratio. The
error of a search for fixed points is the largest residual that a guess ended with (infinite for one that reached none):
Adam leaves a few on the way.

Ours runs with `throw=False`: inside `jit` an error raised is a callback to the host, which no peer pays either.
"""

import dataclasses
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import rnn_ode as ro

from ._errors import check_count

OURS = "rnn_ode"
TARGET = 1e-6
TOLERANCES = tuple(10 ** (-quarter / 4) for quarter in range(8, 53))
SUBSTEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
SLOW_ROUNDS = 3
RATE_NETWORK = (100, 2500, 0.05)  # units, steps and step of the case "lyapunov"
RATE_ROUNDS = 7
IMPORT_ROUNDS = 11
SEARCH = (64, 1024, 10_000)  # units, guesses and steps of Adam, of "fixed_points": 5000 leave some at 2e-2
SEARCH_GAIN = 1.5
LESSON = (32, 100, 32, 75)  # units, steps of a history, windows of a batch and batches of the case "train"
LESSON_ROUNDS = 5
AUDIO = (40, 48_000, 147, 160)  # units of an LSTM, results, and steps of it in how many results, of the case "evolve"


@dataclasses.dataclass(frozen=True)
class Row:
    """One contender in one case. Times are in seconds; what was not measured, or is not finite, is `None`.

    `low_s` and `high_s` are the quartiles around `median_s`; `error` is the largest relative distance from the
    reference, and `ok` whether it is small enough. `ratio` is the contender's time over ours: above 1, ours is faster.
    It is `None` where the contender's values are wrong, or ours.
    """

    case: str
    contender: str
    median_s: float
    low_s: float
    high_s: float
    compile_s: float | None
    error: float | None
    ratio: float | None
    ok: bool
    note: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain numbers and strings, ready for json (no NaN, no infinity)."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class _Contender:
    """What is timed: `call()` returns the states, the last `steps` of which are compared (or the seconds it took)."""

    name: str
    call: Callable[[], Any]
    note: str = ""
    rounds: int | None = None  # no more than so many
    first_s: float | None = None  # seconds of the first call, if that has been made


@dataclasses.dataclass(frozen=True)
class _Plan:
    hidden: int
    steps: int
    repeats: int
    seed: int
    progress: Callable[[str], None]


def run(
    *,
    hidden: int = 32,
    steps: int = 300,
    repeats: int = 50,
    cases: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Row]:
    """Time a tanh network, its flow under a held input, an LSTM (40 units) at another rate, a search for fixed points (of a
    GRU of 64 units, from 1024 guesses), the Lyapunov exponents of a rate network (100 units, 2500 steps), an epoch of
    training (32 units, 75 batches of 32 windows of the pendulum), and the import of the package, each against its peers.

    **Arguments:** `hidden` units and `steps` samples of a random input, of the network and its flow; `repeats` timed
    rounds (at most three of them for a Python loop and for a search, seven for the exponents and for the LSTM, five for
    training, eleven for the import); `cases` some of "iterate", "integrate", "evolve", "fixed_points", "lyapunov", "train"
    and "import", all by default; `seed` of the weights, the input and the order in a round; `progress` a function called
    with a line of text as each part begins.

    **Returns:** a list of `Row`, ours the first of its case. `table(rows)` is their text, `row.to_dict()` is ready for
    json.

    **Raises:** `ValueError` or `TypeError` for counts that are not whole and positive and for an unknown case.
    """
    for name, count in (("hidden", hidden), ("steps", steps), ("repeats", repeats)):
        check_count(name, count)
    check_count("seed", seed, 0)
    chosen = list(CASES) if cases is None else [cases] if isinstance(cases, str) else list(cases)
    unknown = [case for case in chosen if case not in CASES]
    if unknown or not chosen:
        raise ValueError(f"cases must be some of {', '.join(CASES)}; got {', '.join(map(str, unknown)) or 'none'}.")
    plan = _Plan(hidden, steps, repeats, seed, progress or (lambda text: None))
    return [row for case in chosen for row in CASES[case](plan)]


def table(rows: Iterable[Row]) -> str:
    """The rows as a text table, with what its columns mean underneath."""
    head = ("case", "contender", "ratio", "median", "quartiles", "compile", "error", "")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "  ".join("─" * width for width in widths).rstrip())
    legend = (
        "ratio: the contender's time over ours in the same round, median of the rounds; above 1, ours is faster.",
        "error: largest relative distance from the reference; of fixed_points, the largest residual. "
        "Seconds are this machine's, now; compare the ratios.",
    )
    return "\n".join([*text, "", *legend])


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "WRONG" if not row.ok else "–" if row.ratio is None else f"{row.ratio:.3g}"
    quartiles = f"{_seconds(row.low_s)} … {_seconds(row.high_s)}"
    error = "–" if row.error is None else f"{row.error:.1e}"
    return row.case, row.contender, ratio, _seconds(row.median_s), quartiles, _seconds(row.compile_s), error, row.note


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    scale, unit = (1e6, "µs") if value < 1e-3 else (1e3, "ms") if value < 1 else (1.0, "s")
    return f"{scale * value:.3g} {unit}"


# Measuring.


def _race(case: str, contenders: Sequence[_Contender], error_of: Callable | None, allowed: float, plan) -> list[Row]:
    """Call each contender once, which compiles it and gives the values to compare; then time all in rounds."""
    first, errors = [], []
    for contender in contenders:
        plan.progress(f"{case}: {contender.name}")
        seconds, values = _timed(contender.call)
        first.append(seconds if contender.first_s is None else contender.first_s)
        errors.append(None if error_of is None else error_of(values))
    plan.progress(f"{case}: {plan.repeats} rounds")
    times = np.full((len(contenders), plan.repeats), np.nan)
    order = np.random.default_rng(plan.seed)
    for k in range(plan.repeats):
        for i in order.permutation(len(contenders)):
            if contenders[i].rounds is None or k < contenders[i].rounds:
                times[i, k] = _timed(contenders[i].call)[0]
    right = [error is None or error <= allowed for error in errors]
    return [
        _row(case, contender, times[i], times[0], first[i], errors[i], right[i], right[0] and right[i], allowed)
        for i, contender in enumerate(contenders)
    ]


def _row(case, contender, times, ours, first, error, right, comparable, allowed) -> Row:
    low, median, high = (float(q) for q in np.nanpercentile(times, (25, 50, 75)))
    wrong = "" if right else f"values differ from the reference by more than {allowed:.0e}"
    return Row(
        case=case,
        contender=contender.name,
        median_s=median,
        low_s=low,
        high_s=high,
        compile_s=None if error is None else max(first - median, 0.0),
        error=error if error is not None and math.isfinite(error) else None,
        ratio=float(np.nanmedian(times / ours)) if comparable else None,
        ok=right,
        note="; ".join(filter(None, (wrong, contender.note))),
    )


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call took, to the end of its computation, and what it returned; a float is the seconds itself."""
    start = time.perf_counter()
    values = jax.block_until_ready(call())
    seconds = time.perf_counter() - start
    return (values, None) if isinstance(values, float) else (seconds, values)


def _distance(values, reference: np.ndarray) -> float:
    """Largest distance of a row (T, N) from the reference's, relative to its largest; infinite where not comparable."""
    states = np.asarray(values, float)[-len(reference) :]
    if states.shape != reference.shape or not np.isfinite(states).all():
        return math.inf
    difference = np.linalg.norm(states - reference, axis=1).max()
    return float(difference / np.linalg.norm(reference, axis=1).max())


def _jit(function: Callable) -> Callable:
    """The function jitted anew: its first call compiles, however often it was jitted before."""
    return jax.jit(lambda *args: function(*args))


def _problem(plan: _Plan) -> tuple[jax.Array, ...]:
    """A random network and input: W_h (N, N) orthogonal, W_x (N, 1), b (N,), xs (T, 1), h0 (N,)."""
    keys = jax.random.split(jax.random.key(plan.seed), 3)
    cell = ro.VanillaCell.random(keys[0], 1, plan.hidden, activation=jnp.tanh)
    b = 0.1 * jax.random.normal(keys[1], (plan.hidden,))
    return cell.W_h, cell.W_x, b, jax.random.normal(keys[2], (plan.steps, 1)), jnp.zeros(plan.hidden)


# The network: h' = tanh(W_h h + W_x x + b).


def _iterate(plan: _Plan) -> list[Row]:
    with jax.enable_x64(False):
        problem = _problem(plan)
        contenders = [
            _Contender(OURS, partial(_jit(_ours_iterate), *problem), "float32, jitted, throw=False"),
            _Contender("hand-written lax.scan", partial(_jit(_scan), *problem), "jitted, W_x x + b before the scan"),
            _Contender("Python loop, jitted cell", partial(_loop, _jit(_step), *problem), rounds=SLOW_ROUNDS),
            _Contender("Python loop, un-jitted JAX", partial(_loop, _step, *problem), rounds=SLOW_ROUNDS),
        ]
        exact = _numpy_loop(*(np.asarray(array, float) for array in problem))
        return _race(
            "iterate", contenders, partial(_distance, reference=exact), 1e3 * float(np.finfo(np.float32).eps), plan
        )


def _ours_iterate(W_h, W_x, b, xs, h0):
    return ro.iterate(ro.VanillaCell(W_h, W_x, b, jnp.tanh), xs, h0, throw=False).states


def _scan(W_h, W_x, b, xs, h0):
    def body(h, drive):
        h = jnp.tanh(W_h @ h + drive)
        return h, h

    return jax.lax.scan(body, h0, xs @ W_x.T + b[None])[1]


def _step(W_h, W_x, b, x, h):
    return jnp.tanh(W_h @ h + W_x @ x + b)


def _loop(step, W_h, W_x, b, xs, h):
    states = []
    for x in xs:
        h = step(W_h, W_x, b, x, h)
        states.append(h)
    return jnp.stack(states)


def _numpy_loop(W_h, W_x, b, xs, h):
    states = []
    for x in xs:
        h = np.tanh(W_h @ h + W_x @ x + b)
        states.append(h)
    return np.stack(states)


# Its flow: dh/dt = tanh(W_h h + W_x x(t) + b) − h, where x(t) is the sample of the step that t is in.


def _integrate(plan: _Plan) -> list[Row]:
    with jax.enable_x64(True):
        problem = _problem(plan)
        plan.progress("integrate: the reference, at tolerance 1e-12")
        exact = np.asarray(_jit(partial(_at_jumps, diffrax.Dopri8()))(1e-12, *problem))[1:]
        peers = {
            OURS: (_ours_integrate, "float64, jitted, throw=False"),
            "diffrax": (_plain, "Tsit5, PIDController, SaveAt(ts)"),
            "diffrax with jump_ts": (partial(_at_jumps, diffrax.Tsit5()), "the same, with ClipStepSizeController"),
        }
        contenders = []
        for name, (solve, note) in peers.items():
            plan.progress(f"integrate: the tolerance of {name}")
            tolerance, call, first = _tuned(_jit(solve), TOLERANCES, problem, exact)
            contenders.append(_Contender(name, call, f"{note}, rtol {tolerance:.1e}", first_s=first))
        plan.progress("integrate: the steps of a Python loop")
        jitted = _jit(_rk4)
        count, call, first = _tuned(partial(_rk4_loop, jitted), SUBSTEPS, problem, exact)
        note = f"RK4, {count} steps a sample"
        contenders.append(_Contender("Python loop, jitted RK4 step", call, note, SLOW_ROUNDS, first))
        eager = partial(_rk4_loop, _rk4, count, *problem)
        contenders.append(_Contender("Python loop, un-jitted JAX", eager, note, SLOW_ROUNDS))
        return _race("integrate", contenders, partial(_distance, reference=exact), TARGET, plan)


def _tuned(solve: Callable, settings: Sequence, problem, exact: np.ndarray):
    """The first setting with an error below the target (or the last one), its call, and seconds of the first call."""
    first = None
    for setting in settings:
        call = partial(solve, setting, *problem)
        seconds, states = _timed(call)
        first = seconds if first is None else first
        if _distance(states, exact) <= TARGET:
            break
    return setting, call, first


def _ours_integrate(tolerance, W_h, W_x, b, xs, h0):
    field = ro.to_ode(ro.VanillaCell(W_h, W_x, b, jnp.tanh), ro.Forward(1))
    return ro.integrate(field, ro.Hold(xs), h0, rtol=tolerance, atol=tolerance / 100, throw=False).states


def _plain(tolerance, W_h, W_x, b, xs, h0):
    return _diffrax(diffrax.Tsit5(), diffrax.PIDController(tolerance, tolerance / 100), W_h, W_x, b, xs, h0)


def _at_jumps(solver, tolerance, W_h, W_x, b, xs, h0):
    jumps = jnp.arange(1, xs.shape[0], dtype=float)
    controller = diffrax.ClipStepSizeController(diffrax.PIDController(tolerance, tolerance / 100), jump_ts=jumps)
    return _diffrax(solver, controller, W_h, W_x, b, xs, h0)


def _diffrax(solver, controller, W_h, W_x, b, xs, h0):
    """Written by hand, as diffrax's documentation has it: the sample is looked up by the floor of the time."""

    def field(t, h, xs):
        return jnp.tanh(W_h @ h + W_x @ xs[jnp.minimum(jnp.floor(t).astype(int), len(xs) - 1)] + b) - h

    return diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        solver,
        0.0,
        float(len(xs)),
        None,
        h0,
        args=xs,
        saveat=diffrax.SaveAt(ts=jnp.arange(len(xs) + 1, dtype=float)),
        stepsize_controller=controller,
        max_steps=2**24,
        throw=False,
    ).ys


def _rk4(size, W_h, W_x, b, x, h):
    def rate(h):
        return jnp.tanh(W_h @ h + W_x @ x + b) - h

    k1 = rate(h)
    k2 = rate(h + size / 2 * k1)
    k3 = rate(h + size / 2 * k2)
    k4 = rate(h + size * k3)
    return h + size / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _rk4_loop(step, count, W_h, W_x, b, xs, h):
    states = []
    for x in xs:
        for _ in range(count):
            h = step(1 / count, W_h, W_x, b, x, h)
        states.append(h)
    return jnp.stack(states)


# An LSTM at another rate than its own, under a smooth input.


def _evolve(plan: _Plan) -> list[Row]:
    units, count, steps, results = AUDIO
    with jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(plan.seed))
        cell = eqx.nn.LSTMCell(1, units, key=keys[0])
        noise = jax.random.normal(keys[1], (count * steps // results + 64,))
        xs = jnp.convolve(noise, jnp.hanning(15) / 3, mode="same")[:, None]
        ts = 1 + steps / results * np.arange(count)
        plan.progress("evolve: the reference")
        # the results results//2, 3·results//2, … are steps apart: the network's own, where it has forgotten its start
        begin = results // 2
        shifted = jax.jit(lambda xs: jax.vmap(ro.BandLimited(xs))(ts[begin] + 1 + jnp.arange(len(xs) - steps - 2)))(xs)
        rows = np.arange(begin, count, results)[len(range(begin, count, results)) // 2 :]
        exact = np.asarray(ro.iterate(cell, shifted).states[0])[(rows - begin) // results * steps]

        def error(states):
            return _distance(states[0][rows], exact) if len(states) == 2 else None

        def at_rate(scheme, cell, xs):
            return scheme(cell, ro.BandLimited(xs), ts, throw=False).states

        fed_back = partial(ro.delayed_feedback, order=5)
        calls = {
            OURS: (partial(at_rate, ro.evolve), cell, xs, "ahead=3, behind=3, float32, jitted, throw=False"),
            "delayed_feedback": (partial(at_rate, fed_back), cell, xs, "order=5, one application a result"),
            "… with band=0.075": (partial(at_rate, partial(fed_back, band=0.075)), cell, xs, "the same cost"),
            "3 hand-written lax.scan": (_three_scans, cell, jnp.resize(xs, (count, 1)), "the network, three times"),
        }
        contenders = [
            _Contender(name, partial(_jit(call), *arguments), note, RATE_ROUNDS)
            for name, (call, *arguments, note) in calls.items()
        ]
        return _race(
            "evolve", contenders, error, 1e-2, dataclasses.replace(plan, repeats=min(plan.repeats, RATE_ROUNDS))
        )


def _three_scans(cell, xs):
    """As much as `evolve` has to compute, and nothing else: its values are another run's."""

    def body(h, x):
        h = cell(x, h)
        return h, h

    zeros = jnp.zeros(cell.hidden_size)
    return [jax.lax.scan(body, (zeros, zeros), xs + k)[1] for k in range(3)]


# The fixed points of a gated network, h' = GRU(0, h), from uniform guesses in (−1, 1).


def _fixed_points(plan: _Plan) -> list[Row]:
    with jax.enable_x64(True):
        cell, guesses = _gated(plan)
        search = jax.jit(_ours_fixed_points)
        contenders = [_Contender(OURS, partial(search, cell, guesses), "float64, jitted, with verdicts", SLOW_ROUNDS)]
        adam = _adam(SEARCH[2])
        if adam is None:
            note = f"{contenders[0].note}; for Adam on the speed: pip install 'rnn_ode[bench]'"
            contenders = [dataclasses.replace(contenders[0], note=note)]
        else:
            note = f"{SEARCH[2]} steps, jitted, rate 0.05 with cosine decay"
            contenders.append(_Contender("Adam on the speed", partial(jax.jit(adam), cell, guesses), note, 1))
        return _race("fixed_points", contenders, lambda residuals: float(jnp.max(residuals)), math.inf, plan)


def _gated(plan: _Plan):
    """A random GRU of gain 1.5 (at 1 all of them have one fixed point, at 2 most guesses of most of them end in none)."""
    size, count, _ = SEARCH
    keys = jax.random.split(jax.random.key(plan.seed), 3)
    cell = eqx.nn.GRUCell(1, size, key=keys[0])
    weights = SEARCH_GAIN * jax.random.normal(keys[1], (3 * size, size)) / size**0.5
    guesses = jax.random.uniform(keys[2], (count, size), minval=-1, maxval=1)
    return eqx.tree_at(lambda cell: cell.weight_hh, cell, weights), guesses


def _ours_fixed_points(cell, guesses):
    found = ro.fixed_points(ro.Map(cell, jnp.zeros(1)), guesses)
    return jnp.where(found.reached < 0, jnp.inf, found.residuals[found.reached])


def _adam(count: int) -> Callable | None:
    """Adam on the speed ½‖cell(0, h) − h‖² of every guess at once, as fixed-point finders do it; `None` without optax."""
    try:
        import optax
    except ModuleNotFoundError:
        return None

    def search(cell, guesses):
        def residuals(h):
            return jax.vmap(lambda h: cell(jnp.zeros(1), h) - h)(h)

        def step(carry, _):
            h, state = carry
            updates, state = optimiser.update(jax.grad(lambda h: 0.5 * jnp.sum(residuals(h) ** 2))(h), state)
            return (optax.apply_updates(h, updates), state), None

        optimiser = optax.adam(optax.cosine_decay_schedule(0.05, count))
        h = jax.lax.scan(step, (guesses, optimiser.init(guesses)), length=count)[0][0]
        return jnp.linalg.norm(residuals(h), axis=1)

    return search


# An epoch of training on the pendulum: Adam, the mean squared error of the value 11 samples ahead.


def _train(plan: _Plan) -> list[Row]:
    try:
        import optax  # noqa: F401
    except ModuleNotFoundError:
        plan.progress("train: left out; pip install 'rnn_ode[bench]'")
        return []
    with jax.enable_x64(False):
        model, batches = _lesson(plan)
        rounds = min(LESSON_ROUNDS, plan.repeats)
        contenders = [_Contender(OURS, _ours_train(model, batches), "learn.fit, float32, history kept", rounds)]
        hand = _hand_train(model, batches)
        contenders.append(_Contender("hand-written optax loop", hand, "lax.scan, one jitted step", rounds))
        torch_epoch = _torch_train(model, batches)
        if torch_epoch is not None:
            contenders.append(_Contender("PyTorch nn.RNN", torch_epoch, "CPU, all its threads", rounds))
        return _race("train", contenders, partial(_distance, reference=np.asarray(hand(), float)), 1e-2, plan)


def _lesson(plan: _Plan):
    """The network, and histories (batches, size, T, 1) with targets (batches, size, 1)."""
    from . import datasets, learn

    units, steps, size, count = LESSON
    windows = learn.windows(datasets.pendulum().values[:2800], steps, 10, 1)
    chosen = np.random.default_rng(plan.seed).integers(len(windows), size=(count, size))
    model = learn.ManyToOne(
        learn.Iterated(ro.VanillaCell.random(jax.random.key(plan.seed), 1, units, activation=jnp.tanh)),
        eqx.nn.Linear(units, 1, key=jax.random.key(plan.seed + 1)),
    )
    return model, (windows.inputs[chosen].astype(np.float32), windows.targets[chosen][..., 0].astype(np.float32))


def _ours_train(model, batches) -> Callable:
    import optax

    from . import learn

    def loss(model, batch):
        return jnp.mean((jax.vmap(model)(batch[0]) - batch[1]) ** 2)

    given = [(jnp.asarray(xs), jnp.asarray(ys)) for xs, ys in zip(*batches, strict=True)]
    way = {"optimiser": optax.adam(1e-3), "steps": len(given), "key": jax.random.key(0), "progress": False}
    predict = eqx.filter_jit(lambda model: jax.vmap(model)(batches[0][0]))
    return lambda: predict(learn.fit(model, loss, given, **way).model)


def _hand_train(model, batches) -> Callable:
    import optax

    optimiser = optax.adam(1e-3)
    cell, readout = model.runner.cell, model.readout
    start = (cell.W_h, cell.W_x, cell.b, readout.weight, readout.bias)
    given = [(jnp.asarray(xs), jnp.asarray(ys)) for xs, ys in zip(*batches, strict=True)]

    def predict(params, xs):
        W_h, W_x, b, R, c = params
        drives = jnp.swapaxes(xs, 0, 1) @ W_x.T + b[None, None]
        h, _ = jax.lax.scan(lambda h, d: (jnp.tanh(h @ W_h.T + d), None), jnp.zeros(drives.shape[1:]), drives)
        return h @ R.T + c[None]

    @jax.jit
    def step(params, state, xs, ys):
        gradient = jax.grad(lambda params: jnp.mean((predict(params, xs) - ys) ** 2))(params)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, updates), state

    def epoch():
        params, state = start, optimiser.init(start)
        for xs, ys in given:
            params, state = step(params, state, xs, ys)
        return predict(params, given[0][0])

    return epoch


def _torch_train(model, batches) -> Callable | None:
    """The same in PyTorch, or `None` where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    cell, readout = model.runner.cell, model.readout
    given = [(torch.from_numpy(xs), torch.from_numpy(ys)) for xs, ys in zip(*batches, strict=True)]

    def epoch():
        network = torch.nn.RNN(1, cell.hidden_size, batch_first=True)
        head = torch.nn.Linear(cell.hidden_size, 1)
        weights = (cell.W_h, cell.W_x, cell.b, 0 * cell.b, readout.weight, readout.bias)
        places: list[Any] = [
            network.weight_hh_l0,
            network.weight_ih_l0,
            network.bias_ih_l0,
            network.bias_hh_l0,
            *head.parameters(),
        ]
        with torch.no_grad():
            for place, weight in zip(places, weights, strict=True):
                place.copy_(torch.from_numpy(np.array(weight)))
        network.bias_hh_l0.requires_grad_(False)  # one bias, as ours
        optimiser = torch.optim.Adam([p for p in (*network.parameters(), *head.parameters()) if p.requires_grad], 1e-3)
        for xs, ys in given:
            optimiser.zero_grad()
            torch.mean((head(network(xs)[1][0]) - ys) ** 2).backward()
            optimiser.step()
        with torch.no_grad():
            return head(network(given[0][0])[1][0]).numpy()

    return epoch


# The import, in processes of its own.


def _import(plan: _Plan) -> list[Row]:
    contenders = [
        _Contender(OURS, partial(_import_seconds, "rnn_ode"), "import rnn_ode, which imports diffrax"),
        _Contender("diffrax", partial(_import_seconds, "diffrax"), "import diffrax"),
    ]
    return _race("import", contenders, None, 0.0, dataclasses.replace(plan, repeats=min(plan.repeats, IMPORT_ROUNDS)))


def _import_seconds(module: str) -> float:
    """Seconds that an import takes in a fresh interpreter, without the start of the interpreter itself, from compiled
    bytecode: that of both is kept, as an installer does, whatever this process was told."""
    script = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    search = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


# All Lyapunov exponents of a rate network, dh/dt = W tanh(h) − h, by Runge–Kutta steps.


def _lyapunov(plan: _Plan) -> list[Row]:
    units, steps, step = RATE_NETWORK
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(plan.seed))
        problem = (1.8 * jax.random.normal(keys[0], (units, units)) / units**0.5, jax.random.normal(keys[1], (units,)))
        before = max(steps // 5, 1)
        contenders = [
            (OURS, partial(_ours_lyapunov, steps, before, step), "float64, jitted, RK4"),
            ("hand-written lax.scan", partial(_frame_scan, steps, before, step), "RK4, vmap of jvp and QR, every step"),
        ]
        try:
            import lyapax
        except ImportError:
            contenders[0] = (*contenders[0][:2], "float64, jitted, RK4; no lyapax here: pip install lyapax")
        else:
            for every, note in ((1, "RK4, QR every step, its default"), (10, "RK4, QR every 10 steps")):
                if steps % every == before % every == 0:
                    call = partial(_lyapax, lyapax, every, steps, before, step)
                    contenders.append((f"lyapax, renorm_every={every}", call, note))
        plan.progress("lyapunov: the reference, in NumPy")
        exact = _mean_log_det(steps, before, step, *map(np.asarray, problem))
        timed = [_Contender(name, partial(_jit(call), *problem), note, RATE_ROUNDS) for name, call, note in contenders]
        return _race(
            "lyapunov",
            timed,
            partial(_distance, reference=exact),
            TARGET,
            dataclasses.replace(plan, repeats=min(plan.repeats, RATE_ROUNDS)),
        )


def _ours_lyapunov(steps, before, step, W, h):
    flow = ro.Flow(lambda t, h, path: W @ jnp.tanh(h) - h)
    return jnp.sum(ro.lyapunov(flow, h, steps * step, transient=before * step, step=step).exponents)[None, None]


def _frame_scan(steps, before, step, W, h):
    def advance(h):
        return _rate_step(jnp.tanh, step, W, h)

    def body(state, _):
        h, Q = state
        h, P = jax.vmap(lambda v: jax.jvp(advance, (h,), (v,)), in_axes=1, out_axes=(None, 1))(Q)
        Q, R = jnp.linalg.qr(P)
        return (h, Q), jnp.log(jnp.abs(jnp.diagonal(R)))

    logs = jax.lax.scan(body, (h, jnp.eye(len(h))), length=before + steps)[1]
    return jnp.sum(jnp.mean(logs[before:], axis=0))[None, None] / step


def _lyapax(lyapax, every, steps, before, step, W, h):
    problem = lyapax.ode_problem(lambda h: W @ jnp.tanh(h) - h, h, dt=step)
    run = lyapax.lyapunov_spectrum(problem, n_steps=steps, renorm_every=every, t_transient=before * step)
    return jnp.sum(run.exponents)[None, None]


def _mean_log_det(steps, before, step, W, h):
    """The mean over the counted steps of log|det J|/step, J by the chain rule through the stages: (1, 1)."""
    total, eye = 0.0, np.eye(len(h))
    for k in range(before + steps):
        if k >= before:
            total += np.linalg.slogdet(_rate_jacobian(step, W, h, eye))[1]
        h = _rate_step(np.tanh, step, W, h)
    return np.full((1, 1), total / (steps * step))


def _rate_step(tanh, step, W, h):
    k1 = W @ tanh(h) - h
    k2 = W @ tanh(h + step / 2 * k1) - (h + step / 2 * k1)
    k3 = W @ tanh(h + step / 2 * k2) - (h + step / 2 * k2)
    k4 = W @ tanh(h + step * k3) - (h + step * k3)
    return h + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _rate_jacobian(step, W, h, eye):
    k, K, total = 0 * h, 0 * eye, eye
    for reach, weight in ((0, 1), (step / 2, 2), (step / 2, 2), (step, 1)):
        at, P = h + reach * k, eye + reach * K
        k, K = W @ np.tanh(at) - at, (W * (1 - np.tanh(at) ** 2)[None]) @ P - P
        total = total + step * weight / 6 * K
    return total


CASES = {
    "iterate": _iterate,
    "integrate": _integrate,
    "evolve": _evolve,
    "fixed_points": _fixed_points,
    "lyapunov": _lyapunov,
    "train": _train,
    "import": _import,
}
