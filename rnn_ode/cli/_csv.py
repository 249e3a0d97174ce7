"""Options that say how a csv file is read, which several subcommands have."""

from typing import Annotated, Any

import typer

from ._app import mention_unused
from ._options import FILL

LAST_COLUMN = "the last column of numbers"
Columns = Annotated[
    list[str] | None,
    typer.Option(
        help=f"A column of the csv file: its name, or its number from 0. Can be repeated. Without it: {LAST_COLUMN}."
    ),
]
Index = Annotated[
    str | None,
    typer.Option(
        help='The column of times; "none" for none. Without it: the first column of dates, or the first column if it '
        "increases."
    ),
]
Dates = Annotated[
    str | None, typer.Option(help="The format of the dates, such as %d.%m.%Y. Without it: the one that fits.")
]
Sep = Annotated[str | None, typer.Option(help="The separator of the file, one character. Without it: found.")]
Decimal = Annotated[str | None, typer.Option(help="The decimal mark, . or , . Without it: found.")]
Missing = Annotated[
    list[str] | None, typer.Option(help="A further text for a missing value, such as -999. Can be repeated.")
]
Header = Annotated[bool, typer.Option("--header", help="The first row names the columns. Without it: found.")]
NoHeader = Annotated[bool, typer.Option("--no-header", help="The first row is data.")]
Fill = Annotated[
    str | None,
    typer.Option(
        help=f"How to fill missing values and missing rows of a csv file: {', '.join(FILL)}. Without it they are refused."
    ),
]
FillSeason = Annotated[
    int | None,
    typer.Option("--season", min=1, help="Rows in a season, for --fill season. Without it: by the step of the dates."),
]

_NAMES = "index", "dates", "sep", "decimal", "na", "header", "no_header", "fill"


def mention_unused_of_csv(context: typer.Context, cause: str, *others: str) -> None:
    """Print a note if one of these options, or one of the `others`, was given: it does nothing, for this cause."""
    mention_unused(context, cause, "column", *others, *_NAMES)


def reading(context: typer.Context) -> dict[str, Any]:
    """The arguments of `load_csv` that the options of the subcommand say, but for the columns and the season."""
    given = {name: context.params[name] for name in _NAMES}
    no_header = given.pop("no_header")
    return given | {"na": given["na"] or (), "header": either("header", given["header"], no_header)}


def reading_with_season(context: typer.Context) -> dict[str, Any]:
    """`reading`, and the season that --fill season takes. If nothing takes it, a note says so."""
    given = reading(context)
    if given["fill"] != "season":
        mention_unused(context, "without --fill season", "season")
    return given | {"season": context.params["season"]}


def either(name: str, yes: bool, no: bool) -> bool | None:
    """What an option and its opposite say; `None` if neither was given."""
    if yes and no:
        raise ValueError(f"--{name} and --no-{name} cannot both be given.")
    return True if yes else False if no else None
