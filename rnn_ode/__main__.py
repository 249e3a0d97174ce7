"""The entry point of `rnn-ode` and of `python -m rnn_ode`."""

import os
import signal
import sys
from importlib.util import find_spec
from types import FrameType


def main() -> None:
    """Run the command. Without the `app` extra, print how to install it and exit with status 1."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop_early)
    from ._base.stop import end_with, watch

    watch()
    # at these sizes, BLAS threads that spin while XLA works cost more time than they save
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for name in ("matplotlib", "rich", "typer"):
        if find_spec(name) is None:
            sys.exit(
                f"rnn-ode needs {name}, which comes with the app extra: pip install '.[app]' in a clone of rnn_ode"
            )
    from .cli import app

    try:
        app()
    except SystemExit as ended:
        end_with(ended.code)
        raise


def _stop_early(number: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C until the module that handles it is imported."""
    os.write(2, b"Stopped before the work began; run the same command again.\n")
    os._exit(128 + number)


if __name__ == "__main__":
    main()
