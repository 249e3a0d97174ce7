"""Where memory ends, the error says how much was wanted and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_ode

LITTLE = """
import resource, sys
import jax, jax.numpy as jnp, numpy as np
import rnn_ode as ro
from rnn_ode import cli
cell = ro.VanillaCell(0.5 * jnp.eye(64), jnp.ones((64, 1)), jnp.zeros(64))
ro.iterate(cell, jnp.zeros((2, 1)), throw=False)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1_500_000_000, -1))
"""
LIBRARY = (
    LITTLE
    + """
try:
    ro.iterate(cell, jnp.zeros((20_000_000, 1)))
except MemoryError as error:
    print(error)
"""
)
COMMAND = (
    LITTLE
    + """
np.save(sys.argv[1], np.zeros(3))
from rnn_ode import interop
interop.read_matrix = lambda *path: np.zeros((40_000, 40_000))
cli.app(["spectrum", sys.argv[1]])
"""
)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits on memory are set as Linux has them")
@pytest.mark.parametrize(("script", "status"), [(LIBRARY, 0), (COMMAND, 1)], ids=["library", "command"])
def test_too_large_a_run_says_how_much_it_wanted(script, status, tmp_path):
    env = os.environ | {"PYTHONPATH": str(Path(rnn_ode.__file__).parents[1])}
    command = [sys.executable, "-c", script, tmp_path / "a.npy"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == status, done.stderr[-2000:]
    told = done.stdout if status == 0 else done.stderr
    assert "not enough memory:" in told and "GB were asked for at once. Give fewer steps" in " ".join(told.split())
    assert "Traceback" not in done.stderr
