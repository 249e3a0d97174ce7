"""Text of a csv file: its records, how their cells are separated, and whether the first record is a header.

A record is a line, or several lines if a quoted cell goes over them. Blank lines and lines that begin with `#` are skipped,
and so is a first line `sep=;` of Excel, which tells the separator.
Files are read line by line, so their size does not matter.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path

from .._files.atomic import as_path, check_regular
from ._csv_cells import Spelling, kind, spelling_of
from ._series import PathLike

_LONGEST = 64 << 20  # bytes of a line
_MOST_COLUMNS = 10_000
HEAD = 1000  # records from which separator, decimal mark and header are found
_SEPARATORS = (",", ";", "\t", "|", " ")
_NONE = "\x1f"  # separates nothing: there is one column
_NAMES = {_NONE: "commas", ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}

Record = tuple[int, str]  # number of its first line, from 1, and text without the line's end

_ZIP = b"PK\x03\x04"
_OTHER_FILES = {
    b"\x93NUMPY": "an array of NumPy (npy); write it as csv, in NumPy by savetxt(…, load(…), delimiter=',')",
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64"), "a sound file (wav); rnn_ode.audio and rnn-ode resample read it"),
    **dict.fromkeys((b"fLaC", b"OggS"), "a sound file; rnn_ode.audio reads it"),
    b"\x89HDF\r\n\x1a\n": "an HDF5 or NetCDF file; write its table as csv, in pandas by read_hdf(…).to_csv(…)",
    b"%PDF": "a PDF; save its table as csv",
    _ZIP: "a zip archive or an Excel workbook; unpack it, or save the sheet as csv",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as csv",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"PAR1": "a Parquet file; write it as csv, in pandas by read_parquet(…).to_csv(…)",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    **dict.fromkeys((b"{", b"[{", b"[[", b"[\n"), "JSON; write it as csv, in pandas by read_json(…).to_csv(…)"),
    **dict.fromkeys((b"<!", b"<?xml", b"<html", b"<HTML"), "HTML or XML; save its table as csv"),
}


def records(path: PathLike) -> Iterator[Record]:
    """Yield the records that are not blank. `ValueError` for a file of another kind and for bytes that are not UTF-8."""
    check_regular(as_path("path", path))
    with open(path, "rb") as file:
        _check_kind(path, file.peek(512)[:512].removeprefix(codecs.BOM_UTF8))
        parts, first = [], 1
        for number, line in enumerate(_lines(path, file), 1):
            text = _decoded(path, number, line)
            if number == 1 and _told_separator(text) is not None:
                continue
            if not parts:
                if not text.strip() or text.lstrip().startswith("#"):
                    continue
                first = number
            parts.append(text)
            if sum(part.count('"') for part in parts) % 2 == 0:
                yield first, "\n".join(parts)
                parts = []
        if parts:
            raise ValueError(
                f"{path}, line {first}: a quoted cell begins there and does not end; got {parts[0][:60]!r}."
            )


def _lines(path: PathLike, file: io.BufferedReader) -> Iterator[bytes]:
    """The lines of a file. Those of a file without line feeds end with carriage returns. `ValueError` for a very long one."""
    begin = file.peek()
    returns = b"\r" in begin and b"\n" not in begin
    lines = iter(file.read(_LONGEST + 1).split(b"\r")) if returns else iter(lambda: file.readline(_LONGEST + 1), b"")
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST or (returns and file.tell() > _LONGEST):
            raise ValueError(f"{path}, line {number}: a line of at most {_LONGEST >> 20} MiB is read; this is longer.")
        yield line


def separator_in(path: PathLike) -> str | None:
    """The separator that a first line such as `sep=;` tells, or `None`. Excel writes and reads it."""
    check_regular(as_path("path", path))
    with open(path, "rb") as file:
        return _told_separator(file.readline(20).removeprefix(codecs.BOM_UTF8).decode(errors="replace").rstrip("\r\n"))


def _told_separator(line: str) -> str | None:
    match = re.fullmatch(r'"?sep=([^\w\s"]|\t)"?', line, re.IGNORECASE)
    return match[1] if match else None


def _check_kind(path: PathLike, begin: bytes) -> None:
    """`ValueError` for a file that is no text by its first bytes."""
    found = next((what for magic, what in _OTHER_FILES.items() if begin.startswith(magic)), None)
    if begin.startswith(_ZIP) and _first_name(begin).endswith(b".npy"):
        found = "an archive of arrays of NumPy (npz); write one of them as csv, in NumPy by savetxt(…, delimiter=',')"
    if found is None and b"\0" in begin:
        found = "a binary file of a kind that is not known here, or text in UTF-16; save it as csv in UTF-8"
    if found is not None:
        raise ValueError(f"{path}: a csv file is wanted; this is {found}.")


def _first_name(begin: bytes) -> bytes:
    """The name of the first file in a zip archive."""
    return begin[30 : 30 + int.from_bytes(begin[26:28], "little")]


def _decoded(path: PathLike, number: int, line: bytes) -> str:
    if number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: not UTF-8 text; got byte 0x{line[error.start]:02x}. Save the file as UTF-8."
        ) from None
    if "\0" in text:
        raise ValueError(f"{path}, line {number}: text is wanted; this is a binary file.")
    return text.rstrip("\r\n")


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    **Fields:** `sep`, the separator, " " for any white space; `spelling`, of numbers and missing values; `header`, whether
    the first record names the columns; `width`, the number of columns; `chosen`, whether the user gave `sep`.
    """

    sep: str
    spelling: Spelling
    header: bool
    width: int

    def cells(self, text: str) -> list[str]:
        """The cells of a record."""
        if self.sep == " ":
            return text.split()
        if '"' not in text:
            return [cell.strip() for cell in text.split(self.sep)]
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=self.sep, skipinitialspace=True)
        return [cell.strip() for cell in next(rows)]

    def separated(self) -> str:
        """How the cells are separated, in words."""
        return f"separated by {_NAMES.get(self.sep, repr(self.sep))}"


