"""Random wrong changes of the code, and how many the tests of a subject notice. It needs `pip install cosmic-ray`.

`MUTATION_FILE` names the file to which results are appended, so that a run that was stopped goes on, and `MUTATION_COUNT` the
number of changes of each subject.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mutants

FILE = Path(os.environ.get("MUTATION_FILE", "mutation.jsonl"))
COUNT = os.environ.get("MUTATION_COUNT", "100")
KNOWN = 30  # changes of each subject for which tests were written before they were counted


def record() -> dict[str, Any]:
    for tests in ("quick", "slow"):
        subprocess.run([sys.executable, mutants.__file__, str(FILE), COUNT, tests], check=True)
    return recorded(mutants.stored(FILE))


def recorded(stored: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The record of the changes that are stored, as far as they are drawn from the code as it is."""
    about = (
        f"A change is drawn with the seed {mutants.SEED}: a random place outside annotations, and there one of the changes "
        "that Cosmic Ray knows, such as another operator or number. It is noticed if a test of the subject fails, does not "
        "end in time, or cannot be imported: a quick test, or else a slow one. Every change that was not noticed was read. "
        "After that a test was written, or the code was made simpler, or the change is equivalent: "
        "`tests/ledger/equivalent.json` says why no test can notice it. A change that still is not noticed stands in the "
        "table. A subject holds if 85 % of the changes that are not equivalent are noticed. A subject with fewer than "
        f"{COUNT} changes has no more places. How many new changes were noticed when they were first tried says what to "
        f"expect of others. The first {KNOWN} of each subject were known from an earlier run, and are not new. Tests were "
        "written between the parts of the run, so that some changes met tests that were written for others."
    )
    rows = [_row(subject, stored, mutants.drawn(subject, int(COUNT))) for subject in mutants.SUBJECTS]
    return {"about": about, "rows": [row for row in rows if row["times"]]}


def _row(subject: str, stored: dict[str, dict[str, Any]], drawn: list[mutants.Mutant]) -> dict[str, Any]:
    found, new = ([stored[one.name] for one in part if one.name in stored] for part in (drawn, drawn[KNOWN:]))
    same = [one for one in found if one["outcome"] == "survived" and _is_equivalent(one)]
    open_ones = [one for one in found if one["outcome"] == "survived" and not _is_equivalent(one)]
    noticed = len(found) - len(same) - len(open_ones)
    quick = sum(one["outcome"] != "survived" and one["tests"] == "quick" for one in found)
    new = [one for one in new if one not in same]
    first = sum(one["first"] != "survived" for one in new)
    told = f"{noticed} noticed, {quick} of them by quick tests; {len(same)} equivalent; {len(open_ones)} not noticed"
    told += "".join(f"; {_place(one)}" for one in open_ones)
    told += f"; of {len(new)} new ones that are not equivalent, {first} noticed when they were first tried"
    holds = noticed >= 0.85 * (len(found) - len(same))
    tried = f"random wrong changes, tests of {', '.join(mutants.SUBJECTS[subject][1])}"
    return {"subject": subject, "tried": tried, "times": len(found), "found": told, "holds": holds}


def _is_equivalent(one: dict[str, Any]) -> bool:
    return (one["file"], one["after"]) in mutants.equivalent()


def _place(one: dict[str, Any]) -> str:
    return f"{one['file'].removeprefix('rnn_ode/')}, line {one['line']}: `{one['after']}`"
