"""Rows kept in a file as they come, so that an interrupted benchmark goes on where it was."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._files.atomic import check_regular, written_beside
from . import _machine
from ._rows import Row

KIND = "rows of rnn_ode.bench"


class Kept:
    """The rows of a run by part (a case at a size), and the file that keeps them. Without a path nothing is kept.

    **Raises:** `ValueError` for a file of another kind, and for that of a run with other settings: arguments, machine,
    versions or code.
    """

    def __init__(self, path: str | Path | None, arguments: dict[str, Any]):
        self.path = None if path is None else Path(path)
        self.parts: dict[str, list[Row]] = {}
        if self.path is None:
            return
        self.settings = {**arguments, "machine": _machine.description(), **_machine.versions(), "code": _code()}
        if self.path.exists():
            self.parts = _read(self.path, self.settings)

    def rows(self, part: str, measure: Callable[[], list[Row]]) -> list[Row]:
        """The rows of a part: those in the file, or those measured now, which are added to it."""
        if part not in self.parts:
            self.parts[part] = measure()
            self._write()
        return self.parts[part]

    def _write(self) -> None:
        if self.path is None:
            return
        parts = {part: [row.to_dict() for row in rows] for part, rows in self.parts.items()}
        with written_beside(self.path) as beside:
            text = json.dumps({"kind": KIND, "settings": self.settings, "parts": parts}, allow_nan=False)
            beside.write_text(text, encoding="utf-8")


def _read(path: Path, settings: dict[str, Any]) -> dict[str, list[Row]]:
    """The rows in a file by part. `ValueError` if it is damaged or has other settings."""
    check_regular(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["kind"] != KIND:
            raise ValueError
        theirs = dict(stored["settings"])
        parts = {part: [Row.from_dict(fields) for fields in rows] for part, rows in stored["parts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path}: not a file of {KIND}, or damaged; remove it or give another.") from None
    for name in {**settings, **theirs}:
        if theirs.get(name) != settings.get(name):
            raise ValueError(
                f"{path}: the run there has {name} {theirs.get(name)!r}, this one {settings.get(name)!r}; give another file."
            )
    return parts


def _code() -> str:
    """A fingerprint of this package's files, so that rows of other code are refused."""
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