def dialect_of(
    path: PathLike,
    head: list[Record],
    sep: str | None,
    decimal: str | None,
    na: Iterable[str],
    header: bool | None,
) -> Dialect:
    """Find out how a file is written from its first records; what the user gave is not asked."""
    for number, text in head:
        if max(map(text.count, _SEPARATORS)) >= _MOST_COLUMNS:
            raise ValueError(f"{path}, line {number}: at most {_MOST_COLUMNS:,} columns are read; this line has more.")
    if sep is not None and len(sep) != 1:
        raise ValueError(f"sep must be one character, such as ';' or a tab; got {sep!r}.")
    found = [_tried(head, one, decimal, na) for one in ((sep, _NONE) if sep else (*_SEPARATORS, _NONE))]
    several = [trial for trial in found if trial.width > 1 and trial.sep != " "]  # those in the first record
    regular = [trial for trial in found if trial.regular and (trial.width > 1 or (trial.sep == _NONE and not several))]
    # the first of equals; if all records have unequal lengths, the separator that the first record has
    best = max(regular, key=lambda trial: trial.share) if regular else [*several, found[-1]][0]
    if best.spelling.doubt:
        number = next(number for (number, _), row in zip(head, best.rows, strict=True) if best.spelling.doubt in row)
        raise ValueError(
            f"{path}, line {number}: {best.spelling.doubt!r} may be a whole number or one with a fraction, and nothing in "
            "the file tells which. Give decimal, '.' or ','."
        )
    has_header = looks_like_header(best.rows, best.spelling) if header is None else header
    return Dialect(best.sep, best.spelling, has_header, best.width)


@dataclass(frozen=True)
class _Trial:
    """The first records, read with one separator; `share` of the cells below the first record are no text."""

    sep: str
    rows: list[list[str]]
    spelling: Spelling
    share: float

    @property
    def width(self) -> int:
        return len(self.rows[0])

    @property
    def regular(self) -> bool:
        return all(len(row) == self.width for row in self.rows)


