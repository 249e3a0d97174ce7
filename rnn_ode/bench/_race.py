"""The race: every contender is called once and its values are compared; then all of them are timed in rounds."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import _machine
from ._rows import Row

OURS = "rnn_ode"
TARGET = 1e-6
CONTENDER_S = 10.0  # a contender is timed no longer than this, but for one round at least
PAUSE_S = 2e-3  # a pause before each call, since threads of some libraries spin for a while after theirs
QUICK_S = 0.05  # a quicker call is made once more, untimed, just before it is timed


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings that a case gets: the size, the largest number of rounds `repeats`, the `seed`, and more.

    `peers`: whether packages that this one does not depend on take part. `progress`: a function that takes a line of text.
    `rates`: those of the machine.
    """

    hidden: int
    batch: int
    steps: int
    repeats: int
    peers: bool
    seed: int
    progress: Callable[[str], None]
    rates: _machine.Rates
    inputs: int = 1

    def of_size(self, hidden: int = 0, batch: int = 0, steps: int = 0, inputs: int = 1) -> "Plan":
        """The same plan for a case that has its own size, or none."""
        return dataclasses.replace(self, hidden=hidden, batch=batch, steps=steps, inputs=inputs)


@dataclasses.dataclass(frozen=True)
class Contender:
    """What is timed: `call()` returns its results, or a float: the seconds that it measured itself.

    `values` returns, from the results, the values that are compared with the reference; it is `None` if there are none to
    compare. Without a `call` the contender cannot
    run here, and `note` says why. `allowed` is its own bound on the error, if it has one. `first_s` are the seconds of the
    first call, if that has been made; `curve` is as in `Row`.
    """

    name: str
    call: Callable[[], Any] | None
    note: str = ""
    values: Callable[[Any], Any] | None = lambda results: results
    allowed: float | None = None
    first_s: float | None = None
    curve: list[tuple[float, float]] | None = None


@dataclasses.dataclass(frozen=True)
class Work:
    """What every step-by-step computation of a case has to do: floating-point operations, and bytes read and written."""

    flops: float
    bytes: float


def race(
    case: str,
    contenders: Sequence[Contender],
    plan: Plan,
    error: Callable[[Any], float | None] | None,
    allowed: float = math.inf,
    work: Work | None = None,
) -> list[Row]:
    """Call each contender once, which compiles it and gives the values to compare; then time all in rounds.

    `error` returns the error of a contender's values, or `None` if it has none to compare. Values with an error above
    `allowed` are wrong. If the first call of a contender fails, it is skipped; if the first contender fails, the error is
    raised.
    """
    entries = [_enter(case, contender, plan, error, allowed) for contender in contenders[:1]]
    entries += [_enter(case, contender, plan, error, allowed, may_fail=True) for contender in contenders[1:]]
    plan.progress(f"{label(case, plan)}: up to {plan.repeats} rounds")
    others = _machine.Others()
    _time([entry for entry in entries if entry.skipped is None], plan)
    busy = others.cores()
    return [_row(case, entry, entries[0], plan, work, busy) for entry in entries]


def label(case: str, plan: Plan) -> str:
    """The case with its size, for a line of progress."""
    return case if plan.hidden == 0 else f"{case} {plan.hidden}×{plan.batch}×{plan.steps}"


@dataclasses.dataclass
class _Entry:
    """A contender in a race, and what was measured: its first calls and the seconds of its rounds. Or why it is `skipped`.

    `wrong` says what is wrong with its values, or is empty.
    """

    contender: Contender
    skipped: str | None = None
    first_s: float = 0.0
    warm_s: float = 0.0
    peak: int | None = None
    error: float | None = None
    wrong: str = ""
    times: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))


def _enter(
    case: str,
    contender: Contender,
    plan: Plan,
    error: Callable[[Any], float | None] | None,
    allowed: float,
    may_fail: bool = False,
) -> _Entry:
    """Make the first calls of a contender and compare its values."""
    plan.progress(f"{label(case, plan)}: {contender.name}")
    if contender.call is None:
        return _Entry(contender, skipped=contender.note)
    try:
        first_s, results = timed(contender.call)
    except Exception as failure:
        if not may_fail:
            raise
        text = str(failure).partition("\n")[0][:100]
        return _Entry(contender, skipped=f"failed: {type(failure).__name__}: {text}")
    entry = _Entry(contender, first_s=contender.first_s or first_s, warm_s=first_s)
    if error is None:
        return entry
    if contender.values is not None:
        entry.error = error(contender.values(results))
    del results
    bound = allowed if contender.allowed is None else contender.allowed
    if entry.error is not None and not entry.error <= bound:
        entry.wrong = f"values differ from the reference by more than {bound:.0e}"
    entry.peak = _machine.peak_memory(contender.call)
    entry.warm_s = timed(contender.call)[0]
    return entry


