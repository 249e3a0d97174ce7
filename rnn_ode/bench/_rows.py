"""The rows that the benchmark returns, and their table."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._base.checks import brief
from .._base.text import Column, Table

BUSY = 0.2  # cores of other programs that are told


@dataclasses.dataclass(frozen=True)
class Row:
    """One contender in one case at one size. Times are in seconds. What was not measured, or is not finite, is `None`.

    **Fields:**

    - `case`, `contender`: names.
    - `hidden`, `batch`, `steps`, `inputs`: the size, if the case has one.
    - `dtype`, `backend`, `machine`: the precision, and where it ran.
    - `median_s`, `low_s`, `high_s`: median and quartiles of the times of `rounds` calls.
    - `compile_s`: the first call's time minus the median.
    - `peak_bytes`: the most memory that a call held above what was held before it.
    - `error`: the largest relative distance from the reference; `ok`: whether it is small enough.
    - `ratio`: the contender's time over ours; above 1, ours is faster. `None` if the contender's values or ours are wrong.
    - `skipped`: whether the contender could not run; `note` then says why.
    - `flops`, `bytes`: what every step-by-step computation has to do, with the weights read once in each step.
    - `of_peak`, `of_bandwidth`: the shares that this makes of the machine's `matrix_rate` (operations per second in a matrix
      product) and `memory_rate` (bytes per second in a copy), both measured in the same run. The second can be above 1,
      since weights in a cache are read faster than memory.
    - `curve`: pairs (error, median seconds) of a contender that has an error to choose.
    - `others`: how many cores other programs kept busy during the rounds. More than 0.2 may distort ratios:
      threads that wait for each other, as PyTorch's do, can lose a thousand times their time.

    ```python
    >>> from rnn_ode import bench
    >>> row = bench.Row("iterate", "rnn_ode", 32, 1, 1000, "float32", "cpu", "a laptop", median_s=1e-3)
    >>> row.to_dict()["median_s"], row.ok, row.error is None
    (0.001, True, True)

    ```
    """

    case: str
    contender: str
    hidden: int | None
    batch: int | None
    steps: int | None
    dtype: str
    backend: str
    machine: str
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    rounds: int = 0
    compile_s: float | None = None
    peak_bytes: int | None = None
    error: float | None = None
    ratio: float | None = None
    ok: bool = True
    skipped: bool = False
    note: str = ""
    flops: float | None = None
    bytes: float | None = None
    of_peak: float | None = None
    of_bandwidth: float | None = None
    matrix_rate: float | None = None
    memory_rate: float | None = None
    curve: list[tuple[float, float]] | None = None
    others: float | None = None
    inputs: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The row as plain numbers and strings, ready for json: without NaN and infinities."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Row":
        """The row that `to_dict` gave, also after json. `TypeError` if a field is missing or unknown."""
        curve = fields["curve"]
        return cls(**{**fields, "curve": None if curve is None else [(error, seconds) for error, seconds in curve]})


_COLUMNS = (
    Column("case"),
    Column("size", says="units × batch × steps"),
    Column("contender"),
    Column(
        "ratio",
        says="the contender's time over ours in the same round, median of the rounds; above 1, ours is faster",
    ),
    Column("median", says="seconds of this machine, now; compare the ratios"),
    Column("quartiles"),
    Column("compile"),
    Column("memory", says="the most a call held above what was held before it"),
    Column("of peak", says="share of the machine's own matrix-product rate, by the operations that the case needs"),
    Column("error", says="largest relative distance from the reference; of fixed_points, the largest residual"),
    Column(""),
)


def as_table(rows: Iterable[Row]) -> Table:
    """The rows as a `Table`. Under it stand the machines."""
    rows = list(rows)
    return Table(_COLUMNS, tuple(map(_words, rows)), notes=tuple(machines(rows)))


def table(rows: Iterable[Row]) -> str:
    """The rows as a text table. Under it stand the machine and the meaning of the columns.

    **Arguments:**

    - `rows`: the rows that `run` returned.

    **Returns:** lines of at most 80 columns.

    ```python
    >>> from rnn_ode import bench
    >>> row = bench.Row("iterate", "rnn_ode", 32, 1, 9, "float32", "cpu", "a laptop", median_s=1e-3, ratio=1.0)
    >>> "1 ms" in bench.table([row]), "machine: a laptop." in bench.table([row])
    (True, True)

    ```
    """
    listed: list[Any] = list(rows) if isinstance(rows, Iterable) and not isinstance(rows, str | bytes) else [rows]
    if not all(hasattr(row, "contender") and hasattr(row, "skipped") for row in listed):
        raise TypeError(f"rows must be what bench.run returned; got {brief(rows)}.")
    return as_table(listed).text()


_IN_A_CASE = (
    Column("contender"),
    Column("ratio", ">", _COLUMNS[3].says),
    Column("median", ">", _COLUMNS[4].says),
    Column("spread", ">", "half of the distance between the quartiles, in per cent of the median"),
    Column("compile", ">", "the first call's time minus the median"),
    Column("memory", ">", _COLUMNS[7].says),
    Column("error", ">", _COLUMNS[9].says),
)


def case_tables(rows: Sequence[Row], number: str) -> list[Table]:
    """The rows of a case, a table for each race, with `number` in the titles: "case 3 of 13"."""
    return [_race_table(race, number) for race in races(rows)]


def _race_table(rows: Sequence[Row], number: str) -> Table:
    """Skipped contenders have one line."""
    ran, first = [row for row in rows if not row.skipped], rows[0]
    size = "" if first.hidden is None else f": {first.hidden} units, {first.batch} at once, {first.steps} steps"
    size += _of_inputs(first)
    notes = [f"{row.contender}: {row.note}." for row in ran if row.note]
    for note in dict.fromkeys(row.note for row in rows if row.skipped):
        names = ", ".join(row.contender for row in rows if row.skipped and row.note == note)
        notes.append(f"skipped: {names} ({note}).")
    if first.of_peak is not None:
        notes.append(
            f"{first.contender} reaches {100 * first.of_peak:.2g} % of this machine's rate of matrix products."
        )
    return Table(_IN_A_CASE, tuple(map(_words_in_a_case, ran)), f"{number}, {first.case}{size}", tuple(notes))


def _of_inputs(row: Row) -> str:
    return "" if row.inputs in (None, 1) else f", {row.inputs} inputs"


def races(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each case and size. A contender that comes again begins another race."""
    found: list[list[Row]] = []
    for row in rows:
        same = found and _place(found[-1][0]) == _place(row)
        if not same or any(row.contender == other.contender for other in found[-1]):
            found.append([])
        found[-1].append(row)
    return found


