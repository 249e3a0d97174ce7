"""The ledger: `python tests/ledger SECTION …` measures sections and stores them, `python tests/ledger` writes the page.

A section is a module beside this file with `record()`, which returns plain values:
{"command", "machine", "date", "rows": [{"subject", "tried", "times", "found", "holds"}]}. "published" has other columns, and
any section may have "about", a sentence or two for its head. What of the first three is missing is filled in here.
"""

import datetime
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
# the package, and what the tests share; not this folder, whose files have the names of folders there
sys.path[:] = [str(HERE.parents[1]), str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

from ledger import page  # noqa: E402


def record(section: str) -> dict:
    """What a section's module measures now."""
    from rnn_ode.bench._machine import description

    found = section_module(section).record()
    found = {
        "command": f"python tests/ledger {section}",
        "machine": description(),
        "date": datetime.date.today().isoformat(),
    } | found
    page.check(section, found)
    return found


def section_module(section: str):
    spec = importlib.util.spec_from_file_location(f"ledger_{section}", HERE / f"{section}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(sections: list[str]) -> None:
    known = [name for name in page.SECTIONS if (HERE / f"{name}.py").exists()]
    if unknown := [name for name in sections if name not in known]:
        sys.exit(f"no section {', '.join(unknown)}; there are {', '.join(known)}")
    for section in sections:
        page.store(section, record(section))
    page.PAGE.write_text(page.render(page.stored()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
