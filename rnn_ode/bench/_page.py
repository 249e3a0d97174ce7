"""The tables of a Markdown page, each between two comments: the first one has the options of the command that made it."""

import datetime
import itertools
from collections.abc import Sequence
from pathlib import Path

from .._base.text import MISSING, number
from .._base.version import __version__
from .._files.atomic import written_beside
from . import _machine
from ._rows import Row, machines, races, seconds

_END = "<!-- end of bench -->"


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
    text = page.read_text(encoding="utf-8") if page.exists() else ""
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
    lines = []
    for race in group:
        ours, *others = race
        its = {row.contender: _ratio(row) for row in others}
        lines.append([_name(ours), seconds(ours.median_s), *(its.get(name, MISSING) for name in names[1:])])
    return _grid([_of_names(group), names[0], *names[1:]], lines)


def _name(row: Row) -> str:
    part = row.case.removeprefix(_subject(row)).strip(", ")
    if part or row.hidden is None:
        return part or row.case
    return f"{row.hidden} × {row.batch}, {row.steps}" + (f", {row.inputs}" if row.inputs not in (None, 1) else "")


def _of_names(group: list[list[Row]]) -> str:
    """The heading of `_name`."""
    first = group[0][0]
    if any(_name(race[0])[:1].isalpha() for race in group):
        return ""
    return "units × batch, steps" + (", inputs" if first.inputs not in (None, 1) else "")


def _ratio(row: Row) -> str:
    if row.skipped or row.ratio is None:
        return MISSING if row.ok else "wrong"
    return number(row.ratio)


def _grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
