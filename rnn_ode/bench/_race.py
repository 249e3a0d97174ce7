"""The race: every contender called once, its values compared, and all of them timed in rounds."""

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
CONTENDER_S = 10.0  # timed no longer than this, but for one round at least
PAUSE_S = 2e-3  # threads of some libraries spin for a while after their call
QUICK_S = 0.05  # a call that is quicker is made once more, untimed, just before it is timed


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a case is told. `peers` says whether packages that this one does not depend on take part."""

    hidden: int
    batch: int
    steps: int
    repeats: int
    peers: bool
    seed: int
    progress: Callable[[str], None]
    rates: _machine.Rates

    def of_size(self, hidden: int = 0, batch: int = 0, steps: int = 0) -> "Plan":
        """The same for a case that has its own size, or none."""
        return dataclasses.replace(self, hidden=hidden, batch=batch, steps=steps)


@dataclasses.dataclass(frozen=True)
class Contender:
    """What is timed: `call()` returns its results (or the seconds it took), `values` makes of them what is compared.

    Without a `call` it cannot run here, and `note` says why. `allowed` is its own bound on the error, where it has one;
    `first_s` the seconds of the first call, if that has been made.
    """

    name: str
    call: Callable[[], Any] | None
    note: str = ""
    values: Callable[[Any], Any] = lambda results: results
    allowed: float | None = None
    first_s: float | None = None
    curve: list[tuple[float, float]] | None = None


@dataclasses.dataclass(frozen=True)
class Work:
    """What any step-by-step computation of a case has to do: floating-point operations, bytes read and written."""

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

    `error` is that of a contender's values, `None` where it has none to compare; more than `allowed` is wrong. A contender
    other than the first that fails in its first call is skipped.
    """
    starts = [_start(case, contender, plan, error, first=i == 0) for i, contender in enumerate(contenders)]
    runners = [start for start in starts if start.row is None]
    plan.progress(f"{label(case, plan)}: up to {plan.repeats} rounds")
    times = _rounds(runners, plan)
    rows, right = [], {id(start): start.right(allowed) for start in starts}
    for start in starts:
        if start.row is not None:
            rows.append(start.row)
            continue
        its = times[id(start)]
        comparable = right[id(start)] and right[id(starts[0])] and starts[0].row is None
        ratio = float(np.nanmedian(its / times[id(starts[0])])) if comparable else None
        rows.append(_row(case, start, plan, its, ratio, right[id(start)], allowed, work))
    return rows


def label(case: str, plan: Plan) -> str:
    """The case with its size, as progress has it."""
    return case if plan.hidden == 0 else f"{case} {plan.hidden}×{plan.batch}×{plan.steps}"


@dataclasses.dataclass
class _Start:
    """A contender after its first calls, or the row of one that is skipped."""

    contender: Contender
    first_s: float = 0.0
    warm_s: float = 0.0
    error: float | None = None
    peak: int | None = None
    row: Row | None = None

    def right(self, allowed: float) -> bool:
        bound = allowed if self.contender.allowed is None else self.contender.allowed
        return self.error is None or self.error <= bound


def _start(case: str, contender: Contender, plan: Plan, error, first: bool) -> _Start:
    plan.progress(f"{label(case, plan)}: {contender.name}")
    if contender.call is None:
        return _Start(contender, row=_blank(case, contender.name, plan, skipped=True, note=contender.note))
    try:
        first_s, results = timed(contender.call)
    except Exception as failure:
        if first:
            raise
        note = f"failed: {type(failure).__name__}: {str(failure).partition(chr(10))[0][:100]}"
        return _Start(contender, row=_blank(case, contender.name, plan, skipped=True, note=note))
    its = None if error is None else error(contender.values(results))
    del results
    peak = None if error is None else _machine.peak_memory(contender.call)
    warm_s = first_s if peak is None else timed(contender.call)[0]
    return _Start(contender, first_s if contender.first_s is None else contender.first_s, warm_s, its, peak)


def _rounds(runners: list[_Start], plan: Plan) -> dict[int, np.ndarray]:
    """Seconds of every round; NaN from where a contender has had its time."""
    times = np.full((len(runners), plan.repeats), np.nan)
    counts = [min(plan.repeats, max(1, int(CONTENDER_S / max(start.warm_s, 1e-9)))) for start in runners]
    order = np.random.default_rng(plan.seed)
    for k in range(max(counts, default=0)):
        for i in order.permutation(len(runners)):
            call = runners[i].contender.call
            if k < counts[i] and call is not None:
                time.sleep(PAUSE_S)
                if runners[i].warm_s < QUICK_S:
                    timed(call)
                times[i, k] = timed(call)[0]
    return {id(start): its for start, its in zip(runners, times, strict=True)}


def _blank(case: str, name: str, plan: Plan, **fields: Any) -> Row:
    """A row with its size and machine."""
    return Row(
        case=case,
        contender=name,
        hidden=plan.hidden or None,
        batch=plan.batch or None,
        steps=plan.steps or None,
        dtype=str(jnp.result_type(float)),
        backend=jax.default_backend(),
        machine=_machine.description(),
        **fields,
    )


def _row(case, start: _Start, plan: Plan, times, ratio, right, allowed, work: Work | None) -> Row:
    contender, error = start.contender, start.error
    low, median, high = (float(q) for q in np.nanpercentile(times, (25, 50, 75)))
    bound = allowed if contender.allowed is None else contender.allowed
    wrong = "" if right else f"values differ from the reference by more than {bound:.0e}"
    return _blank(
        case,
        contender.name,
        plan,
        median_s=median,
        low_s=low,
        high_s=high,
        rounds=int(np.sum(np.isfinite(times))),
        compile_s=None if error is None else max(start.first_s - median, 0.0),
        peak_bytes=start.peak,
        error=error if error is not None and math.isfinite(error) else None,
        ratio=ratio,
        ok=right,
        note="; ".join(filter(None, (wrong, contender.note))),
        curve=contender.curve,
        **({} if work is None else _shares(work, median, plan)),
    )


def _shares(work: Work, seconds: float, plan: Plan) -> dict[str, float]:
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
    """Seconds that a call took, to the end of its computation, and what it returned; a float is the seconds itself."""
    start = time.perf_counter()
    results = jax.block_until_ready(call())
    seconds = time.perf_counter() - start
    return (results, None) if isinstance(results, float) else (seconds, results)


def distance(values: Any, reference: np.ndarray) -> float:
    """Largest distance of a row (last axis) from the reference's, relative to its largest; infinite where not comparable.
    Of more rows (first axis) than the reference has, the last ones count."""
    states = np.asarray(values, float)[-len(reference) :]
    if states.shape != reference.shape or not np.isfinite(states).all():
        return math.inf
    difference = np.linalg.norm(states - reference, axis=-1).max()
    return float(difference / np.linalg.norm(reference, axis=-1).max())


def jitted(function: Callable) -> Callable:
    """The function jitted anew: its first call compiles, however often it was jitted before."""
    return jax.jit(lambda *args: function(*args))
