"""Cells of a csv file: which are numbers, and which are missing.

A number may have a sign, groups of thousands, a currency before it and a unit after it; (12) is −12, as in accounts.
K, M and B right after a number are thousand, million and billion.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

_SPELLINGS = (
    "na n/a n.a. #n/a #na <na> nan -nan nat null none nil missing - -- – — . .. ... ? : #value! #ref! #div/0! #num!"
)
MISSING = frozenset(_SPELLINGS.split(" ")) | {""}

Kind = Literal["missing", "integer", "number", "date", "text"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CURRENCIES = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW"}
_SCALES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9}
# units that change what a number means: numbers with one of them and numbers without make no column
_FACTOR_UNITS = "% ‰ K k M m B b T bn mn tn thousand million billion percent Tsd Mio Mrd"
_FACTORS = frozenset(_FACTOR_UNITS.split(" "))


@dataclass(frozen=True)
class Spelling:
    """How numbers and missing values are written.

    **Fields:** `decimal`, "." or ","; `na`, further texts for a missing value; `doubt`, a cell that is another number with
    the other decimal mark if nothing in the file tells which one is right.
    """

    decimal: str
    na: frozenset[str] = frozenset()
    doubt: str = ""

    def is_missing(self, cell: str) -> bool:
        """Whether a cell is empty, a spelling of NA, or one of `na`, as a text or as a number."""
        if cell.lower() in MISSING or cell in self.na:
            return True
        number = number_of(cell, self.decimal) if self.na else None
        return number is not None and number[0] in self.na_numbers

    @property
    def na_numbers(self) -> frozenset[float]:
        """Those of `na` that are numbers."""
        return frozenset(number[0] for text in self.na if (number := number_of(text, self.decimal)) is not None)


_DATE = re.compile(
    r"""(?:(?:[Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)[a-z]*[.,]?[ ]+)?(?:
    \d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?                              # 2020-01-31, 31.1.2020, 1/31/20
    | \d{4}[- ]?Q[1-4] | Q[1-4][- ]?\d{4} | \d{4}M\d{1,2} | \d{4}-?W\d{1,2}
    | [A-Za-z]{3,9}[-./ ]{1,2}(?:\d{1,2}(?:,[ ]?|[- ]))?\d{2,4}          # Jan-1-1995, January 1995, Jan-95
    | \d{1,2}[-. ]{1,2}[A-Za-z]{3,9}[-., ]{1,2}\d{2,4}                # 31 Jan 2020
    )(?:[ T]\d{1,2}:\d{2}.*)?
    | \d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?""",
    re.VERBOSE,
)


@cache
def _pattern(decimal: str) -> re.Pattern[str]:
    """A number, its currency and its unit."""
    point, group = (r"\.", r"[,'’\s_]") if decimal == "." else (",", r"[.'’\s_]")
    digits = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:{point}\d*)?|\d+(?:{point}\d*)?|{point}\d+"
    money = r"[$€£¥₹₽₩]|[A-Z]{1,3}\$|[A-Z]{3}(?=\s?[-+−\d])"
    return re.compile(
        rf"(?P<sign>[-+−–]?)\s*(?P<money>{money})?\s*(?P<inner>[-+−–]?)(?P<digits>{digits})(?P<power>[eE][-+]?\d+)?"
        r"(?P<scale>[KkMB](?![\w²³^/.*-]))?"
        r"\s*(?P<unit>[%‰€$£¥₹₽₩°µΩA-Za-z][\w%°µΩ/²³·^*. -]*)?"
    )


def number_of(cell: str, decimal: str) -> tuple[float, str] | None:
    """The number in a cell and its unit, which may be a currency, or `None`."""
    inside = cell[1:-1].strip() if cell[:1] == "(" and cell[-1:] == ")" else cell
    if inside.lower().lstrip("+-") in ("inf", "infinity"):
        return float(inside), ""
    match = _pattern(decimal).fullmatch(inside)
    if match is None:
        return None
    digits = match["digits"]
    if decimal == ",":
        digits = digits.replace(".", "").replace(",", ".")
    value = float(re.sub(r"[,'’\s_]", "", digits) + (match["power"] or "")) * _SCALES.get(match["scale"], 1.0)
    minus = (match["sign"] in "-−–" and match["sign"] != "") ^ (match["inner"] in "-−–" and match["inner"] != "")
    parts = [part.strip() for part in (match["money"] or "", match["unit"] or "")]
    unit = " ".join(_CURRENCIES.get(part, part) for part in parts if part)
    return (-value if minus ^ (inside is not cell) else value), unit


def kind(cell: str, spelling: Spelling) -> Kind:
    """What a cell is. A number with a unit counts as a number, a date before that."""
    if spelling.is_missing(cell):
        return "missing"
    if re.fullmatch(r"[-+]?\d+", cell):
        return "integer"
    number = number_of(cell, spelling.decimal)
    if number is not None and not number[1]:
        return "number"
    if _DATE.fullmatch(cell) and not _is_money(cell):
        return "date"
    return "number" if number is not None else "text"


def spelling_of(columns: Sequence[Sequence[str]], decimal: str | None, na: Iterable[str], sep: str) -> Spelling:
    """How most of the cells between these separators are spelled.

    There is doubt if all cells with a mark, such as 1.000 and 2,500, may be thousands. Commas are of thousands if commas
    separate the cells. A point is a decimal mark unless semicolons do, or whole numbers below 1000 are in its column.
    """
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ','; got {decimal!r}.")
    if decimal is not None:
        return Spelling(decimal, frozenset(na))
    marked = [[cell for cell in column if re.search(r"\d[.,]\d", cell) and not _is_date(cell)] for column in columns]
    cells = [cell for column in marked for cell in column]
    readings = [[number_of(cell, mark) is not None for cell in cells] for mark in ".,"]
    points, commas = map(sum, readings)
    with_comma = any("," in cell for cell in cells)
    decimal = "," if commas > points or (commas == points and sep in ";\t| " and with_comma) else "."
    doubt = ""
    if points == commas and readings[0] == readings[1] and not (with_comma and sep == ","):
        small = any(
            some and any(re.fullmatch(r"[1-9]\d{0,2}", cell) for cell in column)
            for some, column in zip(marked, columns, strict=True)
        )
        if with_comma or sep == ";" or small:
            doubt = next((cell for cell, read in zip(cells, readings[0], strict=True) if read), "")
    return Spelling(decimal, frozenset(na), doubt)


def _is_money(cell: str) -> bool:
    """Whether a cell is a number after the three letters of a currency, such as USD 10, and not a month and a year."""
    return bool(re.match(r"[A-Z]{3}\s?[-+−]?\d", cell)) and cell[:3].title() not in _MONTHS


def _is_date(cell: str) -> bool:
    """Whether a cell is a date and not a number with a fraction, such as 10.50."""
    if _is_money(cell):
        return False
    month = re.fullmatch(r"(?:0?[1-9]|1[0-2])\.(?:19|20)\d\d", cell)
    return bool(_DATE.fullmatch(cell)) and (month is not None or not re.fullmatch(r"\d+[.]\d+", cell))


@dataclass
class Numbers:
    """The numbers of a column that is read in pieces: NaN where a cell is missing or is text."""

    spelling: Spelling
    parts: list[Float[np.ndarray, " n"]]
    texts: list[Bool[np.ndarray, " n"]]
    units: Counter[str]  # how many numbers have each unit; "" for none; zeros are not counted there
    scaled: bool = False  # whether K, M or B was read as a factor
    rows: int = 0

    @classmethod
    def empty(cls, spelling: Spelling) -> "Numbers":
        return cls(spelling, [], [], Counter())

    def add(self, cells: np.ndarray) -> None:
        """Read further cells, an array of texts without blanks around them."""
        import pandas as pd

        values = np.full(len(cells), np.nan)
        plain = cells if self.spelling.decimal == "." else np.where([_is_plain(cell) for cell in cells], cells, "x")
        found = np.asarray(pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce"), float)
        values[:] = found
        text = np.zeros(len(cells), bool)
        own = self.spelling
        missing = np.zeros(len(cells), bool)
        if own.na:
            missing = np.isin(cells, list(own.na)) | np.isin(found, list(own.na_numbers))
        self.units[""] += int(np.count_nonzero(found[~np.isnan(found) & ~missing]))
        for row in np.flatnonzero(np.isnan(found) | missing):
            cell = cells[row]
            values[row] = np.nan
            if self.spelling.is_missing(cell):
                continue
            number = number_of(cell, self.spelling.decimal)
            if number is None:
                text[row] = True
            else:
                values[row], unit = number
                self.units[unit] += bool(unit) or number[0] != 0
                self.scaled |= not unit and cell.rstrip(")")[-1] in _SCALES
        self.parts.append(values)
        self.texts.append(text)
        self.rows += len(cells)

    @property
    def values(self) -> Float[np.ndarray, " T"]:
        return np.concatenate(self.parts) if self.parts else np.zeros(0)

    @property
    def text(self) -> Bool[np.ndarray, " T"]:
        return np.concatenate(self.texts) if self.texts else np.zeros(0, bool)

    @property
    def unit(self) -> str | None:
        """The unit of all numbers that have one, "" without units, `None` if there are several."""
        units = [unit for unit in self.units if unit]
        if len(units) > 1 or (units and self.units[""] and units[0] in _FACTORS):
            return None
        return units[0] if units else ""

    @property
    def is_numeric(self) -> bool:
        """Whether at least half of the cells hold numbers, in one unit."""
        return self.unit is not None and self._mostly_numbers

    @property
    def is_mixed(self) -> bool:
        """Whether at least half of the cells hold numbers, and not in one unit."""
        return self.unit is None and self._mostly_numbers

    @property
    def _mostly_numbers(self) -> bool:
        return 2 * int(np.sum(~np.isnan(self.values))) >= max(1, self.rows)

    def units_in_words(self) -> str:
        """The first units that occur: `K, M`."""
        return ", ".join(unit or "none" for unit, count in list(self.units.items())[:4] if count)


def _is_plain(cell: str) -> bool:
    """Whether a number is read the same with a decimal point and a decimal comma."""
    return "." not in cell and "," not in cell
