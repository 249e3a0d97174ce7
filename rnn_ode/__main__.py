"""The entry point of `rnn-ode` and of `python -m rnn_ode`, which says what to install where the app extra is missing."""

import os
import sys


def main() -> None:
    """Run the command line; without the `app` extra, say how to install it and exit with status 1."""
    # BLAS threads that spin while XLA's work cost more than they bring at these sizes
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import matplotlib  # noqa: F401
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        sys.exit(f"rnn-ode needs {error.name}, which comes with the app extra: pip install 'rnn_ode[app]'")
    from ._cli import app

    app()


if __name__ == "__main__":
    main()
