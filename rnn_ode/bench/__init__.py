"""How fast the network and its flow run, beside what one would write without this package.

How it measures: every contender is called once, which compiles it; then all of them run in rounds, each round in a new
random order, every call waited for with `block_until_ready`. The headline is a *ratio*: a contender's time over ours in
the same round, the median of the rounds, so that whatever else the machine does meets both. Seconds are given as median
and quartiles, and belong to this machine and hour. The first call less a later one is the compilation, given apart. A
contender is timed for ten seconds at most, but for one round at least.

Every contender's values are compared too: those of networks and their gradients with a NumPy loop in float64, those of
`integrate` with an eighth-order solution at tolerance 1e-12 that stops at every jump of the input, those of a linear flow
with the exponential of its matrix, those of `lyapunov`, by the sum of all exponents, with the mean of log|det J| in NumPy;
those of `evolve` with the network itself, run on the input read between its samples; those of training, by the predictions
at its end, with a hand-written loop's. A contender with an error to choose gets the cheapest setting of its own that brings
the error below 1e-6, and a curve of its seconds against its errors. One whose values are wrong has no ratio. The error of a
search for fixed points is the largest residual that a guess ended with (infinite for one that reached none): Adam leaves a
few on the way.

Memory is the kernel's count of one more call. The machine's own rates, of a large matrix product and of a large copy, are
measured in the same run, and what the case has to compute is set beside them.

Ours runs with `throw=False`: inside `jit` an error raised is a callback to the host, which no peer pays either. Batches of
ours are `jax.vmap`'s.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from .._base.checks import check_count
from ._cases import compare as _compare
from ._cases import evolve as _evolve
from ._cases import fixed_points as _fixed_points
from ._cases import flow as _flow
from ._cases import gradient as _gradient
from ._cases import imports as _import
from ._cases import iterate as _iterate
from ._cases import linear as _linear
from ._cases import long as _long
from ._cases import lstm as _lstm
from ._cases import lyapunov as _lyapunov
from ._cases import train as _train
from ._keep import Kept
from ._machine import Rates
from ._race import TARGET, Plan
from ._rows import Row, table

__all__ = ["CASES", "TARGET", "Row", "run", "table"]

SIZED: dict[str, Callable[[Plan], list[Row]]] = {
    "iterate": _iterate.rows,
    "lstm": _lstm.rows,
    "gradient": _gradient.rows,
    "integrate": _flow.held,
    "integrate_linear_input": _flow.linear_input,
    "linear": _linear.rows,
}
CASES: dict[str, Callable[[Plan], list[Row]]] = SIZED | {
    "long": _long.rows,
    "evolve": _evolve.rows,
    "fixed_points": _fixed_points.rows,
    "lyapunov": _lyapunov.rows,
    "train": _train.rows,
    "import": _import.rows,
    "compare": _compare.rows,
}


def run(
    *,
    cases: Sequence[str] | None = None,
    hidden: int | Sequence[int] = 32,
    batch: int | Sequence[int] = 1,
    steps: int = 300,
    repeats: int = 50,
    peers: bool = True,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    each: Callable[[list[Row]], None] | None = None,
    keep: str | Path | None = None,
) -> list[Row]:
    """Time the package against its peers, case by case and size by size.

    "iterate" and "lstm" are the states of a tanh network and of an LSTM, "gradient" the first one's gradient; "integrate"
    is the flow of the tanh network under a held input and "integrate_linear_input" under a linear one; "linear" is the flow
    of an affine network. These run at every size. The others have their own: "long" is a gradient over 10⁵ steps (128
    units), "evolve" an LSTM (40 units) at another rate, "fixed_points" a search in a GRU (64 units, 1024 guesses),
    "lyapunov" all exponents of a rate network (100 units, 2500 steps), "train" an epoch on the pendulum (32 units, 75
    batches of 32 windows), "import" that of the package, "compare" the command of that name in a cold process.

    **Arguments:** `cases` some of these, all by default; `hidden` units and `batch` sequences, a number or several, of which
    every pair is a size; `steps` samples of a random input; `repeats` timed rounds at most; `peers` whether packages that
    this one does not depend on take part (PyTorch, flax, SciPy, torchdiffeq, lyapax); `seed` of the weights, the input and
    the order in a round; `progress` a function called with a line of text as each part begins, and `each`
    one called with the rows of every case and size as soon as they are measured; `keep` a json file, rewritten
    in one go after every case and size, from which a run of the same arguments, machine and code goes on if it was
    interrupted.

    **Returns:** a list of `Row`, ours the first of its case and size. `table(rows)` is their text, `row.to_dict()` is ready
    for json, `rnn_ode.plot.bench(rows)` draws them.

    **Raises:** `ValueError` or `TypeError` for counts that are not whole and positive, for an unknown case, and for a
    `keep` of another run; `OSError` where that cannot be written.
    """
    for name, count in (("steps", steps), ("repeats", repeats)):
        check_count(name, count)
    check_count("seed", seed, 0)
    sizes = list(itertools.product(_counts("hidden", hidden), _counts("batch", batch)))
    chosen = _chosen(cases)
    arguments = {"cases": chosen, "sizes": [list(size) for size in sizes], "steps": steps, "repeats": repeats}
    kept = Kept(keep, {**arguments, "peers": peers, "seed": seed})
    rates, told = Rates(), progress or (lambda text: None)
    parts = [(case, size) for case in chosen for size in (sizes if case in SIZED else sizes[:1])]
    rows = []
    for case, (units, count) in parts:
        plan = Plan(units, count, steps, repeats, peers, seed, told, rates)
        its = kept.rows(f"{case} {units}×{count}" if case in SIZED else case, partial(CASES[case], plan))
        rows += its
        if each is not None:
            each(its)
    return rows


def _counts(name: str, value: int | Sequence[int]) -> list[int]:
    """One count or several, as a list."""
    counts = [*value] if isinstance(value, Sequence) else [value]
    if not counts:
        raise ValueError(f"{name} must be a whole number or several; got none.")
    for count in counts:
        check_count(name, count)
    return [int(count) for count in dict.fromkeys(counts)]


def _chosen(cases: Sequence[str] | None) -> list[str]:
    chosen = list(CASES) if cases is None else [cases] if isinstance(cases, str) else list(dict.fromkeys(cases))
    unknown = [case for case in chosen if case not in CASES]
    if unknown or not chosen:
        raise ValueError(f"cases must be some of {', '.join(CASES)}; got {', '.join(map(str, unknown)) or 'none'}.")
    return chosen
