"""The tables of a Markdown page, each between two comments: the first one has the options of the command that made it."""

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path

from .._base.text import MISSING, number
from .._base.version import __version__
from .._files.arrays import decoded
from .._files.atomic import check_regular, written_beside
from . import _machine
from ._rows import Row, machines, races, seconds

_END = "<!-- end of bench -->"
_FIXED = "\N{NO-BREAK SPACE}"


def put(page: Path, options: str, rows: Sequence[Row]) -> None:
    """Write the tables of these rows into a page: over those of the same options, or else at its end."""
    begin = _begin(options)
    before, after = _around(page, begin)
    command = " ".join(filter(None, ["rnn-ode bench", options, "--page", page.as_posix()]))
    with written_beside(page) as beside:
        beside.write_text(f"{before}{begin}\n{markdown(rows, command)}\n{_END}\n{after}", encoding="utf-8")


def check_page(page: Path, options: str) -> None:
    """`ValueError` if the page cannot take the tables of these options."""
    _around(page, _begin(options))


def _around(page: Path, begin: str) -> tuple[str, str]:
    """What stands before and after the tables in a page that begin so."""
    text = ""
    if page.exists():
        check_regular(page)
        text = decoded(page).replace("\r\n", "\n")
    before, found, rest = text.partition(f"{begin}\n")
    if not found:
        return (f"{text.rstrip()}\n\n" if text.strip() else ""), ""
    _, ended, after = rest.partition(f"{_END}\n")
    if not ended:
        raise ValueError(f"{page}: the line {_END} is missing after {begin}; write it behind the table.")
    return before, after


def _begin(options: str) -> str:
    return f"<!-- {' '.join(filter(None, ['bench', options]))} -->"


def markdown(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown tables, one for each case. Under them stand the command, the day, the machine and the versions."""
    groups = [list(its) for _, its in itertools.groupby(races(rows), lambda race: _subject(race[0]))]
    tables = [_table(its) for its in groups]
    if len(groups) > 1:
        tables = [f"`{_subject(its[0][0])}`:\n\n{table}" for its, table in zip(groups, tables, strict=True)]
    versions = ", ".join(f"{name} {version}" for name, version in _machine.versions().items())
    told = f"`{command}`, {datetime.datetime.now(datetime.UTC).date()}, rnn_ode {__version__}, {versions}."
    return "\n\n".join([*tables, " ".join([told, *(line[0].upper() + line[1:] for line in machines(rows))])])


def _subject(row: Row) -> str:
    """The case without what it adds to its name for a part of it, such as "first" of "first logm"."""
    return row.case.split()[0].rstrip(",")


def _table(group: list[list[Row]]) -> str:
    """One race with a line for each contender, or several races with a line for each of them."""
    if len(group) == 1:
        lines = [[row.contender, seconds(row.median_s), _ratio(row)] for row in group[0]]
        return _grid(["", "time", "its time over ours"], lines)
    names = list(dict.fromkeys(row.contender for race in group for row in race))
    heading, labels = _names(group)
    lines = []
    for label, (ours, *others) in zip(labels, group, strict=True):
        its = {row.contender: _ratio(row) for row in others}
        lines.append([label, seconds(ours.median_s), *(its.get(name, MISSING) for name in names[1:])])
    return _grid([heading, *names], lines)


def _names(group: list[list[Row]]) -> tuple[str, list[str]]:
    """What tells the races of a case apart, with its heading: the part of the case, or the size.

    Steps and inputs that all races have stand in the heading. The spaces within a size do not break."""
    rows = [race[0] for race in group]
    parts = [row.case.removeprefix(_subject(row)).strip(", ") for row in rows]
    if any(parts) or rows[0].hidden is None:
        return "", [part or row.case for part, row in zip(parts, rows, strict=True)]
    heading, names = "units × batch", [f"{row.hidden} × {row.batch}".replace(" ", _FIXED) for row in rows]
    for unit, counts in {"steps": [row.steps for row in rows], "inputs": [row.inputs for row in rows]}.items():
        if len(set(counts)) > 1:
            heading += f", {unit}"
            names = [f"{name}, {count}" for name, count in zip(names, counts, strict=True)]
        elif unit == "steps" or counts[0] not in (None, 1):
            heading += f", {counts[0]} {unit}"
    return heading, names


def _ratio(row: Row) -> str:
    if row.skipped or row.ratio is None:
        return MISSING if row.ok else "wrong"
    return number(row.ratio)


def _grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
