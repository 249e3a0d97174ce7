"""Quick tests in fresh environments with the oldest and the newest libraries that pyproject.toml allows, on several Pythons.

`bash .ci/versions` runs it, one environment after the other, in folders that are removed. The oldest libraries are the lower
bounds of pyproject.toml, exactly; the newest are what pip chooses today. Then one program runs in several processes, on
several threads and devices (`tests/repeats.py`), and the libraries are audited (`audit.py`).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.audit import audit
from repeats import WAYS, fingerprints

ROOT = Path(__file__).parents[2]
TRIED = (("3.11", "oldest"), ("3.11", "newest"), ("3.12", "newest"), ("3.13", "oldest"), ("3.13", "newest"))
SHOWN = ("jax", "diffrax", "equinox", "optimistix", "numpy")

# a minute of quick tests, which use every library of the extras but PyTorch
SMOKE = (
    "tests/test_package.py",
    "tests/test_audio.py",
    "tests/linalg/test_linalg.py",
    "tests/bridge/test_schemes.py",
    "tests/run/test_integrate.py",
    "tests/resampling/test_resampled.py",
    "tests/analyses/test_spectrum.py",
    "tests/files/test_arrays.py",
    "tests/datasets/test_csv.py",
    "tests/interop/test_flax.py",
    "tests/learn/checkpoints/test_checkpoint.py",
    "tests/learn/forecast/test_classical.py",
    "tests/learn/training/test_batches.py",
    "tests/sweep/test_sweep.py",
    "tests/explore/test_explorer.py",
    "tests/bench/test_keep.py",
    "tests/plot/test_pages.py",
    "tests/cli/test_result.py",
    "tests/cli/test_spectrum.py",
)


def record() -> dict[str, Any]:
    about = (
        "Then the licence, the date and the known advisories of the libraries in requirements.lock. The advisories are asked "
        "of pip-audit; where it reaches none of its sources, the row holds in part."
    )
    rows = [*(_row(python, age) for python, age in TRIED), *_repeated(), *audit(requirements())]
    return {"command": "bash .ci/versions", "about": about, "rows": rows}


def _repeated() -> list[dict[str, Any]]:
    """Whether one program gives the same bytes however it is run."""
    first, *others = WAYS
    wanted = fingerprints(first)
    return [_compared(way, wanted, fingerprints(way)) for way in others]


def _compared(way: str, wanted: dict[str, str], found: dict[str, str]) -> dict[str, Any]:
    unlike = [name for name in wanted if found[name] != wanted[name]]
    told = "the same bytes in all" if not unlike else f"the same bytes in all but {', '.join(unlike)}"
    tried = "runs, analyses and a training, compared with a run in another process"
    return {"subject": way, "tried": tried, "times": len(wanted), "found": told, "holds": not unlike or "in part"}


def requirements(extra: str = "test") -> list[str]:
    """The requirements of the package with an extra, and with the extras that this one names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, waiting = list(project["dependencies"]), [extra]
    while waiting:
        for requirement in project["optional-dependencies"][waiting.pop()]:
            if match := re.fullmatch(r"rnn_ode\[(.+)\]", requirement):
                waiting += match[1].split(",")
            elif requirement not in found:
                found.append(requirement)
    return found


def oldest() -> list[str]:
    """Each requirement at its lower bound."""
    return [requirement.replace(">=", "==") for requirement in requirements()]


def _row(python: str, age: str) -> dict[str, Any]:
    """What the quick tests say in one environment."""
    subject, exact = f"Python {python}, {age} libraries", _find(python)
    if exact is None:
        return _answer(subject, 0, "no such Python on this machine", "not tried")
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "bin" / "python"
        chosen = oldest() if age == "oldest" else requirements()
        install = [own, "-m", "pip", "install", "-q", "--only-binary", ":all:", *chosen]
        for step in ([exact, "-m", "venv", folder], install):
            done = _run(step)
            if done.returncode:
                return _answer(subject, 0, f"not installed: {_last(done.stderr)}", False)
        # old libraries use names that newer ones have deprecated since; their warnings are no errors of ours
        tests = ["-p", "no:cacheprovider", "-m", "not slow", *(["-W", "default"] if age == "oldest" else []), *SMOKE]
        done = _run([own, "-m", "pytest", "-q", *tests])
        if done.returncode:
            print(done.stdout[-5000:], file=sys.stderr)
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)}
        found = ", ".join(f"{number} {word}" for word, number in counts.items())
        ran = sum(number for word, number in counts.items() if word != "skipped")
        return _answer(f"{subject}: {_versions(own)}", ran, found or _last(done.stdout), done.returncode == 0)


def _answer(subject: str, times: int, found: str, holds: bool | str) -> dict[str, Any]:
    print(subject, "|", found, file=sys.stderr, flush=True)
    tried = f"the quick tests of {len(SMOKE)} files"
    return {"subject": subject, "tried": tried, "times": times, "found": found, "holds": holds}


def _run(command: list[Any]) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing of this environment but what finds the network and the package."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "XLA_", "VIRTUAL_ENV"))}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=own | {"PYTHONPATH": str(ROOT)})


def _last(text: str) -> str:
    """The last line of a message, without addresses."""
    lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
    return re.sub(r"\S*://\S*", "…", lines[-1])[:200]


def _find(python: str) -> str | None:
    """The path of a Python of this version that runs; pyenv has shims that do not."""
    for candidate in _candidates(python):
        try:
            return subprocess.run(
                [candidate, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def _candidates(python: str) -> Iterator[str]:
    yield f"python{python}"
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(root.glob(f"versions/{python}.*/bin/python")))


def _versions(python: Path) -> str:
    """The versions of the libraries in words."""
    ask = f"import importlib.metadata as m, json; print(json.dumps([m.version(name) for name in {SHOWN}]))"
    found = json.loads(_run([python, "-c", ask]).stdout)
    return ", ".join(f"{name} {version}" for name, version in zip(SHOWN, found, strict=True))
