"""`rnn-ode spectrum`: what the eigenvalues of a matrix say."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .._analyses.spectrum import spectrum
from .._files.atomic import check_readable
from ..interop import read_matrix
from ._app import Json, app, finish, job
from ._common import progress


@app.command("spectrum")
def spectrum_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File of a matrix or a network: .npz, .npy, .json, .safetensors, .csv or .txt.")
    ],
    key: Annotated[
        str | None,
        typer.Option(help="Name of the matrix in the file. Without it: the recurrent matrix, or the only square one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the eigenvalues of a matrix say about the network and about each continuous counterpart."""
    with job(context):
        check_readable("the file", file)
        W = read_matrix(file, key).astype(float)
        with progress("eigenvalues"):
            s = spectrum(W)
            text = json.dumps(s.to_dict(), allow_nan=False) if as_json else s.table()
        finish(text)
