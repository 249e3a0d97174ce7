"""An audit of the libraries that the package uses: licence, date of the locked release, known advisories.

The licence is what the library says of itself. The date is the latest of the files in its wheel; builders that make the same
bytes anew set no date. Advisories are asked of pip-audit in an environment of its own.
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "requirements.lock"
TRIED = "licence, date and known advisories of the locked version"


def pins() -> dict[str, str]:
    """The versions in the lock file, by name."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def audit(requirements: list[str]) -> list[dict[str, Any]]:
    """A row for each requirement."""
    locked = pins()
    wanted = {name: locked[name] for name in (re.split("[<>=]", one)[0].lower() for one in requirements)}
    with tempfile.TemporaryDirectory() as folder:
        advisories = _advisories(wanted, Path(folder))
        exact = [f"{name}=={version}" for name, version in wanted.items()]
        options = ["--no-deps", "--only-binary", ":all:", "-d", folder]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", *options, *exact], check=True, capture_output=True
        )
        about = dict(_about(wheel) for wheel in Path(folder).glob("*.whl"))
    return [_row(name, wanted[name], *about[name], advisories.get(name)) for name in wanted]


def _row(name: str, version: str, licence: str, date: str, known: list[str] | None) -> dict[str, Any]:
    told = "advisories could not be asked" if known is None else ", ".join(known) or "no known advisory"
    found, holds = f"{licence}; {date}; {told}", "in part" if known is None else not known
    return {"subject": f"{name} {version}", "tried": TRIED, "times": 1, "found": found, "holds": holds}


def _about(wheel: Path) -> tuple[str, tuple[str, str]]:
    """The name of a library, its licence and its date."""
    with zipfile.ZipFile(wheel) as files:
        name = next(name for name in files.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = Parser().parsestr(files.read(name).decode())
        latest = max(file.date_time[:3] for file in files.infolist())
    classified = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License")
    ]
    first = (metadata["License"] or "").strip().partition("\n")[0]
    licence = metadata["License-Expression"] or ", ".join(classified) or first or "no licence stated"
    # the dates that builders set for all files of all releases
    unset = latest in {(1980, 1, 1), (2016, 1, 1), (2020, 2, 2)}
    date = "its wheel has no date" if unset else "of {}-{:02}-{:02}".format(*latest)
    return metadata["Name"].lower().replace("_", "-"), (licence, date)


def _advisories(wanted: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """The known advisories by library, of those libraries for which pip-audit reaches a source."""
    listed, own = folder / "wanted.txt", folder / "python"
    listed.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items()), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", own], check=True)
    subprocess.run([own / "bin" / "pip", "install", "-q", "pip-audit"], check=True, capture_output=True)
    asked = [own / "bin" / "pip-audit", "-r", listed, "--no-deps", "--disable-pip", "-f", "json"]
    done = subprocess.run(asked, capture_output=True, text=True)
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {}
    return {one["name"]: [known["id"] for known in one["vulns"]] for one in answers if "vulns" in one}
