"""Numbers, tables and JSON of what the package reports."""

import dataclasses
import html
import itertools
import math
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MISSING = "–"
"""What a table shows for a value that is not there."""

WIDTH = 80
"""The columns of a terminal that a text fits in."""


def number(value: Any, digits: int = 3) -> str:
    """A number for a text, with so many significant digits: "–" for `None` and NaN, "∞" and "−∞" for infinities.

    The infinities that `plain` writes, "inf" and "-inf", are read as well. Zero has no sign.
    """
    if value is None or math.isnan(value := float(value)):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.{digits}g}"


def percent(share: float) -> str:
    """A share for a text, such as "90%" and "99.5%"."""
    return f"{100 * share:.4g}%"


def digits_of(times: Any, least: int) -> int:
    """How many significant digits tell the times of a run apart: more than `least` for a run that begins late."""
    first, last = float(times[0]), float(times[-1])
    span, size = abs(last - first), max(abs(first), abs(last))
    return least + int(math.log10(size / span)) if 0 < span < size else least


def fixed(value: float, places: int) -> str:
    """A number for a text, with so many decimal places; one that is not finite as `number` writes it. Zero has no sign."""
    return f"{round(value, places) + 0.0:.{places}f}" if math.isfinite(value) else number(value)


def complex_number(value: complex, digits: int = 3) -> str:
    """A complex number for a text, "0.5 + 0.2i"; without the imaginary part if that is 0."""
    real, imaginary = float(value.real), float(value.imag)
    if imaginary == 0 or math.isnan(real) or math.isnan(imaginary):
        return number(real, digits)
    return f"{number(real, digits)} {'+' if imaginary > 0 else '-'} {number(abs(imaginary), digits)}i"


def power_of_ten(exponent: int) -> str:
    """A power of ten for a text, such as "10⁻³"."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(value: Any, infinities: bool = False) -> Any:
    """A copy of a value that JSON can hold: arrays become lists, NaN becomes `None`.

    Infinities become `None` too, or with `infinities` the strings "inf" and "-inf". Complex numbers become pairs of real and
    imaginary part. Mappings, lists and tuples are copied with all that is in them; whole numbers, booleans and strings stay.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(entry, infinities) for key, entry in value.items()}
    if isinstance(value, complex):
        value = [value.real, value.imag]
    if isinstance(value, list | tuple):
        return [plain(entry, infinities) for entry in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return str(value) if infinities and math.isinf(value) else None


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a `Table`: its heading, its alignment ("<", ">" or "^"), and a sentence that says what is in it."""

    heading: str
    align: str = "<"
    says: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of words under headings: what a result shows of itself, as text and as HTML.

    `title` is a sentence above the rows, and `notes` are sentences below them. Without columns the table is these alone, and
    without headings it has no head. `hidden` is the number of rows that exist beyond these.
    """

    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    title: str = ""
    notes: tuple[str, ...] = ()
    hidden: int = 0

    def text(self, width: int = WIDTH, *, most: int | None = None, legend: bool = True) -> str:
        """Return the table as lines of at most `width` columns.

        A table that is too wide has its words broken over several lines at spaces, in the columns that have any. If that is
        not enough, the last columns follow below the others, each time with the first column again. `most` is the largest
        number of rows that are shown. `legend` says whether the sentences on the columns are shown.
        """
        parts = [wrapped(self.title, width), self._grid(width, most)]
        notes = "\n".join(wrapped(note, width) for note in self.notes)
        return "\n\n".join(filter(None, [*parts, notes, self._legend(width) if legend else ""]))

    def html(self, most: int = 200) -> str:
        """Return the table as HTML, with at most so many rows."""

        def cells(kind: str, words: Iterable[str]) -> str:
            aligned = zip(words, self.columns, strict=True)
            return "".join(f"<{kind} {_html_style(c)}>{html.escape(_clean(word))}</{kind}>" for word, c in aligned)

        hidden = self._hidden(most)
        notes = [*([_more(hidden)] if hidden > 0 else []), *self.notes]
        says = [f"{column.heading}: {column.says}" for column in self.columns if column.says]
        headings = [column.heading for column in self.columns]
        head = f"<thead><tr>{cells('th', headings)}</tr></thead>" if any(headings) else ""
        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in self.rows[:most])
        grid = f"<table>{head}<tbody>{body}</tbody></table>" if self.columns else ""
        parts = (
            _paragraph("strong", self.title.splitlines()),
            grid,
            _paragraph("span", notes),
            _paragraph("small", says),
        )
        return f"<div>{''.join(parts)}</div>"

    def _grid(self, width: int, most: int | None) -> str:
        """The head, a rule and the rows."""
        if not self.columns:
            return ""
        hidden = self._hidden(most)
        words = [[column.heading for column in self.columns], *self.rows[:most]]
        words = [[_clean(word) for word in row] for row in words]
        head = any(words[0])
        blocks = []
        for chosen in _blocks(words, width):
            columns = [self.columns[i] for i in chosen]
            lines = _aligned([[row[i] for i in chosen] for row in words], columns, width)
            blocks.append("\n".join(lines if head else lines[2:]))
        return "\n\n".join(blocks) + (f"\n{_more(hidden)}" if hidden > 0 else "")

    def _hidden(self, most: int | None) -> int:
        """The number of rows that are not shown, where at most so many are."""
        return self.hidden + (0 if most is None else max(len(self.rows) - most, 0))

    def _legend(self, width: int) -> str:
        """A sentence for each column that has one."""
        said = [column for column in self.columns if column.says]
        headings = [_clean(column.heading) for column in said]
        indent = max(map(_size, headings), default=0) + _GAP
        says = [_filled(column.says, max(width - indent, 1)).replace("\n", "\n" + " " * indent) for column in said]
        return "\n".join(_padded(heading, "<", indent) + text for heading, text in zip(headings, says, strict=True))