def _place(row: Row) -> tuple:
    return row.case, row.hidden, row.batch, row.steps, row.inputs


def legend(rows: Sequence[Row]) -> Table:
    """The machine, and what the columns of `case_tables` mean."""
    return Table(notes=(*machines(list(rows)), *(f"{c.heading}: {c.says}." for c in _IN_A_CASE if c.says)))


def machines(rows: Sequence[Row]) -> list[str]:
    """A line for each machine of the rows, with its rates; and one if other programs were busy."""
    lines = []
    for machine in dict.fromkeys(row.machine for row in rows):
        its = [row for row in rows if row.machine == machine]
        rates = {row.dtype: row.matrix_rate for row in its if row.matrix_rate}
        parts = [f"{rate / 1e9:.3g} GFLOP/s of matrix product in {dtype}" for dtype, rate in rates.items()]
        parts += [f"{row.memory_rate / 1e9:.3g} GB/s copied" for row in its if row.memory_rate][:1]
        lines.append(f"machine: {'; '.join([machine, *parts])}.")
    most = max((row.others for row in rows if row.others is not None), default=0.0)
    if most > BUSY:
        lines.append(
            f"Other programs kept {most:.2g} cores busy meanwhile, so that the ratios may be wrong: repeat the run alone."
        )
    return lines


def _words_in_a_case(row: Row) -> tuple[str, ...]:
    _, _, name, ratio, median, _, compiling, memory, _, error, _ = _words(row)
    spread = "–"
    if row.median_s is not None and row.low_s is not None and row.high_s is not None:
        spread = f"±{50 * (row.high_s - row.low_s) / row.median_s:.0f} %"
    return name, ratio, median, spread, compiling, memory, error


def _words(row: Row) -> tuple[str, ...]:
    """The words of a row, one for each column."""
    ratio = "skipped" if row.skipped else "WRONG" if not row.ok else "–" if row.ratio is None else _number(row.ratio)
    quartiles = "–" if row.median_s is None else f"{seconds(row.low_s)} … {seconds(row.high_s)}"
    error = "–" if row.error is None else f"{row.error:.1e}"
    size = "–" if row.hidden is None else f"{row.hidden}×{row.batch}×{row.steps}{_of_inputs(row)}"
    share = "–" if row.of_peak is None else f"{100 * row.of_peak:.2g} %"
    return (
        *(row.case, size, row.contender, ratio, seconds(row.median_s), quartiles, seconds(row.compile_s)),
        *(_memory(row.peak_bytes), share, error, row.note),
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    return "–" if value is None else _scaled(value, ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (np.inf, 1.0, "s")))


def _memory(value: int | None) -> str:
    return "–" if value is None else _scaled(value, ((1e6, 1e-3, "kB"), (1e9, 1e-6, "MB"), (np.inf, 1e-9, "GB")))


def _scaled(value: float, units: tuple[tuple[float, float, str], ...]) -> str:
    """The value in the first unit, given as (largest value, factor, name), that it is small enough for."""
    scale, unit = next((scale, unit) for below, scale, unit in units if value < below)
    return f"{_number(scale * value)} {unit}"
