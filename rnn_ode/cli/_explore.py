"""`rnn-ode explore`: a page on which to drag a network's eigenvalues."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from .._base.stop import tell
from ._app import app, job
from ._options import Json
from ._result import check_files, print_result


@app.command("explore")
def explore_command(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="File of a matrix or a network, of at most 16 units. Without it: one multiplier, 0.5."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Name of the matrix in the file. Without it: the recurrent matrix, or the only square one."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    as_json: Json = False,
) -> None:
    """Show a page on which to drag a network's eigenvalues, and see the network beside its flows. Ctrl-C ends it.

    The page is served to this machine alone, and needs no network.
    """
    from .._explore.schur import first_state
    from .._explore.server import server
    from ..interop import read_matrix

    with job(context):
        check_files(reads={"": file})
        first = None if file is None else first_state(read_matrix(file, key).astype(float))
        with server(port, first) as page:
            address = f"http://127.0.0.1:{page.server_port}/"
            print_result(as_json, {"address": address}, f"The explorer is at {address} until you press Ctrl-C.")
            tell(lambda: "The explorer is closed.")
            if browser:
                webbrowser.open(address)
            page.serve_forever()
