"""The command itself, and what all of its jobs do alike: say what is wrong, or what was kept, in one line."""

import contextlib
import errno
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import jax
import typer
from rich.console import Console
from rich.text import Text

from .._base.stop import deferred, tell

app = typer.Typer(
    name="rnn-ode",
    help="Recurrent networks and their differential equations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]


@app.callback()
def main() -> None:
    """Recurrent networks and their differential equations. Everything is computed in float64, except training (float32)."""
    jax.config.update("jax_enable_x64", True)


def nothing_kept() -> str:
    return "Stopped; nothing was kept: run the same command again."


@contextlib.contextmanager
def job(
    context: typer.Context, kept: Callable[[], str] = nothing_kept, names: Mapping[str, str] | None = None
) -> Iterator[None]:
    """What the user got wrong is one line on standard error and status 2, not a traceback; Ctrl-C says what was `kept`.

    Errors that begin with the name of a function's argument name the option of that name instead, or what `names` says.
    """
    options = {str(parameter.name): parameter.opts[0] for parameter in context.command.params}
    tell(kept)
    try:
        yield
    except KeyboardInterrupt:  # the command is called from Python, where Ctrl-C raises
        messages.print(Text(kept()), soft_wrap=True)
        raise typer.Exit(130) from None
    except (ValueError, TypeError, OSError, ImportError) as error:
        say("error", "red", _in_terms_of(options | dict(names or {}), _plain(error)))
        raise typer.Exit(2) from None


def finish(text: str) -> None:
    """The last of standard output, which Ctrl-C does not cut short."""
    with deferred():
        typer.echo(text)
        tell(lambda: "Stopped when all was done: nothing is missing.")


def say(kind: str, colour: str, text: str) -> None:
    """A line on standard error. What users typed is in it: neither markup nor emoji codes are read in a `Text`."""
    messages.print(Text.assemble((f"{kind}:", colour), f" {text}"), soft_wrap=True)


_SYSTEM = {
    errno.ENOENT: "there is no such file or folder",
    errno.EISDIR: "a file is wanted; that is a folder",
    errno.EACCES: "permission denied",
    errno.ENOSPC: "the disk is full",
}


def _plain(error: Exception) -> str:
    """What an error says, without the system's numbers."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    words = _SYSTEM.get(error.errno, (error.strerror or "it failed").lower())
    return f"{words}." if error.filename is None else f"{error.filename}: {words}."


def _in_terms_of(options: Mapping[str, str], text: str) -> str:
    """The text, with options for the arguments of functions that it begins with, as in `rate must be above 0`."""
    match = re.match(r"[A-Za-z_, ]{1,60}?(?= (must|cannot|needs) )", text)
    if match is None:
        return text
    subject = re.sub(r"[A-Za-z_]+", lambda word: options.get(word[0], word[0]), match[0])
    return subject + text[match.end() :]
