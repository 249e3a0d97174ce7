"""The pages of the site: their examples run, the reference is complete, and the links lead somewhere."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_ode

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "notebooks" not in page.parts)
RUN = [page for page in PAGES if page.name != "irregular.md" and "```python" in page.read_text(encoding="utf-8")]
SCRIPT = """
import pathlib, re, sys
for path in sys.argv[1:]:
    namespace = {"__name__": "page"}
    for block in re.finditer(r"^```python\\n(.*?)^```", pathlib.Path(path).read_text(encoding="utf-8"), re.M | re.S):
        exec(compile(block[1], path, "exec"), namespace)
    print("ran", pathlib.Path(path).name)
"""


@pytest.mark.slow
def test_the_examples_of_the_pages_run(tmp_path):
    """One process for all of them, without the configuration of the tests. `test_intervals` runs those of irregular.md."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "EQX_"))}
    env |= {"PYTHONPATH": str(Path(rnn_ode.__file__).parents[1]), "JAX_PLATFORMS": "cpu", "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", SCRIPT, *map(str, RUN)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("ran ")] == [
        f"ran {page.name}" for page in RUN
    ]
    verdicts = "0.5 DECAYS GROWS\n-2.0 GROWS DECAYS\n"  # what idea.md says beside its example
    assert verdicts in done.stdout


def public_names() -> set[str]:
    names = {f"rnn_ode.{name}" for name in dir(rnn_ode) if name not in (*rnn_ode._MODULES, "__version__")}
    for place in rnn_ode._MODULES:
        module = importlib.import_module(f"rnn_ode.{place}")
        own = {name: thing for name, thing in vars(module).items() if not name.startswith("_")}
        names |= {
            f"rnn_ode.{place}.{name}"
            for name, thing in own.items()
            if (inspect.isclass(thing) or inspect.isfunction(thing))
            and str(thing.__module__).startswith(f"rnn_ode.{place}")
        }
    return names


def test_the_reference_has_every_public_name():
    text = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    listed = set(re.findall(r"auto(?:class|function):: (\S+)", text))
    # `logm` is at the root, and in the module where it is described
    assert public_names() - listed - {"rnn_ode.logm", "rnn_ode.linalg.logm"} == set()
    assert {name for name in listed if name not in public_names()} - {"rnn_ode.logm", "rnn_ode.linalg.logm"} <= {
        "rnn_ode.interop.read_arrays",
        "rnn_ode.interop.write_arrays",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
    for tree in re.findall(r"```\{toctree\}\n(.*?)```", text, re.S):
        entries = [line.strip() for line in tree.splitlines() if line.strip() and not line.startswith(":")]
        names = [re.sub(r".*<(.*)>", r"\1", entry) for entry in entries if entry != "*"]
        assert [name for name in names if not (page.parent / f"{name}.md").exists()] == []


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_nb")
    pytest.importorskip("pydata_sphinx_theme")
    env = os.environ | {"PYTHONPATH": str(Path(rnn_ode.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rnn_ode.iterate" in (tmp_path / "api" / "running.html").read_text(encoding="utf-8")
