"""The command `rnn-ode`: one subcommand per job. With `--json` standard output holds one JSON object and nothing else."""

from . import _analyse, _bench, _compare, _forecast, _memory, _resample, _spectrum  # noqa: F401  (they add themselves)
from ._app import app as app
