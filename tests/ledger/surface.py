"""The section "surface": wrong arguments of public functions, and damaged files.

The walk through all functions takes hours. It goes on where it ended, in a file of the folder for temporary files, for at
most `SURFACE_SECONDS`, which the environment may set.
"""

import json
import os
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path

from surface import walk
from surface.files import FORMATS
from surface.test_files import faults

OUT = Path(tempfile.gettempdir()) / "rnn_ode_surface.jsonl"
SECONDS = float(os.environ.get("SURFACE_SECONDS", 3600))


def record() -> dict:
    from surface import calls

    walk.drive(str(OUT), sorted(calls.THINGS), SECONDS)
    rows = [*_arguments(walk.made(str(OUT))), *_files()]
    about = (
        "One valid call of each function is taken from the example in its documentation. One argument at a time is replaced. "
        "A call holds if it ends in an error that names the argument, or in a result in which what is not known has a label. "
        "Functions that the walk has not reached yet are not in the table."
    )
    return {"about": about, "rows": rows}


def _arguments(found: list[dict]) -> list[dict]:
    """One row for the functions of a module."""
    groups = defaultdict(list)
    for row in found:
        name = row["call"].partition("|")[0]
        groups[name.partition(".")[0] if "." in name and name[0].islower() else "rnn_ode"].append(row)
    return [
        {
            "subject": f"arguments of `{module}`, {len({row['call'].split('|')[0] for row in rows})} functions and methods",
            "tried": "wrong shapes, types, NaN, infinity, empty, negative, enormous, text, None, objects, traced values",
            "times": len(rows),
            "found": _counted(Counter(row["fault"] for row in rows if row["fault"])),
            "holds": _share(sum(not row["fault"] for row in rows), len(rows)),
        }
        for module, rows in sorted(groups.items())
    ]


def _files() -> list[dict]:
    rows = []
    warnings.simplefilter("ignore")
    for name, form in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            count, found = faults(Path(folder) / name)
        rows.append(
            {
                "subject": f"a file: {form.name}",
                "tried": "cut after every byte, a bit of every byte changed, bytes in other orders, pipes, devices, links",
                "times": count,
                "found": _counted(Counter(text.partition(": ")[2][:40] for text in found)),
                "holds": not found,
            }
        )
    return rows


def _counted(kinds: Counter) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "nothing"


def _share(good: int, total: int) -> bool | str:
    return True if good == total else f"{good} of {total}"


if __name__ == "__main__":
    print(json.dumps(record(), indent=1))
