"""Cells of a csv file: which are numbers, and which are missing.

A number may have a sign, groups of thousands, a currency before it and a unit after it; (12) is −12, as in accounts.
"""

import re
from collections import Counter
from collections.abc import Iterable
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


@dataclass(frozen=True)
class Spelling:
    """How numbers and missing values are written: `decimal`, "." or ","; `na`, further texts for a missing value."""

    decimal: str
    na: frozenset[str] = frozenset()

    def is_missing(self, cell: str) -> bool:
        return cell.lower() in MISSING or cell in self.na


_DATE = re.compile(
    r"""\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?(?:[ T]\d{1,2}:\d{2}.*)?   # 2020-01-31, 31.1.2020, 1/31/20, with a time
    | \d{4}-?Q[1-4] | Q[1-4][- ]?\d{4} | \d{4}M\d{1,2} | \d{4}-?W\d{1,2}
    | [A-Za-z]{3,9}[-./ ]{1,2}(?:\d{1,2}(?:,[ ]?|[- ]))?\d{2,4}          # Jan-1-1995, January 1995, Jan-95
    | \d{1,2}[-. ]{1,2}[A-Za-z]{3,9}[-., ]{1,2}\d{2,4}                # 31 Jan 2020
    | \d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?""",
    re.VERBOSE,
)


@cache
def _pattern(decimal: str) -> re.Pattern[str]:
    """A number, its currency and its unit."""
    point, group = (r"\.", r"[,'’\s_]") if decimal == "." else (",", r"[.'’\s_]")
    digits = rf"\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d*)?|\d+(?:{point}\d*)?|{point}\d+"
    money = r"[$€£¥₹₽₩]|[A-Z]{1,3}\$|[A-Z]{3}(?=\s?[-+−\d])"
    return re.compile(
        rf"(?P<sign>[-+−–]?)\s*(?:{money})?\s*(?P<inner>[-+−–]?)(?P<digits>{digits})(?P<power>[eE][-+]?\d+)?"
        r"\s*(?P<unit>[%‰€$£¥₹₽₩°µΩA-Za-z][\w%°µΩ/²³·^*. -]*)?"
    )


def number_of(cell: str, decimal: str) -> tuple[float, str] | None:
    """The number in a cell and its unit, or `None`."""
    inside = cell[1:-1].strip() if cell[:1] == "(" and cell[-1:] == ")" else cell
    if inside.lower().lstrip("+-") in ("inf", "infinity"):
        return float(inside), ""
    match = _pattern(decimal).fullmatch(inside)
    if match is None:
        return None
    digits = match["digits"]
    if decimal == ",":
        digits = digits.replace(".", "").replace(",", ".")
    value = float(re.sub(r"[,'’\s_]", "", digits) + (match["power"] or ""))
    minus = (match["sign"] in "-−–" and match["sign"] != "") ^ (match["inner"] in "-−–" and match["inner"] != "")
    return (-value if minus ^ (inside is not cell) else value), (match["unit"] or "").strip()


def kind(cell: str, spelling: Spelling) -> Kind:
    """What a cell is. A number with a unit counts as a number, a date before that."""
    if spelling.is_missing(cell):
        return "missing"
    if re.fullmatch(r"[-+]?\d+", cell):
        return "integer"
    number = number_of(cell, spelling.decimal)
    if number is not None and not number[1]:
        return "number"
    if _DATE.fullmatch(cell):
        return "date"
    return "number" if number is not None else "text"


def spelling_of(cells: Iterable[str], decimal: str | None, na: Iterable[str], prefers_comma: bool) -> Spelling:
    """How most of the cells are spelled. Where both are possible the decimal mark is a point, unless `prefers_comma`."""
    marked = [cell for cell in cells if re.search(r"\d[.,]\d", cell) and not _DATE.fullmatch(cell)]
    if decimal is None:
        points, commas = (sum(number_of(cell, mark) is not None for cell in marked) for mark in ".,")
        with_comma = sum("," in cell for cell in marked)
        decimal = "," if commas > points or (commas == points and prefers_comma and with_comma) else "."
    elif decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ','; got {decimal!r}.")
    return Spelling(decimal, frozenset(na))


@dataclass
class Numbers:
    """The numbers of a column that is read in pieces: NaN where a cell is missing or is text."""

    spelling: Spelling
    parts: list[Float[np.ndarray, " n"]]
    texts: list[Bool[np.ndarray, " n"]]
    units: Counter
    first_text: tuple[int, str] | None = None  # its row and itself
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
        own = self.spelling.na
        for row in np.flatnonzero(np.isnan(found) | (np.isin(cells, list(own)) if own else False)):
            cell = cells[row]
            values[row] = np.nan
            if self.spelling.is_missing(cell):
                continue
            number = number_of(cell, self.spelling.decimal)
            if number is None:
                text[row] = True
                self.first_text = self.first_text or (self.rows + int(row), str(cell))
            else:
                values[row] = number[0]
                self.units[number[1]] += 1
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
        return units[0] if len(units) == 1 else ("" if not units else None)

    @property
    def is_numeric(self) -> bool:
        """Whether at least half of the cells hold numbers, in one unit."""
        return self.unit is not None and 2 * int(np.sum(~np.isnan(self.values))) >= max(1, self.rows)


def _is_plain(cell: str) -> bool:
    """Whether a number is read the same with a decimal point and a decimal comma."""
    return "." not in cell and "," not in cell
