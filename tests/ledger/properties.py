"""The section "properties": random cases, with statements that must be true of them all."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("RNN_ODE_PROPERTY_SECONDS", "60")
ABOUT = (
    f"Every property is tried for at most {SECONDS} seconds of processor time after its first case. The cases differ from "
    "run to run, and so do the sizes where the time is too short to compile for all of them. The tests run the same "
    "properties with fewer cases. What they find is mended, and is a test of its own."
)


def record() -> dict:
    files = sorted((ROOT / "tests" / "properties").glob("test_*.py"))
    command = f"RNN_ODE_PROPERTY_SECONDS={SECONDS} python tests/ledger properties"
    return {"about": ABOUT, "command": command, "rows": [row(**one) for file in files for one in tried(file)]}


def tried(file: Path) -> list[dict]:
    """What the properties of a file tried in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "thorough", str(file)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "RNN_ODE_PROPERTIES": str(report)}, check=False)
        return json.loads(report.read_text(encoding="utf-8"))


def row(subject: str, property: str, times: int, found: str, outcome: str) -> dict:
    return {
        "subject": subject.replace("_", " "),
        "tried": property.removeprefix("test_").replace("_", " "),
        "times": times,
        "found": found or ("nothing" if outcome == "passed" else "a case that contradicts it"),
        "holds": outcome == "passed",
    }
