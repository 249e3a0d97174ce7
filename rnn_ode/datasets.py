"""Series to drive networks with and to forecast, and a reader of plain csv files that says what is wrong with them.

Some are computed (`pendulum`, `lorenz`, `van_der_pol`), `sunspots` ships, and `co2`, `elec_equip`, `elnino` and `nile` are
read from the files of the package statsmodels (`pip install 'rnn_ode[data]'`), which is not imported for it; `load` takes
any of them by name. All are float64, whatever JAX's precision.

A csv file is comma-separated text in UTF-8, one row a sample, oldest first. Lines that are blank or begin with `#` are
skipped. A first row without a single number in it is the header; without a header the columns are called "0", "1", ….
"""

import csv
import io
import math
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ._base.checks import as_number, as_step, check_count
from ._files.arrays import decoded

PathLike = str | os.PathLike[str]
Row = tuple[int, list[str]]  # line number, 1-based, and cells


@dataclass(frozen=True, eq=False)
class Series:
    """A series, oldest sample first.

    **Fields:** `name`; `values` (T, D), float64, finite; `index` (T,), when each sample is from (years, say), strictly
    increasing or decreasing, or `None`; `columns`, the D names.

    Of one that `load_csv` read, `name` is the columns' names, or the file's where it has no header; `index` is the file's
    first column where that is another column than those read, numeric and strictly increasing or decreasing.
    """

    name: str
    values: Float[np.ndarray, "T D"]
    index: Float[np.ndarray, " T"] | None
    columns: tuple[str, ...]


def sunspots() -> Series:
    """The yearly mean sunspot numbers 1700–2008: `values` (309, 1), `index` the years. It ships with the package.

    Source: National Geophysical Data Center, by way of `statsmodels.datasets.sunspots`; public domain.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.sunspots()
    >>> series.name, series.values.shape, series.index[-1].item(), series.values[-1].tolist()
    ('sunspots', (309, 1), 2008.0, [2.9])

    ```
    """
    with resources.as_file(resources.files("rnn_ode") / "data" / "sunspots.csv") as path:
        return load_csv(path)


def pendulum() -> Series:
    """A pendulum of 100 m with weak damping: `values` (4000, 1), the angle θ in radians, `index` the time t in seconds.

    θ(t) = cos(2πt/P) exp(−0.001 t) with the period P = 2π √(100/9.81), small swings, at 400 samples a period for 10 periods.
    It is the series of the book's pages "Forecasting with RNN" and "Forecasting with Neural ODE", whose results
    `learn.split(series.values, history=100, gap=10, horizon=1)` can be held to.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.pendulum()
    >>> series.values.shape, series.values[0].tolist(), round(400 * series.index[1].item(), 3)
    ((4000, 1), [1.0], 20.061)

    ```
    """
    phase = np.arange(4000) / 400
    t = 2 * np.pi * np.sqrt(100 / 9.81) * phase
    theta = np.cos(2 * np.pi * phase) * np.exp(-0.001 * t)
    return Series("pendulum", theta[:, None], t, ("theta",))


def lorenz(
    n: int = 4000,
    dt: float = 0.02,
    *,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
    start: Sequence[float] = (1.0, 1.0, 1.0),
) -> Series:
    """The Lorenz system: `values` (n, 3), x, y and z at times 0, dt, …, which are `index`.

    dx/dt = σ(y − x), dy/dt = x(ρ − z) − y, dz/dt = xy − βz (Lorenz, Journal of the Atmospheric Sciences 20 (1963) 130).
    Solved in float64 at relative and absolute tolerances of 1e-12. With the default parameters, which are chaotic, errors
    grow e-fold in 1.1 units of time (largest Lyapunov exponent 0.906), so that samples are right to 1e-4 up to t = 25, and
    those after t = 35 are of one path among all on the attractor, not the same on every machine.

    **Arguments:** `n` samples; `dt` between them, time; `sigma`, `rho`, `beta` the parameters σ, ρ, β; `start` (3,), the
    first sample. **Raises:** `ValueError` for n < 2, dt ≤ 0, numbers that are not finite and a path that leaves the float
    range.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.lorenz(500, 0.01)
    >>> series.columns, series.values.shape, series.values[100].round(4).tolist()
    (('x', 'y', 'z'), (500, 3), [-9.3786, -8.357, 29.3623])

    ```
    """
    sigma, rho, beta = _finite("sigma", sigma), _finite("rho", rho), _finite("beta", beta)

    def field(t, state):
        x, y, z = state
        return sigma * (y - x), x * (rho - z) - y, x * y - beta * z

    return _solved("lorenz", field, start, n, dt, ("x", "y", "z"))


