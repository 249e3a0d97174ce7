"""The lock file and the lower bounds belong to each other."""

import re

from ledger import audit, versions
from packaging.version import Version


def test_every_requirement_is_locked_at_its_lower_bound_or_above():
    locked = audit.pins()
    for requirement in versions.requirements():
        name, bound = requirement.split(">=")
        assert Version(locked[name]) >= Version(bound), requirement


def test_the_lock_file_has_versions_and_nothing_of_the_machine_that_wrote_it():
    for line in audit.LOCK.read_text(encoding="utf-8").splitlines()[1:]:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line), line


def test_the_oldest_set_has_one_exact_version_of_each_library():
    oldest = versions.oldest()
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", one) for one in oldest) and len(oldest) == len(set(oldest)) > 20
