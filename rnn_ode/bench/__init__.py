"""How fast the network and its flow run, compared with programs that do not use this package.

**How it measures.** Every contender is called once, which compiles it. Then all of them run in rounds, each round in a new
random order, and every call is waited for with `block_until_ready`. The main result is a *ratio*: a contender's time over
ours in the same round, as the median of the rounds, so that other work of the machine slows both. Seconds are given as
median and quartiles; they hold for this machine at this hour. The seconds of the first call minus those of a later one are
the time of compiling, which is given apart. A contender is timed for about ten seconds at most, but for one round at least.

**What it compares.** The values of all contenders are compared with a reference:

- networks and their gradients: a NumPy loop in float64;
- `integrate`: an eighth-order solution at tolerance 1e-12 that stops at every jump of the input;
- a linear flow: the exponential of its matrix;
- `lyapunov`: the sum of all exponents against the mean of log|det J| in NumPy;
- `evolve`: the network itself, run on the input read between its samples;
- training: the predictions at its end against those of a hand-written loop;
- a sweep: the solution, which is known.

A contender with an error to choose gets its cheapest setting with an error below 1e-6, and a curve of seconds against
errors. A contender with wrong values has no ratio. The error of a search for fixed points is the largest residual of a
guess (infinite if a guess reached no fixed point; Adam leaves a few such).

**Memory** is what the kernel counts during one more call. The machine's own rates, of a large matrix product and of a large
copy, are measured in the same run; the operations that a case needs are set beside them.

Ours runs with `throw=False`: inside `jit`, raising an error needs a callback to the host, which no peer pays for either.
Batches of ours are made by `jax.vmap`.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from .._base.checks import as_texts, check_callable, check_count, check_flag
from .._files.atomic import as_path
from .._files.lock import only_run
from ._cases.catalogue import CASES, QUICK, SECONDS, SIZED, SUITES
from ._keep import Kept
from ._machine import Rates
from ._race import TARGET, Plan
from ._rows import Row, table

__all__ = ["CASES", "QUICK", "SECONDS", "SUITES", "TARGET", "Row", "parts", "run", "table"]


def run(
    *,
    cases: Sequence[str] | None = None,
    hidden: int | Sequence[int] = 32,
    batch: int | Sequence[int] = 1,
    steps: int = 300,
    repeats: int = 50,
    peers: bool = True,
    seed: int = 0,
    inputs: int = 1,
    progress: Callable[[str], None] | None = None,
    each: Callable[[list[Row]], None] | None = None,
    keep: str | Path | None = None,
) -> list[Row]:
    """Time the package against its peers, case by case and size by size.

    Ten cases run at every size: "iterate" (the states of a tanh network), "lstm" and "gru" (the outputs of these),
    "gradient", "lstm_gradient" and "gru_gradient" (the gradients of those), "sequence" (the gradient of a sequence loss
    by the weights, with 16 inputs), "integrate" (the flow of the tanh network for a held input), "integrate_linear_input"
    (for a linear one) and "linear" (the flow of an affine network). The others have sizes of their own: "long" (a
    gradient over 10⁵ steps, 128 units), "noise" (10⁵ noisy steps, 128 units), "integrate_gradient" (the gradient of a
    flow: 48 units), "scheme" (the gradient of a Runge–Kutta cell: 48 units), "eig" (the gradient of eigenvectors, 64
    units), "evolve" (an LSTM of 40 units at another rate), "stream" (the same in blocks, as real-time factors),
    "fixed_points" (a search in a GRU: 64 units, 1024 guesses), "basins" (which memory each of 10,000 states of 3 units
    goes to), "lyapunov" (all exponents of a rate network: 100 units, 2500 steps), "orbit" (a limit cycle of a flow with
    its multipliers: 64 units), "orbits" (a branch of 100 limit cycles: 16 units), "train" (an epoch on the pendulum: 32
    units, 75 batches of 32 windows), "import" (of the package), "first" (the first call of nine functions in fresh
    processes: 16 units) and "compare" (the command of that name in a fresh process). Three are about devices: "parallel"
    (all steps at once, beside step by step: 8 units, up to 131072 steps), "sweep" (8192 adaptive solves over all devices)
    and "lowering" (for GPUs and TPUs). "newton" compares the Newton steps that `parallel_verdict` expects with those
    taken, for five networks.
    `run(**SUITES["device"]())` runs what suits the accelerator that there is, in less than eight minutes.

    **Arguments:**

    - `cases`: some of these names. Default all.
    - `hidden`: number of units; a number or several.
    - `batch`: number of sequences; a number or several. Every pair of `hidden` and `batch` is a size.
    - `steps`: number of samples of the random input.
    - `repeats`: number of timed rounds, at most.
    - `peers`: whether packages that this one does not depend on take part (PyTorch, flax, SciPy, torchdiffeq, lyapax).
    - `seed`: seed of the weights, the input and the order in a round.
    - `inputs`: number of inputs of the cases that run at every size, but for "sequence".
    - `progress`: a function that is called with a line of text, such as "case 3 of 13: …", as each part begins.
    - `each`: a function that is called with the rows of every case and size as soon as they are measured.
    - `keep`: a json file, written anew after every case and size. An interrupted run with the same arguments, machine and
      code goes on from it.

    **Returns:** a list of `Row`, ours the first of its case and size. `table(rows)` is their text, `row.to_dict()` is ready
    for json, and `rnn_ode.plot.bench(rows)` draws them.

    **Raises:** `ValueError` or `TypeError` for counts that are not whole and positive, for an unknown case, and for a
    `keep` of another run; `OSError` if `keep` cannot be written or another run is writing to it.

    ```python
    >>> from rnn_ode import bench
    >>> rows = bench.run(cases="iterate", hidden=2, steps=2, repeats=1, peers=False)
    >>> rows[0].contender, rows[0].ok, rows[0].ratio
    ('rnn_ode', True, 1.0)

    ```
    """
    for name, count in (("steps", steps), ("repeats", repeats), ("inputs", inputs)):
        check_count(name, count)
    check_count("seed", seed, 0)
    for name, function, call in (("progress", progress, "progress(text)"), ("each", each, "each(rows)")):
        if function is not None:
            check_callable(name, function, call)
    check_flag("peers", peers)
    keep = None if keep is None else as_path("keep", keep)
    chosen, sizes = _chosen(cases), _sizes(hidden, batch)
    arguments = {
        "cases": chosen,
        "sizes": [list(size) for size in sizes],
        "steps": steps,
        "repeats": repeats,
        "inputs": inputs,
    }
    wanted, rates, rows = parts(cases, hidden, batch), Rates(), []
    with only_run("keep", keep):
        kept = Kept(keep, {**arguments, "repeats": repeats, "peers": peers, "seed": seed})
        for number, (case, (units, count)) in enumerate(wanted, 1):
            told = partial(_told, progress, f"case {number} of {len(wanted)}")
            plan = Plan(units, count, steps, repeats, peers, seed, told, rates, inputs)
            its = kept.rows(f"{case} {units}×{count}" if case in SIZED else case, partial(CASES[case], plan))
            rows += its
            if each is not None:
                each(its)
    return rows


def parts(
    cases: Sequence[str] | None = None, hidden: int | Sequence[int] = 32, batch: int | Sequence[int] = 1
) -> list[tuple[str, tuple[int, int]]]:
    """The parts of a run in order: a case, and the number of units and of sequences (only `SIZED` cases have several).

    **Arguments:**

    - `cases`, `hidden`, `batch`: as in `run`.

    **Returns:** pairs of a case and a size (units, sequences).

    **Raises:** `ValueError` or `TypeError` for an unknown case and for counts that are not whole and positive.

    ```python
    >>> from rnn_ode import bench
    >>> bench.parts(["iterate", "import"], hidden=[8, 16])
    [('iterate', (8, 1)), ('iterate', (16, 1)), ('import', (8, 1))]

    ```
    """
    sizes = _sizes(hidden, batch)
    return [(case, size) for case in _chosen(cases) for size in (sizes if case in SIZED else sizes[:1])]


def _told(progress: Callable[[str], None] | None, number: str, text: str) -> None:
    if progress is not None:
        progress(f"{number}: {text}")


def _sizes(hidden: int | Sequence[int], batch: int | Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.product(_counts("hidden", hidden), _counts("batch", batch)))


def _counts(name: str, value: int | Sequence[int]) -> list[int]:
    """One count or several, as a list."""
    counts = [*value] if isinstance(value, Sequence) else [value]
    if not counts:
        raise ValueError(f"{name} must be a whole number or several; got none.")
    for count in counts:
        check_count(name, count)
    return [int(count) for count in dict.fromkeys(counts)]


def _chosen(cases: Sequence[str] | None) -> list[str]:
    chosen = list(CASES) if cases is None else list(dict.fromkeys(as_texts("cases", cases)))
    unknown = [case for case in chosen if case not in CASES]
    if unknown or not chosen:
        raise ValueError(f"cases must be some of {', '.join(CASES)}; got {', '.join(map(str, unknown)) or 'none'}.")
    return chosen


def __dir__() -> list[str]:
    return __all__
