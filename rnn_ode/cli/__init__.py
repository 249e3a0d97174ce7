"""The command `rnn-ode`: one subcommand per job. With `--json` standard output holds one JSON object and nothing else."""

from . import _analyse, _bench, _compare, _explore, _forecast, _memory, _resample, _spectrum  # noqa: F401  (each adds its command)
from ._app import app as app
