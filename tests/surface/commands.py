"""The subcommands of `rnn-ode`, each with one valid call, and wrong values for every option and argument of it.

They run in this process, by the command's own `main`. A call holds if it prints one JSON object without NaN, or ends with
status 2 and one error that names the option or the value, without a traceback.
"""

import json
import os
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import HTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import typer
from surface.files import PLACES, SERIES, _wav, no_files
from surface.judge import Outcome, names, of_error
from typer.testing import CliRunner

from rnn_ode.cli import app

VALID = {
    "analyse": ["--weights", "net.npz"],
    "bench": ["--case", "iterate", "--hidden", "2", "--steps", "2", "--repeats", "2", "--no-peers"],
    "compare": ["--input", "series.csv", "--weights", "net.npz", "--method", "exact"],
    "explore": ["net.npz", "--no-browser"],
    "forecast": ["long.csv", "--model", "gru", "--hidden", "2", "--history", "3", "--members", "1", "--steps", "2"],
    "memory": ["--cell", "gru", "--lag", "10", "--seeds", "1", "--hidden", "2", "--steps", "1"],
    "resample": [
        "--weights",
        "net.npz",
        "--input",
        "tone.wav",
        "--out",
        "out.wav",
        "--to",
        "12000",
        "--trained",
        "8000",
    ],
    "spectrum": ["net.npz"],
    "sweep": ["verdicts", "--gain", "0.5:1:2", "--seeds", "1", "--hidden", "2"],
}

NAMES = [f"rnn-ode {name}" for name in VALID]

WORDS = (
    "no such thing", "", " ", "nan", "inf", "-inf", "-1", "0", "1", "2", "0.5", "1e400", "1e300", "1e-300", str(10**12),
    str(10**30), "9" * 5000, "0x10", "½", "--", "a:b:c", "1:2", "0:1:0", "0:1:nan", "[red]", "\udcff", "../..", "x" * 300,
)  # fmt: skip


@dataclass
class Command:
    """A subcommand, and a folder with the files of its valid call."""

    name: str
    folder: Path
    few = 100  # cases of a command that takes long

    def __call__(self, arguments: list[str] | None = None) -> Any:
        """Run the command with the arguments of the valid call, or others. What would wait for a user does not."""
        command = self.name.removeprefix("rnn-ode ")
        wide, here = jax.config.jax_enable_x64, os.getcwd()
        _write(self.folder)
        os.chdir(self.folder)
        try:
            with mock.patch.object(HTTPServer, "serve_forever"), mock.patch.object(webbrowser, "open"):
                return CliRunner().invoke(app, [command, *(arguments or VALID[command]), "--json"])
        finally:
            os.chdir(here)
            jax.config.update("jax_enable_x64", wide)

    def cases(self) -> Iterator[tuple[str, str, Callable[[], Outcome]]]:
        """The option, the label of the value, and a call that is judged, for every wrong value of every option."""
        name = self.name.removeprefix("rnn-ode ")
        for parameter in typer.main.get_command(app).commands[name].params:
            option = parameter.opts[0] if parameter.opts[0].startswith("-") else ""
            for label, value in (*((word[:20], word) for word in WORDS), *self._files()):
                arguments = _with(VALID[name], option, value, getattr(parameter, "is_flag", False))
                said = (
                    *parameter.opts,
                    *parameter.secondary_opts,
                    parameter.name,
                    parameter.name.upper(),
                    *[value] * (len(value) > 3),
                )
                yield option or parameter.name, label, lambda a=arguments, s=said, v=value: self.judged(a, s, v)

    def _files(self) -> list[tuple[str, str]]:
        """What may stand in the place of a file: no file, or one of another kind."""
        others = ("empty.npz", "random.npz", "random.csv", "net.npz", "series.csv", "tone.wav", "nowhere/out.png")
        return [
            *((kind, str(Path(kind.replace(" ", "_")) / "file.npz")) for kind in PLACES),
            *zip(others, others, strict=True),
        ]

    def judged(self, arguments: list[str], said: tuple[str, ...], value: str = "") -> Outcome:
        """How the command ends. An error that begins with the value, as with the name of a file, names it."""
        try:
            ended = self(arguments)
        except Exception as error:
            return of_error(error, ())
        text = " ".join(ended.stderr.split())
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            outcome = of_error(ended.exception, ())
            return Outcome(outcome.fault or "an exception leaves the command", outcome.text)
        if ended.exit_code == 0:
            return _of_output(ended.stdout)
        if ended.exit_code == 1 and "memory" in text:
            return Outcome("", text)
        if ended.exit_code != 2 or ended.stdout or "Traceback" in text:
            return Outcome("no documented end", f"status {ended.exit_code}: {ended.stdout[:100]} {text[-300:]}")
        named = bool(value.strip()) and text.startswith(
            f"error: {value.encode(errors='backslashreplace').decode().strip()}: "
        )
        named = (
            named
            or repr(value) in text
            or any(word in text if word.startswith("-") or len(word) > 20 else names(word, text) for word in said)
        )
        return Outcome("" if named else "does not name the option", text)


def command(name: str) -> Command:
    """The command of this name, such as "rnn-ode spectrum", in a folder of its own."""
    folder = Path(tempfile.mkdtemp())
    list(no_files(folder, "file.npz"))
    return Command(name, folder)


def _write(folder: Path) -> None:
    """The files of the valid calls, written anew: a call may have overwritten one."""
    np.savez(folder / "net.npz", W_h=np.diag([0.5, 0.6]), W_x=np.ones((2, 1)), b=np.zeros(2))
    (folder / "series.csv").write_text(SERIES)
    rows = "".join(f"{1900 + k},{k % 7 + k / 9}\n" for k in range(60))
    (folder / "long.csv").write_text("year,flow\n" + rows)
    _wav(folder / "tone.wav")
    (folder / "empty.npz").write_bytes(b"")
    for name in ("random.npz", "random.csv"):
        (folder / name).write_bytes(np.random.default_rng(0).bytes(300))


def _with(valid: list[str], option: str, value: str, flag: bool) -> list[str]:
    """The arguments with another value of an option, or of the first argument; a flag with a value."""
    if not option:
        return (
            ["--", value, *valid[1:]]
            if value.startswith("-") and value != "--" and len(valid) == 1
            else [value, *valid[1:]]
        )
    if flag:
        return [*valid, f"{option}={value}"]
    if option in valid:
        place = valid.index(option) + 1
        return [*valid[:place], value, *valid[place + 1 :]]
    return [*valid, option, value]


def _of_output(text: str) -> Outcome:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        for line in filter(None, text.splitlines()):
            json.loads(line, parse_constant=refuse)
    except ValueError:
        try:
            json.loads(text, parse_constant=refuse)
        except ValueError as error:
            return Outcome("no JSON object without NaN", f"{error}: {text[:200]}")
    return Outcome("", "printed a result")
