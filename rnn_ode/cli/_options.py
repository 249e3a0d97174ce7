"""Options that several subcommands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Activation(StrEnum):
    relu = "relu"
    tanh = "tanh"
    sigmoid = "sigmoid"
    none = "none"


ACTIVATION = f"Activation: {', '.join(Activation)}."


class Recurrent(StrEnum):
    shifted = "shifted"
    orthogonal = "orthogonal"
    gaussian = "gaussian"
    identity = "identity"
    antisymmetric = "antisymmetric"


# The result.

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]
FigureFile = Annotated[Path, typer.Option(help="File of the figure: .png, .pdf or .svg.")]

# A network from a file, or a random one.

Weights = Annotated[
    Path | None, typer.Option(help="File of the network: .npz, .json or .safetensors. Without it: a random network.")
]
Hidden = Annotated[int, typer.Option(min=1, help="Number of units of the random network.")]
Gain = Annotated[float, typer.Option(help="The random recurrent matrix is multiplied by this number.")]
RecurrentKind = Annotated[
    Recurrent,
    typer.Option(metavar="KIND", help=f"Kind of the random recurrent matrix: {', '.join(Recurrent)}."),
]

# A csv file.

Columns = Annotated[
    list[str] | None, typer.Option(help="A column of the csv file: its name, or its number from 0. Can be repeated.")
]