def _tried(head: list[Record], sep: str, decimal: str | None, na: Iterable[str]) -> _Trial:
    as_is = Dialect(sep, Spelling("."), False, 0)
    rows = [as_is.cells(text) for _, text in head]
    below = [cell for row in rows[1:] or rows for cell in row]
    columns = list(zip_longest(*(rows[1:] or rows), fillvalue=""))
    spelling = spelling_of(columns, decimal, na, sep)
    understood = sum(kind(cell, spelling) != "text" for cell in below)
    return _Trial(sep, rows, spelling, understood / max(1, len(below)))


def looks_like_header(rows: list[list[str]], spelling: Spelling) -> bool:
    """Whether the first row names the columns.

    It does if it is text above values, or nothing but text, or distinct integers or dates above values of another kind. If
    there is text among them, or they are years, most values of a column must be of another kind, and else all. Text and
    years in a row are names above any values, and years alone above values that are no years. A number with a fraction is a
    name only beside text above values.
    """
    first, *below = rows
    kinds = [kind(cell, spelling) for cell in first]
    below = [row for row in below if len(row) == len(first)]
    columns = list(zip(*below, strict=True)) or [()] * len(first)
    unders = [Counter(kind(cell, spelling) for cell in column) for column in columns]
    for counts in unders:
        del counts["missing"]
    pairs = list(zip(kinds, unders, strict=True))
    if any(above == "text" and under and "text" not in under for above, under in pairs):
        return True
    if "number" in kinds:
        return False
    if "text" in kinds and not {"integer", "date"} & set(kinds):
        return True  # names alone
    named = [cell for cell, above in zip(first, kinds, strict=True) if above != "missing"]
    if not named or len(set(named)) < len(named):
        return False
    if kinds[0] == "missing" and columns[0] and all(kind(cell, spelling) != "missing" for cell in columns[0]):
        return True  # an index without a name, as pandas writes it
    years = _are_years(first, kinds) and not any(
        _are_years(row, [kind(cell, spelling) for cell in row]) for row in below
    )
    if years and ("text" in kinds or not any(_is_year(cell) for row in below for cell in row)):
        return True
    most = years or "text" in kinds
    return any(
        above in ("integer", "date") and under and (2 * under[above] < under.total() if most else not under[above])
        for above, under in pairs
    )


def _is_year(cell: str) -> bool:
    return bool(re.fullmatch(r"\d{4}(?:\.0*)?", cell)) and 1500 <= float(cell) < 2500


def _are_years(row: list[str], kinds: list[str]) -> bool:
    """Whether the integers of a row are years that follow each other, two or more."""
    years = [int(cell) for cell, one in zip(row, kinds, strict=True) if one == "integer"]
    return len(years) > 1 and 1500 <= years[0] < 2500 and all(b - a == 1 for a, b in pairwise(years))


def checked_records(path: PathLike, dialect: Dialect) -> Iterator[Record]:
    """Yield the records below the header. `ValueError` with the line of one that has another number of cells."""
    rows = records(path)
    if dialect.header:
        next(rows)
    for number, text in rows:
        width = len(dialect.cells(text))
        if width != dialect.width:
            raise ValueError(
                f"{path}, line {number}: every row must have as many cells, {dialect.separated()}, as the first, "
                f"{dialect.width}; got {width}: {text[:200]!r}. Leave out lines that are not part of the table."
            )
        yield number, text


class Stream(io.TextIOBase):
    """Records as a file that pandas reads. `lines` are the numbers of the lines that were read."""

    def __init__(self, rows: Iterator[Record]):
        self.rows, self.lines, self.rest = rows, [], ""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        size = -1 if size is None else size
        parts, length = [self.rest], len(self.rest)
        for number, text in self.rows:
            self.lines.append(number)
            parts.append(f"{text}\n")
            length += len(parts[-1])
            if 0 <= size <= length:
                break
        whole = "".join(parts)
        cut = len(whole) if size < 0 else size
        self.rest = whole[cut:]
        return whole[:cut]

    def __iter__(self) -> Iterator[str]:
        for number, text in self.rows:
            self.lines.append(number)
            yield f"{text}\n"


def stem(path: PathLike) -> str:
    """The name of the file without its folder and its end."""
    return Path(path).stem
