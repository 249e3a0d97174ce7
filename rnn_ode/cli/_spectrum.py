"""`rnn-ode spectrum`: what the eigenvalues of a matrix say."""

from pathlib import Path
from typing import Annotated

import typer

from ._app import app, job
from ._options import Json
from ._progress import progress
from ._result import check_files, fitted, print_result


@app.command("spectrum")
def spectrum_command(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="File of a matrix, or of a network with one recurrent matrix: .npz, .npy, .json, .safetensors, .csv or .txt."
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(help="Name of the matrix in the file. Without it: the recurrent matrix, or the only square one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the eigenvalues of a matrix say about the network and about each continuous counterpart."""
    from .._analyses.spectrum import spectrum
    from ..interop import read_matrix

    with job(context):
        check_files(reads={"": file})
        W = read_matrix(file, key).astype(float)
        with progress("eigenvalues"):
            found = spectrum(W)
            data, tables = found.to_dict(), found.tables()
        print_result(as_json, data, fitted(tables))