def wrapped(text: str, width: int = WIDTH) -> str:
    """A text in lines of at most that width, broken at spaces. Its own line breaks stay."""
    return "\n".join(_filled(line, width, break_on_hyphens=False) for line in text.splitlines())


def on_one_screen(tables: Sequence[Table], height: int = 30, width: int = WIDTH) -> str:
    """Return tables as text of at most that many lines: fewer rows first, then no sentences on the columns."""
    for most, legend in ((None, True), (10, True), (10, False), (6, False), (3, False), (1, False)):
        text = as_text(tables, width, most=most, legend=legend)
        if text.count("\n") < height:
            return text
    lines = text.splitlines()
    return "\n".join([*lines[: height - 1], f"… and {len(lines) - height + 1} more lines"])


def some_of(count: int, most: int) -> list[int]:
    """Return at most `most` of the numbers 0 … count − 1, evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def as_text(tables: Iterable[Table], width: int = WIDTH, **options: Any) -> str:
    """Return the texts of several tables, one below the other."""
    return "\n\n".join(table.text(width, **options) for table in tables)


def _more(hidden: int) -> str:
    return f"… and {hidden} more"


def _html_style(column: Column) -> str:
    side = {"<": "left", ">": "right", "^": "center"}[column.align]
    return f'style="text-align:{side};padding:0.1em 0.8em"'


def _paragraph(tag: str, lines: Sequence[str]) -> str:
    """Lines of a paragraph as HTML; nothing for none."""
    return f"<p><{tag}>{'<br/>'.join(map(html.escape, lines))}</{tag}></p>" if lines else ""


_GAP = 2  # spaces between columns


def _blocks(words: Sequence[Sequence[str]], width: int) -> Iterator[list[int]]:
    """Yield the numbers of the columns that stand beside each other. Every block but the first repeats column 0."""
    least = [max(map(_longest_word, column)) for column in zip(*words, strict=True)]
    block = [0]
    for i in range(1, len(least)):
        if sum(least[j] for j in [*block, i]) + _GAP * len(block) > width and len(block) > 1:
            yield block
            block = [0]
        block.append(i)
    yield block


def _aligned(words: Sequence[Sequence[str]], columns: Sequence[Column], width: int) -> list[str]:
    """The rows as lines, the head first and a rule under it, each column as wide as it wants or as the width allows."""
    widths = _widths(words, width)
    lines = []
    for row in words:
        cells = [_broken(text, room) for text, room in zip(row, widths, strict=True)]
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            filled = (_padded(part, c.align, room) for part, c, room in zip(parts, columns, widths, strict=True))
            lines.append((" " * _GAP).join(filled).rstrip())
        if row is words[0]:
            lines.append((" " * _GAP).join("─" * room for room in widths).rstrip())
    return lines


def _broken(text: str, room: int) -> list[str]:
    """A text in lines of at most that width, broken at spaces; a longer word ends in "…"."""
    lines = [""]
    for word in text.split():
        word = _shortened(word, room)
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _size(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _shortened(word: str, room: int) -> str:
    if _size(word) <= room:
        return word
    start = word[: room - 1]
    while _size(start) > room - 1:
        start = start[:-1]
    return start + "…"


def _widths(words: Sequence[Sequence[str]], width: int) -> list[int]:
    """The widths of columns: those of their longest texts, or less in the widest ones, first down to their longest words."""
    widths, least = ([max(map(size, column)) for column in zip(*words, strict=True)] for size in (_size, _longest_word))
    for _ in range(sum(widths) + _GAP * (len(widths) - 1) - width):
        shrinks = [i for i, room in enumerate(widths) if room > least[i]] or range(len(widths))
        widths[max(shrinks, key=widths.__getitem__)] -= 1
    return widths


def _longest_word(text: str) -> int:
    return max(map(_size, text.split()), default=0)


def _size(text: str) -> int:
    """The columns of a terminal that a text takes: two for a wide character, none for a combining mark."""
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.category(ch) in ("Mn", "Me") for ch in text)
    wide = sum(unicodedata.east_asian_width(ch) in "WF" for ch in text)
    return len(text) + wide - marks


def _padded(text: str, align: str, room: int) -> str:
    pad = {"<": str.ljust, ">": str.rjust, "^": str.center}[align]
    return pad(text, room + len(text) - _size(text))


def _filled(text: str, width: int, **options: Any) -> str:
    """`textwrap.fill` by columns: a filler behind each wide character makes it as long as it is wide."""
    filler = "\0"
    words = text if text.isascii() else "".join(ch + filler * (_size(ch) - 1) for ch in text)
    return textwrap.fill(words, width, **options).replace(filler, "")


def _clean(text: str) -> str:
    """A word of a table without control characters; line breaks and tabs become spaces."""
    return "".join(ch for ch in " ".join(text.split()) if ch.isprintable())
