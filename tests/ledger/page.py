"""The page of the ledger, from the stored records alone."""

import json
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORED = ROOT / "docs" / "ledger"
PAGE = ROOT / "docs" / "trust.md"

# In the order of the page: the title of a section, and what was done there in one sentence.
SECTIONS = {
    "properties": (
        "Random cases",
        "Random networks, matrices and inputs, with statements that must be true of them all.",
    ),
    "published": ("Published values", "Values that others published or that follow on paper, calculated here."),
    "surface": (
        "Wrong input",
        "Wrong arguments of public functions, one at a time, and damaged files. The rows name the modules that were walked.",
    ),
    "faults": ("Interruptions", "Runs that were killed, and disks and memory that were full."),
    "mutation": ("Wrong code", "Single wrong changes in the code of the package, which its tests must notice."),
    "versions": ("Versions and repeated runs", "The same program in other versions, processes and numbers of threads."),
}
COLUMNS = ("subject", "tried", "times", "found", "holds")
HEADS = ("what was tested", "what was tried", "times", "what was found", "holds")
PUBLISHED = ("subject", "value", "source", "ours", "difference", "status")
PUBLISHED_HEADS = ("quantity", "published value", "source", "ours", "difference", "status")

WORDS = {  # of a count of published values, by their status
    "agrees": "agree",
    "agrees in part": "agree with one of two published values",
    "published value is inexact": "inexact in print, as another calculation shows",
    "not compared": "could not be compared",
    "differs": "differ",
}

HEAD = """# What was tried to prove the package wrong

This package was attacked on purpose. This page says what was tried, how often, what was found, and what holds now.
Scripts measured every number on it, and a script wrote the page. A section says where its record was put together from
several runs.
"""
SUMMARY = """
| attack | what was tried | rows | trials | rows that hold | in part, or not |
|---|---|---|---|---|---|
"""
FOOT = """
A row that does not hold stays here until the package is mended. A row that holds in part says why. The
[changelog](changelog.md) says what was wrong and what it means for results that you have. The numbers are stored in
`docs/ledger`, one file a section. In a clone of the repository, `python tests/ledger SECTION` measures a section anew, and
`python tests/ledger` writes this page.
"""


def stored() -> dict[str, dict]:
    """The stored records, by section, in the order of the page."""
    files = {name: STORED / f"{name}.json" for name in SECTIONS}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}


def store(section: str, record: dict) -> None:
    STORED.mkdir(exist_ok=True)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (STORED / f"{section}.json").write_text(text, encoding="utf-8")


def check(section: str, record: dict) -> None:
    """Raise a `ValueError` where a record is not as the page needs it."""
    wanted = {"command", "machine", "date", "rows"}
    if missing := wanted - record.keys():
        raise ValueError(f"the record of {section} lacks {sorted(missing)}")
    if not record["rows"]:
        raise ValueError(f"the record of {section} has no rows")
    columns = PUBLISHED if section == "published" else COLUMNS
    for number, row in enumerate(record["rows"]):
        if missing := set(columns) - row.keys():
            raise ValueError(f"row {number} of {section} lacks {sorted(missing)}: {row}")
        if section != "published" and not (isinstance(row["holds"], bool | str) and isinstance(row["times"], int)):
            raise ValueError(f"row {number} of {section}: holds is True, False or a text, times an int; got {row}")


def render(records: dict[str, dict]) -> str:
    summary = "".join(_line(_summary(name, record)) for name, record in records.items())
    return HEAD + SUMMARY + summary + FOOT + "".join(_section(name, record) for name, record in records.items())


def holds(section: str, row: dict) -> bool:
    """Whether a row holds without reservation. A published value that another calculation shows to be inexact is no fault of
    ours."""
    good = ("agrees", "published value is inexact")
    return row["status"].split(":")[0] in good if section == "published" else row["holds"] is True


def _summary(name: str, record: dict) -> tuple:
    title, what = SECTIONS[name]
    rows = record["rows"]
    good = sum(holds(name, row) for row in rows)
    trials = sum(row.get("times", 1) for row in rows)
    return f"[{title}](#{_anchor(title)})", what, len(rows), f"{trials:,}", good, len(rows) - good


def _section(name: str, record: dict) -> str:
    title, what = SECTIONS[name]
    about = record.get("about", "")
    made = f"Made on {record['date']} by `{record['command']}` on {record['machine']}."
    text = f"\n## {title}\n\n{what} {about}".rstrip() + f"\n\n{made}\n"
    if name != "published":
        return text + _table(HEADS, [[row[key] for key in COLUMNS] for row in record["rows"]])
    text += "\n" + _statuses(record["rows"])
    for part in dict.fromkeys(row.get("part", "") for row in record["rows"]):
        rows = [row for row in record["rows"] if row.get("part", "") == part]
        text += f"\n### {part}\n\n{_statuses(rows)}"
        text += _table(PUBLISHED_HEADS, [[row[key] for key in PUBLISHED] for row in rows])
    return text


def _statuses(rows: list[dict]) -> str:
    """How many rows have each status, up to a colon, after which a status gives its reason."""
    counts = Counter(row["status"].split(":")[0] for row in rows).most_common()
    return (
        f"{len(rows)} values. "
        + "; ".join(f"{WORDS[status]}: {count}" for status, count in counts).capitalize()
        + ".\n"
    )


def _table(heads: tuple, rows: list) -> str:
    return "\n" + _line(heads) + "|" + "---|" * len(heads) + "\n" + "".join(map(_line, rows))


def _line(cells) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |\n"


def _cell(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:.8g}"
    return " ".join(f"{value:,}".split() if isinstance(value, int) else str(value).split()).replace("|", "\\|")


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