def _time(entries: list[_Entry], plan: Plan) -> None:
    """Give every entry the seconds of its rounds, which are NaN from the round on in which its time was over."""
    for entry in entries:
        entry.times = np.full(plan.repeats, np.nan)
    counts = [min(plan.repeats, max(1, int(CONTENDER_S / max(entry.warm_s, 1e-9)))) for entry in entries]
    order = np.random.default_rng(plan.seed)
    for k in range(max(counts, default=0)):
        for i in order.permutation(len(entries)):
            call = entries[i].contender.call
            if k < counts[i] and call is not None:
                time.sleep(PAUSE_S)
                if entries[i].warm_s < QUICK_S:
                    timed(call)
                entries[i].times[k] = timed(call)[0]


def _row(case: str, entry: _Entry, ours: _Entry, plan: Plan, work: Work | None, others: float | None) -> Row:
    """The row of a contender, with the ratio of its times to ours in the same rounds."""
    fields: dict[str, Any] = {
        "case": case,
        "contender": entry.contender.name,
        "hidden": plan.hidden or None,
        "batch": plan.batch or None,
        "steps": plan.steps or None,
        "inputs": plan.inputs if plan.hidden else None,
        "dtype": str(jnp.result_type(float)),
        "backend": jax.default_backend(),
        "machine": _machine.description(),
    }
    if entry.skipped is not None:
        return Row(**fields, skipped=True, note=entry.skipped)
    low, median, high = (float(q) for q in np.nanpercentile(entry.times, (25, 50, 75)))
    comparable = not entry.wrong and not ours.wrong and ours.skipped is None
    return Row(
        **fields,
        median_s=median,
        low_s=low,
        high_s=high,
        rounds=int(np.sum(np.isfinite(entry.times))),
        compile_s=None if entry.error is None else max(entry.first_s - median, 0.0),
        peak_bytes=entry.peak,
        error=entry.error if entry.error is not None and math.isfinite(entry.error) else None,
        ratio=float(np.nanmedian(entry.times / ours.times)) if comparable else None,
        ok=not entry.wrong,
        note="; ".join(filter(None, (entry.wrong, entry.contender.note))),
        curve=entry.contender.curve,
        others=others,
        **({} if work is None else _shares(work, median, plan)),
    )


def _shares(work: Work, seconds: float, plan: Plan) -> dict[str, Any]:
    """The work of the case, and which share of the machine's rates a contender reached."""
    matrix_rate, memory_rate = plan.rates.product(str(jnp.result_type(float))), plan.rates.bandwidth()
    return {
        "flops": work.flops,
        "bytes": work.bytes,
        "of_peak": work.flops / seconds / matrix_rate,
        "of_bandwidth": work.bytes / seconds / memory_rate,
        "matrix_rate": matrix_rate,
        "memory_rate": memory_rate,
    }


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that a call took until its results were computed, and the results.

    If it returns a float, these are the seconds, and there are no results.
    """
    start = time.perf_counter()
    results = jax.block_until_ready(call())
    seconds = time.perf_counter() - start
    return (results, None) if isinstance(results, float) else (seconds, results)


def distance(values: Any, reference: np.ndarray) -> float:
    """The largest distance between a state (last axis) and its reference, relative to the largest reference.

    Infinite for other shapes and for values that are not finite. If there are more steps (first axis) than in the
    reference, the last ones are compared.
    """
    states = np.asarray(values, float)[-len(reference) :]
    if states.shape != reference.shape or not np.isfinite(states).all():
        return math.inf
    difference = np.linalg.norm(states - reference, axis=-1).max()
    return float(difference / np.linalg.norm(reference, axis=-1).max())


def jitted(function: Callable) -> Callable:
    """The function jitted anew: its first call compiles, even if it was jitted before."""
    return jax.jit(lambda *args: function(*args))