def van_der_pol(n: int = 4000, dt: float = 0.05, mu: float = 1.0, *, start: Sequence[float] = (2.0, 0.0)) -> Series:
    """Van der Pol's oscillator: `values` (n, 2), x and v = dx/dt at times 0, dt, …, which are `index`.

    d²x/dt² = μ(1 − x²) dx/dt − x (van der Pol, Philosophical Magazine 2 (1926) 978): a limit cycle of amplitude about 2,
    which for large μ rests and jumps. Solved in float64 at relative and absolute tolerances of 1e-12, by an explicit method,
    whose effort grows with μ.

    **Arguments:** `n` samples; `dt` between them, time; `mu` the damping μ; `start` (2,), the first sample. **Raises:**
    `ValueError` for n < 2, dt ≤ 0, numbers that are not finite and a path that leaves the float range, as from outside the
    limit cycle with μ < 0.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.van_der_pol(500, 0.05, mu=2.0)
    >>> series.columns, series.values.shape, bool(abs(series.values[:, 0]).max() < 2.1)
    (('x', 'v'), (500, 2), True)

    ```
    """
    mu = _finite("mu", mu)

    def field(t, state):
        x, v = state
        return v, mu * (1 - x * x) * v - x

    return _solved("van_der_pol", field, start, n, dt, ("x", "v"))


def co2() -> Series:
    """Carbon dioxide in the air of Mauna Loa, weekly from 29 March 1958 to 29 December 2001: `values` (2284, 1), parts per
    million by volume, `index` the years, of 365.25 days.

    The 59 weeks without a value are filled in along straight lines between the weeks around them. Source: Keeling & Whorf
    (2004), Carbon Dioxide Information Analysis Center, as in `statsmodels.datasets.co2`; public domain.

    **Raises:** `ImportError` where statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("co2")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, -1]].round(2).tolist()
    ((2284, 1), [316.1, 371.5], [1958.24, 2001.99])

    ```
    """
    _, *rows = _rows(_statsmodels("co2"))
    weeks = np.arange(len(rows))
    known = [week for week in weeks if rows[week][1][1]]
    values = np.interp(weeks, known, [float(rows[week][1][1]) for week in known])
    return Series("co2", values[:, None], 1958 + 87 / 365 + 7 * weeks / 365.25, ("co2",))


def elec_equip() -> Series:
    """The turnover of the makers of electrical equipment in the euro area (18 countries), monthly from January 1995 to May
    2016: `values` (257, 1), an index number adjusted for working days but not for the season, `index` the years, by twelfths.

    Source: Eurostat, as in `statsmodels.datasets.elec_equip`; public domain. **Raises:** `ImportError` where statsmodels is
    not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("elec_equip")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, 12]].tolist()
    ((257, 1), [66.19, 97.86], [1995.0, 1996.0])

    ```
    """
    values = load_csv(_statsmodels("elec_equip")).values
    return Series("elec_equip", values, 1995 + np.arange(len(values)) / 12, ("turnover",))


def elnino() -> Series:
    """The temperature of the Pacific's surface off Peru, 0–10° South and 80–90° West, monthly from January 1950 to December
    2010: `values` (732, 1), degrees Celsius, `index` the years, by twelfths.

    Source: National Oceanic and Atmospheric Administration, ERSST.V3B, Niño 1+2, as in `statsmodels.datasets.elnino`; public
    domain. **Raises:** `ImportError` where statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("elnino")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, 12]].tolist()
    ((732, 1), [23.11, 22.07], [1950.0, 1951.0])

    ```
    """
    values = load_csv(_statsmodels("elnino"), range(1, 13)).values.reshape(-1, 1)
    return Series("elnino", values, 1950 + np.arange(len(values)) / 12, ("temperature",))


