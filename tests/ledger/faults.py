"""Jobs killed at random moments, and the tests of full disks, little memory, clocks and two runs on one file."""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from kills import JOBS, killed

ROOT = Path(__file__).parents[2]
COUNT = 100
TESTS = ("tests/faults", "tests/files/test_lock.py", "tests/files/test_atomic.py", "tests/sweep/test_sweep.py")
KINDS = "full or disk or cut_short or too_large or clock or second_run or each_other or locks or written or old_one"


def record() -> dict[str, Any]:
    about = (
        f"{len(JOBS)} jobs were killed by SIGKILL, {COUNT} times each, at moments drawn from the time of the whole job, "
        "and started again each time. At an end, the files are compared with those of a job that nobody killed, and the job "
        "begins anew. The table counts the ends."
    )
    with ThreadPoolExecutor() as pool:
        return {"about": about, "rows": [*pool.map(_killed, JOBS), *_tested()]}


def _killed(job: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = killed(job, COUNT, Path(folder))
        except AssertionError as error:
            return _row(job, COUNT, str(error).splitlines()[-1], False)
    text = f"nothing reported was lost; {found['ends']} ends, each with the bytes of an unbroken run"
    if job == "benchmark":
        text = f"no row that was kept was lost or changed; {found['ends']} ends"
    print(job, found, file=sys.stderr, flush=True)
    return _row(job, found["kills"], text, True)


def _row(job: str, times: int, found: str, holds: bool) -> dict[str, Any]:
    tried = "killed at a random moment, checked, and started again"
    return {"subject": job, "tried": tried, "times": times, "found": found, "holds": holds}


def _tested() -> list[dict[str, Any]]:
    """A row for each test, whose name says what holds."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.xml"
        kinds = ["-m", "(gate or not gate) and not thorough", "-k", KINDS]
        options = ["-q", "-p", "no:cacheprovider", *kinds, f"--junitxml={told}"]
        subprocess.run([sys.executable, "-m", "pytest", *options, *TESTS], cwd=ROOT, capture_output=True)
        cases = list(ElementTree.parse(told).iter("testcase"))
    by_name: dict[str, list[Any]] = {}
    for case in cases:
        by_name.setdefault(re.sub(r"^test_|\[.*", "", case.attrib["name"]).replace("_", " "), []).append(case)
    return [_of_tests(name, its) for name, its in by_name.items()]


def _of_tests(name: str, cases: list[Any]) -> dict[str, Any]:
    bad = sum(any(part.tag in ("failure", "error") for part in case) for case in cases)
    skipped = sum(any(part.tag == "skipped" for part in case) for case in cases)
    found = "it holds" if not bad + skipped else f"{bad} of {len(cases)} fail, {skipped} could not be tried"
    holds = not bad and (not skipped or "in part")
    return {"subject": name, "tried": "a test", "times": len(cases) - skipped, "found": found, "holds": holds}
