"""The command `rnn-ode`: one subcommand per job. With `--json` standard output holds one JSON object and nothing else."""

# each adds its command
from . import _analyse, _bench, _compare, _explore, _forecast, _memory, _resample, _spectrum, _sweep  # noqa: F401
from ._app import app as app
