"""Series that were measured: one in a file of this package, the others in files of the package statsmodels."""

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ._series import Series


def sunspots() -> Series:
    """Return the yearly mean sunspot numbers from 1700 to 2008. The file is part of this package.

    Source: National Geophysical Data Center, by way of `statsmodels.datasets.sunspots`; public domain.

    **Returns:** a `Series`: `values` (309, 1), `index` the years.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.sunspots()
    >>> series.name, series.values.shape, series.index[-1].item(), series.values[-1].tolist()
    ('sunspots', (309, 1), 2008.0, [2.9])

    ```
    """
    with resources.as_file(resources.files("rnn_ode.datasets") / "sunspots.csv") as path:
        years, values = np.loadtxt(path, delimiter=",", skiprows=4, unpack=True)  # three remarks and the header
    return Series("sunspots", values[:, None], years, ("sunspots",))


def co2() -> Series:
    """Return the carbon dioxide in the air of Mauna Loa, weekly from 29 March 1958 to 29 December 2001.

    The file has 59 weeks without a value; they are interpolated linearly between the weeks around them. Source: Keeling &
    Whorf (2004), Carbon Dioxide Information Analysis Center, as in `statsmodels.datasets.co2`; public domain.

    **Returns:** a `Series`: `values` (2284, 1) in parts per million by volume, `index` the time in years of 365.25 days.

    **Raises:** `ImportError` if statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("co2")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, -1]].round(2).tolist()
    ((2284, 1), [316.1, 371.5], [1958.24, 2001.99])

    ```
    """
    weekly = np.genfromtxt(_statsmodels("co2"), delimiter=",", skip_header=1, usecols=(1,))
    weeks = np.arange(len(weekly))
    known = ~np.isnan(weekly)
    values = np.interp(weeks, weeks[known], weekly[known])
    return Series("co2", values[:, None], 1958 + 87 / 365 + 7 * weeks / 365.25, ("co2",))


def elec_equip() -> Series:
    """Return the turnover of the makers of electrical equipment in the euro area, monthly from January 1995 to May 2016.

    The euro area of 18 countries. Source: Eurostat, as in `statsmodels.datasets.elec_equip`; public domain.

    **Returns:** a `Series`: `values` (257, 1) is an index number, adjusted for working days but not for the season; `index`
    is the time in years, in twelfths.

    **Raises:** `ImportError` if statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("elec_equip")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, 12]].tolist()
    ((257, 1), [66.19, 97.86], [1995.0, 1996.0])

    ```
    """
    values = np.genfromtxt(_statsmodels("elec_equip"), delimiter=",", skip_header=1, usecols=(1,))
    return Series("elec_equip", values[:, None], 1995 + np.arange(len(values)) / 12, ("turnover",))


def elnino() -> Series:
    """Return the surface temperature of the Pacific off Peru, monthly from January 1950 to December 2010.

    The region is 0–10° South and 80–90° West. Source: National Oceanic and Atmospheric Administration, ERSST.V3B,
    Niño 1+2, as in `statsmodels.datasets.elnino`; public domain.

    **Returns:** a `Series`: `values` (732, 1) in degrees Celsius, `index` the time in years, in twelfths.

    **Raises:** `ImportError` if statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("elnino")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, 12]].tolist()
    ((732, 1), [23.11, 22.07], [1950.0, 1951.0])

    ```
    """
    values = np.loadtxt(_statsmodels("elnino"), delimiter=",", skiprows=1)[:, 1:].reshape(-1, 1)
    return Series("elnino", values, 1950 + np.arange(len(values)) / 12, ("temperature",))


def nile() -> Series:
    """Return the yearly flow of the Nile at Aswan, 1871–1970.

    Source: Cobb, Biometrika 65 (1978) 243, as in `statsmodels.datasets.nile`; public domain.

    **Returns:** a `Series`: `values` (100, 1) in 10⁸ m³, `index` the years.

    **Raises:** `ImportError` if statsmodels is not installed.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.load("nile")
    >>> series.values.shape, series.values[[0, -1], 0].tolist(), series.index[[0, -1]].tolist()
    ((100, 1), [1120.0, 740.0], [1871.0, 1970.0])

    ```
    """
    years, values = np.loadtxt(_statsmodels("nile"), delimiter=",", skiprows=1, unpack=True)
    return Series("nile", values[:, None], years, ("volume",))


def _statsmodels(name: str) -> Path:
    """The csv file of that name in statsmodels. The package is located and not imported, since importing takes seconds."""
    spec = find_spec("statsmodels")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f"the series {name} is in the package statsmodels: pip install '.[data]' in a clone of rnn_ode",
            name="statsmodels",
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / name / f"{name}.csv"
