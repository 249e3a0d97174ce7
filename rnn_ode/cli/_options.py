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
WITHOUT_ACTIVATION = (
    "Without it: what the file of the network says; where it says nothing, tanh for PyTorch's names of arrays and relu "
    "for W_h, W_x, b. A random network has tanh."
)


class Channel(StrEnum):
    left = "left"
    right = "right"
    mix = "mix"
    each = "each"


class Recurrent(StrEnum):
    shifted = "shifted"
    orthogonal = "orthogonal"
    gaussian = "gaussian"
    identity = "identity"
    antisymmetric = "antisymmetric"


# Names, for help without JAX. Case does not matter.

SERIES = ("co2", "elec_equip", "elnino", "lorenz", "nile", "pendulum", "sunspots", "van_der_pol")
MODELS = (
    "tanh", "orthogonal", "irnn", "rnn", "antisymmetric", "cornn", "gru", "lstm", "gru-ode", "neural-ode",
)  # fmt: skip
METHODS = (
    "textbook", "forward:ORDER", "backward:ORDER", "tustin", "exact", "exact:complex", "exact:anchored",
    "exact:complex:anchored",
)  # fmt: skip
CASES = (
    "iterate", "lstm", "gru", "gradient", "lstm_gradient", "gru_gradient", "sequence", "integrate",
    "integrate_linear_input", "linear", "long", "noise", "integrate_gradient", "scheme", "evolve", "stream",
    "fixed_points", "basins", "lyapunov", "orbit", "orbits", "eig", "train", "import", "first", "compare", "parallel",
    "newton", "sweep", "lowering",
)  # fmt: skip
FILL = ("linear", "season", "previous")
SCALING = ("series", "last", "level", "window")
LOSS = ("mse", "mae", "gaussian", "student", "quantile")
SCHEDULE = ("cosine", "constant", "exponential", "warmup")
QUESTIONS = ("verdicts", "exponent", "fixed-points", "memory")
TASKS = ("adding", "copy", "order", "flip-flop")

# The result.

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else.")]
FigureFile = Annotated[Path, typer.Option(help="File of the figure: .png, .pdf or .svg.")]

# A network from a file, or a random one.

WEIGHT_FILES = "File of the network: .npz, .json, .safetensors, .nam or .aidax."
Weights = Annotated[Path | None, typer.Option(help=f"{WEIGHT_FILES} Without it: a random network.")]
Prefix = Annotated[
    list[str] | None,
    typer.Option(
        help="What stands before the names of the recurrent layers in the file, such as `rec.`. Can be repeated: all layers "
        "before the readout, in their order. Without it: found."
    ),
]
Readout = Annotated[
    list[str] | None,
    typer.Option(
        help="What stands before the names of the readout in the file, such as `lin.`; `none` for none. Can be repeated: "
        "its layers, in their order. Without it: found."
    ),
]
Between = Annotated[
    Activation | None,
    typer.Option(
        metavar="NAME",
        case_sensitive=False,
        help="The function after each linear layer but the last one, where the file does not say it: "
        f"{', '.join(Activation)}.",
    ),
]
Hidden = Annotated[int, typer.Option(min=1, help="Number of units of the random network.")]
Gain = Annotated[float, typer.Option(help="The random recurrent matrix is multiplied by this number.")]
RecurrentKind = Annotated[
    Recurrent,
    typer.Option(
        metavar="KIND",
        case_sensitive=False,
        help=f"Kind of the random recurrent matrix: {', '.join(Recurrent)}. A shifted one is 5/8 I + 3/8 Q with a random "
        "orthogonal Q: every multiplier has a positive real part, so that each method exists.",
    ),
]
