"""Numbers, tables and JSON of what the package reports."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

MISSING = "–"
"""What a table shows for a value that is not there."""


def number(value: Any, digits: int = 3) -> str:
    """A number for a text, with so many significant digits: "–" for `None` and NaN, "∞" and "−∞" for infinities.

    The infinities that `plain` writes, "inf" and "-inf", are read as well.
    """
    if value is None or math.isnan(value := float(value)):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def table(
    rows: Sequence[Sequence[str]],
    *,
    align: str = "",
    least: Sequence[int] = (),
    gap: int = 2,
    rule: bool = False,
) -> str:
    """Rows of words, the head first, as lines of aligned columns.

    `align` is one of "<", ">" and "^" for each column, from the left; the columns after them are aligned left. A column is
    as wide as its longest word, and at least as wide as `least` says; `gap` spaces separate the columns. `rule` draws a line
    under the head.
    """
    count = len(rows[0])
    align = align.ljust(count, "<")
    wanted = [*least, *[0] * (count - len(least))]
    widths = [max(wanted[i], *(len(row[i]) for row in rows)) for i in range(count)]
    fill = {"<": str.ljust, ">": str.rjust, "^": str.center}
    lines = [[fill[side](word, width) for word, side, width in zip(row, align, widths, strict=True)] for row in rows]
    if rule:
        lines.insert(1, ["─" * width for width in widths])
    return "\n".join((" " * gap).join(line).rstrip() for line in lines)


def plain(value: Any, infinities: bool = False) -> Any:
    """A copy of a value that JSON can hold: arrays become lists, NaN becomes `None`.

    Infinities become `None` too, or with `infinities` the strings "inf" and "-inf". Mappings, lists and tuples are copied
    with all that is in them; whole numbers, booleans and strings stay.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(entry, infinities) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry, infinities) for entry in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return str(value) if infinities and math.isinf(value) else None
