"""The command `rnn-ode`, and how it reports errors and Ctrl-C: by one line, in the same way for all subcommands."""

import contextlib
import errno
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from .._base.memory import memory_error
from .._base.stop import deferred, tell
from .._base.version import __version__
from ._cache import VARIABLE, keep_compiled

app = typer.Typer(
    name="rnn-ode",
    help="Recurrent networks and their differential equations.",
    epilog=f"Most of a short run is compiling. With {VARIABLE}=1 in the environment, compiled programs are kept in your "
    f"cache folder, and later runs start sooner. {VARIABLE}=FOLDER keeps them in that folder.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True)
screen = Console(highlight=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rnn-ode {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Recurrent networks and their differential equations. Everything is computed in float64, except training (float32)."""


def nothing_kept() -> str:
    return "Stopped; nothing was kept: run the same command again."


@contextlib.contextmanager
def job(
    context: typer.Context, kept: Callable[[], str] = nothing_kept, names: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a subcommand's block. An error of the user is printed as one line, with exit status 2 and without a traceback.

    If the text of the error begins with the name of a function's argument, the option of that name is printed instead, or
    what `names` gives for the argument. So it is where the text advises to give an argument. On Ctrl-C the text of `kept` is
    printed: it says what was kept.
    """
    _set_up_jax()
    options = options_of(context)
    tell(kept)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _COMPLEX, UserWarning)
            yield
    except KeyboardInterrupt:  # the command was called from Python, where Ctrl-C raises
        messages.print(Text(kept()), soft_wrap=True)
        raise typer.Exit(130) from None
    except (ValueError, TypeError, OSError, ImportError) as error:
        say("error", "red", with_advice(context, _with_options(options | dict(names or {}), _in_words(error))))
        raise typer.Exit(2) from None
    except (MemoryError, RuntimeError) as error:
        if (told := memory_error(error)) is None:
            raise
        say("error", "red", str(told))
        raise typer.Exit(1) from None


def options_of(context: typer.Context) -> dict[str, str]:
    """The options of a subcommand by the names of its arguments."""
    return {str(parameter.name): parameter.opts[0] for parameter in context.command.params}


def _set_up_jax() -> None:
    """The settings of all commands. Help, version and completion do without JAX, which takes a second to import."""
    import jax

    jax.config.update("jax_enable_x64", True)
    keep_compiled(os.environ.get(VARIABLE, ""), partial(say, "warning", "yellow"))


def finish(text: str | Text) -> None:
    """Print the last text on standard output. Ctrl-C does not cut it short."""
    with deferred():
        if isinstance(text, Text):
            screen.print(text, soft_wrap=True)
        else:
            typer.echo(text)
        tell(lambda: "Stopped after all was done: nothing is missing.")


def say(kind: str, colour: str, text: str) -> None:
    """Print a line on standard error, which a terminal breaks at spaces.

    Markup and emoji codes in it, which users may have typed, are printed as they are.
    """
    messages.print(Text.assemble((f"{kind}:", colour), f" {text}"), soft_wrap=not messages.is_terminal)


def was_given(context: typer.Context, name: str) -> bool:
    """Whether an option was typed."""
    return str(context.get_parameter_source(name)).endswith("COMMANDLINE")


def mention_unused(context: typer.Context, cause: str, *names: str) -> None:
    """Print a note if one of these options was given: it does nothing, for this cause."""
    options = options_of(context)
    given = [options[name] for name in names if was_given(context, name)]
    if given:
        say("note", "yellow", f"{', '.join(given)} {'does' if len(given) == 1 else 'do'} nothing {cause}.")


_COMPLEX = (
    "Complex dtype support in Diffrax"  # of diffrax; exact:complex is held to the network's own states by the tests
)
_SYSTEM = {
    errno.ENOENT: "there is no such file or folder",
    errno.EISDIR: "a file is wanted; that is a folder",
    errno.EACCES: "permission denied",
    errno.ENOSPC: "the disk is full",
}


def _in_words(error: Exception) -> str:
    """The text of an error. An error of the system is told in words, without its number."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    words = _SYSTEM.get(error.errno, (error.strerror or "it failed").lower())
    return f"{words}." if error.filename is None else f"{error.filename}: {words}."


def _with_options(options: Mapping[str, str], text: str) -> str:
    """The text with an option in place of each argument at its beginning, as in `rate must be above 0`."""
    match = re.match(r"[A-Za-z_, ]{1,60}?(?= (must|cannot|needs) )", text)
    if match is None:
        return text
    subject = re.sub(r"[A-Za-z_]+", lambda word: options.get(word[0], word[0]), match[0])
    return subject + text[match.end() :]


def with_advice(context: typer.Context, text: str) -> str:
    """The text with an option in place of each argument that it advises to give or to leave out, as in `give sep`."""
    options = {name: option for name, option in options_of(context).items() if option.startswith("--")}
    if not options:
        return text
    names, verbs = "|".join(options), "[Gg]ive|[Ll]eave|needs"
    text = re.sub(rf"\b({names})='(\w+)'", lambda found: f"{options[found[1]]} {found[2]}", text)
    return re.sub(rf"\b({verbs}) ({names})\b", lambda found: f"{found[1]} {options[found[2]]}", text)
