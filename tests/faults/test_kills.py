"""Jobs that are killed at random moments lose nothing that they reported, and end with the bytes of one that nobody kills.

Quick tests of the same are beside each job: `tests/learn/training`, `tests/learn/memory`, `tests/sweep`, `tests/bench`.
"""

import os

import pytest
from kills import JOBS, killed


@pytest.mark.thorough
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.skipif(os.name != "posix", reason="jobs are forked")
def test_a_job_killed_at_twenty_moments_loses_nothing(job, tmp_path):
    assert killed(job, 20, tmp_path)["kills"] == 20
