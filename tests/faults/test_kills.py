"""Jobs that are killed at random moments lose nothing that they reported, and end with the bytes of one that nobody kills.

Quick tests of the same are beside each job: `tests/learn/training`, `tests/learn/memory`, `tests/sweep`, `tests/bench`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_ode

KILLS = Path(__file__).parent / "kills.py"
JOBS = ("training", "resampling", "sweep", "benchmark", "study")


def killed(job, count, folder, seed=0):
    """What `kills.py` says. Compiled programs are kept from one attempt to the next."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    env = os.environ | cache | {"PYTHONPATH": str(Path(rnn_ode.__file__).parents[1])}
    command = [sys.executable, KILLS, job, str(count), str(seed), folder]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.thorough
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.skipif(os.name != "posix", reason="jobs are forked")
def test_a_job_killed_at_twenty_moments_loses_nothing(job, tmp_path):
    assert killed(job, 20, tmp_path)["kills"] == 20