def nile() -> Series:
    """What the Nile carried past Aswan each year, 1871–1970: `values` (100, 1), 10⁸ m³, `index` the years.

    Source: Cobb, Biometrika 65 (1978) 243, as in `statsmodels.datasets.nile`; public domain. **Raises:** `ImportError` where
    statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("nile")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, -1]].tolist()
    ((100, 1), [1120.0, 740.0], [1871.0, 1970.0])

    ```
    """
    series = load_csv(_statsmodels("nile"))
    return Series("nile", series.values, series.index, series.columns)


def load(name: str) -> Series:
    """A series by name, with the defaults of the function of that name.

    **Arguments:** `name`, one of "co2", "elec_equip", "elnino", "lorenz", "nile", "pendulum", "sunspots", "van_der_pol".

    **Raises:** `ValueError` naming the series there are, for another name; `ImportError` for "co2", "elec_equip", "elnino"
    and "nile" where statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> datasets.load("pendulum").values.shape
    (4000, 1)

    ```
    """
    if name not in SERIES:
        raise ValueError(f"name must be one of {', '.join(SERIES)}; got {name!r}. A csv file is read by load_csv.")
    return SERIES[name]()


SERIES: dict[str, Callable[[], Series]] = {
    series.__name__: series for series in (co2, elec_equip, elnino, lorenz, nile, pendulum, sunspots, van_der_pol)
}


def load_csv(path: PathLike, column: str | int | Sequence[str | int] | None = None) -> Series:
    """Reads a series from a csv file.

    **Arguments:** `path`; `column`, what to read: a name in the header, a 0-based index (digits that are no name count
    as one), or several of either. `None` takes the last column that holds numbers in at least half of its rows: a leading
    column of times is passed over, and notes are.

    **Returns:** a `Series` of T ≥ 2 samples of D columns.

    **Raises:** `ValueError` naming the file, the line, the column and what came: a missing or non-finite value, text
    where a number belongs, a row of another length than the first, an unknown column, fewer than two rows, a file that
    is not text. `OSError` where the file cannot be opened.

    ```python
    >>> import pathlib, tempfile
    >>> from rnn_ode import datasets
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tides.csv"
    >>> _ = path.write_text("hour,low,high\\n0,1.5,4\\n6,1,4.5\\n")
    >>> datasets.load_csv(path).values.tolist()
    [[4.0], [4.5]]
    >>> series = datasets.load_csv(path, ("low", "high"))
    >>> series.values.tolist(), series.index.tolist()
    ([[1.5, 4.0], [1.0, 4.5]], [0.0, 6.0])

    ```
    """
    rows = list(_rows(path))
    if not rows:
        raise ValueError(f"{path}: the file holds no data; a series needs at least 2 rows.")
    has_header = not any(map(_is_number, rows[0][1]))
    header = rows.pop(0)[1] if has_header else [str(i) for i in range(len(rows[0][1]))]
    if len(rows) < 2:
        raise ValueError(f"{path}: a series needs at least 2 rows of data; got {len(rows)}.")

    chosen = _choose(path, header, rows, column)
    names = tuple(header[i] for i in chosen)
    values = np.stack([_column(path, header, rows, i) for i in chosen], axis=1)
    index = None if 0 in chosen else _index(rows)
    return Series(", ".join(names) if has_header else Path(path).stem, values, index, names)


def _solved(name: str, field: Callable, start: Sequence[float], n: int, dt: float, columns: tuple[str, ...]) -> Series:
    """The solution of dh/dt = field(t, h) at n times from 0, dt apart."""
    from scipy.integrate import (
        solve_ivp,
    )  # float64 without jax_enable_x64; slow to import, and JAX depends on it anyway

    check_count("n", n, 2)
    times = np.arange(n) * as_step("dt", dt)
    if len(start) != len(columns):
        raise ValueError(f"start must hold {len(columns)} numbers, {', '.join(columns)}; got {len(start)}.")
    first = [_finite(f"start[{i}]", value) for i, value in enumerate(start)]
    with np.errstate(over="ignore", invalid="ignore"):
        solution = solve_ivp(field, (0, times[-1]), first, "DOP853", times, rtol=1e-12, atol=1e-12)
    if not solution.success:
        raise ValueError(f"{name}: the path from {tuple(first)} leaves the float range with these parameters.")
    return Series(name, solution.y.T.copy(), times, columns)


