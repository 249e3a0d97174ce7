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
from surface.files import FORMATS, STORED
from surface.test_files import faults, store_faults

OUT = Path(tempfile.gettempdir()) / "rnn_ode_surface.jsonl"
STORES = 200  # damages of each file of a store
SECONDS = float(os.environ.get("SURFACE_SECONDS", 3600))


def record() -> dict:
    from surface import calls, commands

    walk.drive(str(OUT), [*sorted(calls.THINGS), *commands.NAMES], SECONDS)
    rows = [*_arguments(walk.made(str(OUT))), *_files()]
    about = (
        "One valid call of each function is taken from the example in its documentation. One argument at a time is replaced. "
        "A call holds if it ends in an error that names the argument, or in a result in which what is not known has a label. "
        f"All wrong values are tried of a call that takes at most {walk.SLOW:g} s, {walk.FEW} of a slower call, and "
        f"{commands.Command.few} of a slower subcommand, drawn with its name as the seed. What the walk has not reached yet "
        "is not in the table. "
        "The walk goes on where it ended, so this record is of several runs. Where something was found, it was mended, and "
        "the argument was tried again. The changelog says what was found."
    )
    return {"about": about, "rows": rows}


def _arguments(found: list[dict]) -> list[dict]:
    """One row for the functions of a module, and one for each subcommand."""
    groups = defaultdict(list)
    for row in found:
        name = row["call"].partition("|")[0]
        module = name.partition(".")[0] if "." in name and name[0].islower() else "rnn_ode"
        groups[name if name.startswith("rnn-ode ") else module].append(row)
    return [
        {
            "subject": f"options of `{module}`" if module.startswith("rnn-ode ") else _counted_names(module, rows),
            "tried": "NaN, infinite, negative, enormous, empty, text; files of other kinds, folders, pipes, devices, links"
            if module.startswith("rnn-ode ")
            else "wrong shapes, types, NaN, infinity, empty, negative, enormous, text, None, objects, traced values",
            "times": len(rows),
            "found": _counted(Counter(row["fault"] for row in rows if row["fault"])),
            "holds": _share(sum(not row["fault"] for row in rows), len(rows)),
        }
        for module, rows in sorted(groups.items())
    ]


def _counted_names(module: str, rows: list[dict]) -> str:
    return f"arguments of `{module}`, {len({row['call'].split('|')[0] for row in rows})} functions and methods"


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
    for inner in STORED:
        with tempfile.TemporaryDirectory() as folder:
            count, found = store_faults(Path(folder), inner, STORES)
        rows.append(
            {
                "subject": f"the store of a sweep: `{inner}`",
                "tried": "cut or changed at places that are spread over the file; the sweep is run again",
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
