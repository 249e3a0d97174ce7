"""Lyapunov exponents as a table."""

from collections.abc import Mapping
from typing import Any

from .._base.text import Column, Table, number

_COLUMNS = (
    Column("", ">"),
    Column("exponent", ">", "nats per unit time"),
    Column("± error", ">", "one standard error"),
)


def lyapunov_table(report: Mapping[str, Any]) -> Table:
    """What `Lyapunov.to_dict` returns, as a table: a row for each exponent."""
    pairs = zip(report["exponents"], report["stderr"], strict=True)
    rows = tuple((str(i), number(value, 4), number(error, 1)) for i, (value, error) in enumerate(pairs, 1))
    least, most = (number(value, 4) for value in report["kaplan_yorke_range"])
    spread = "" if least == most else f" ({least} to {most})"
    notes = [f"Kaplan–Yorke dimension {number(report['kaplan_yorke'], 4)}{spread}; {_positive(report)}."]
    if None not in (ends := report["kaplan_yorke_range"]) and float(ends[1]) - float(ends[0]) >= 1:
        notes.append("The run is too short to tell the dimension: give a longer duration, or a transient.")
    if report["result"] != "successful":
        notes.append(report["result"])
    duration = number(report["times"][-1], 6)
    return Table(_COLUMNS, rows, f"Lyapunov exponents, averaged over a time of {duration}.", tuple(notes))


def _positive(report: Mapping[str, Any]) -> str:
    """The sum of the positive exponents, if one is positive by two standard errors. An unknown error counts as none."""
    pairs = zip(report["exponents"], report["stderr"], strict=True)
    if any(value is not None and float(value) > 2 * float(error or 0) for value, error in pairs):
        return f"sum of the positive exponents {number(report['entropy_sum'], 4)}"
    return "no exponent is above 0 by two standard errors"