def _finite(name: str, value: float) -> float:
    number = as_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}.")
    return number


def _statsmodels(name: str) -> Path:
    """The csv file of that name in statsmodels, found without importing it, which takes seconds."""
    spec = find_spec("statsmodels")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f"the series {name} is in the package statsmodels: pip install 'rnn_ode[data]'", name="statsmodels"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / name / f"{name}.csv"


def _rows(path: PathLike) -> Iterator[Row]:
    """The rows that hold cells, all of one length."""
    # A comment becomes an empty line, which csv skips and counts, so that line numbers stay the file's.
    lines = ("\n" if line.lstrip().startswith("#") else line for line in io.StringIO(decoded(path), newline=""))
    reader = csv.reader(lines, skipinitialspace=True)
    width = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells in ([], [""]):
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise ValueError(
                    f"{path}, line {reader.line_num}: every row must have as many cells as the first, {width}; "
                    f"got {len(cells)}: {','.join(row)!r}."
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not comma-separated text ({error}).") from None


def _choose(path: PathLike, header: list[str], rows: list[Row], column) -> list[int]:
    """The indices of the columns to read."""
    if column is None:
        numeric = [i for i in range(len(header)) if 2 * sum(_is_number(cells[i]) for _, cells in rows) >= len(rows)]
        if not numeric:
            line, cells = rows[0]
            raise ValueError(
                f"{path}, line {line}: no column holds numbers, separated by commas; got {','.join(cells)!r}."
            )
        return numeric[-1:]
    wanted = [column] if isinstance(column, str | int) else list(column)
    if not wanted:
        raise ValueError(f"column must name at least one column of {path}; got {column!r}.")
    return [_find(path, header, name) for name in wanted]


def _find(path: PathLike, header: list[str], name: str | int) -> int:
    """The index of one column."""
    if not isinstance(name, str):
        index = operator.index(name)
    elif header.count(name) > 1:
        raise ValueError(f"{path}: the header has column {name!r} more than once; give its 0-based index instead.")
    elif name in header:
        index = header.index(name)
    else:
        index = int(name) if name.isdecimal() else -1
    if not 0 <= index < len(header):
        raise ValueError(f"{path}: no column {name!r}. {_columns(header)}")
    return index


def _columns(header: list[str]) -> str:
    """What columns there are. A file without a header has numbers for names."""
    last, named = len(header) - 1, header != [str(i) for i in range(len(header))]
    names = ", ".join(map(repr, header))
    if last == 0:
        return f"There is only one column, {names} (number 0)." if named else "There is only one column, number 0."
    if named:
        return f"There are the columns {names}; or give a number from 0 to {last}."
    return f"The columns have no names; give a number from 0 to {last}."


def _column(path: PathLike, header: list[str], rows: list[Row], i: int) -> Float[np.ndarray, " T"]:
    for line, cells in rows:
        if not _is_number(cells[i]) or not math.isfinite(float(cells[i])):
            fault = "a missing value" if not cells[i] else f"{cells[i]!r}"
            raise ValueError(f"{path}, line {line}, column {header[i]!r}: a finite number is wanted; got {fault}.")
    return np.array([float(cells[i]) for _, cells in rows])


def _index(rows: list[Row]) -> Float[np.ndarray, " T"] | None:
    """The first column, where it can be a time axis."""
    if not all(_is_number(cells[0]) for _, cells in rows):
        return None
    values = np.array([float(cells[0]) for _, cells in rows])
    steps = np.diff(values)
    return values if np.isfinite(values).all() and (np.all(steps > 0) or np.all(steps < 0)) else None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
