"""Series to drive networks with and to forecast, and a reader of csv files that reports errors by line and column.

| where the series comes from | names |
|---|---|
| computed | `pendulum`, `lorenz`, `van_der_pol` |
| a file of this package | `sunspots` |
| files of the package statsmodels (`pip install '.[data]'` in a clone of rnn_ode) | `co2`, `elec_equip`, `elnino`, `nile` |
| a csv file of yours | `load_csv` |

`load` takes any of the names. All values are float64, whatever JAX's precision.
"""

from collections.abc import Callable

from ._computed import lorenz as lorenz
from ._computed import pendulum as pendulum
from ._computed import van_der_pol as van_der_pol
from ._csv import load_csv as load_csv
from ._recorded import co2 as co2
from ._recorded import elec_equip as elec_equip
from ._recorded import elnino as elnino
from ._recorded import nile as nile
from ._recorded import sunspots as sunspots
from ._series import PathLike as PathLike
from ._series import Reading as Reading
from ._series import Series as Series

__all__ = [
    "SERIES",
    "PathLike",
    "Reading",
    "Series",
    "co2",
    "elec_equip",
    "elnino",
    "load",
    "load_csv",
    "lorenz",
    "nile",
    "pendulum",
    "sunspots",
    "van_der_pol",
]

SERIES: dict[str, Callable[[], Series]] = {
    series.__name__: series for series in (co2, elec_equip, elnino, lorenz, nile, pendulum, sunspots, van_der_pol)
}


def load(name: str) -> Series:
    """Return a series by name, computed or read with the defaults of the function of that name.

    **Arguments:**

    - `name`: one of "co2", "elec_equip", "elnino", "lorenz", "nile", "pendulum", "sunspots", "van_der_pol".

    **Returns:** the `Series`.

    **Raises:** `ValueError` for any other name, with the names that exist; `ImportError` for "co2", "elec_equip",
    "elnino" and "nile" if statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> datasets.load("pendulum").values.shape
    (4000, 1)

    ```
    """
    if not isinstance(name, str) or name not in SERIES:
        raise ValueError(f"name must be one of {', '.join(SERIES)}; got {name!r}. A csv file is read by load_csv.")
    return SERIES[name]()


def __dir__() -> list[str]:
    return __all__
