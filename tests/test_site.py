"""The pages of the site: their examples run, the reference is complete, and the links lead somewhere."""

import gc
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rnn_ode

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "notebooks" not in page.parts)
# `test_ode_rnn` runs the examples of irregular.md, and torch.md needs PyTorch
NOT_RUN = {"irregular.md"} | (set() if importlib.util.find_spec("torch") else {"torch.md"})
RUN = [ROOT / "README.md", *(page for page in PAGES if page.name not in NOT_RUN and "```python" in page.read_text())]
FIRST = [ROOT / "README.md", DOCS / "start.md"]
GARBAGE = f"import gc; gc.set_threshold(*{gc.get_threshold()})"  # as in the tests, for the time that it saves
SCRIPT = """
import contextlib, io, pathlib, re, sys
import jax
for path in sys.argv[1:]:
    jax.config.update("jax_enable_x64", False)  # a page before may have set it
    namespace = {"__name__": "page"}
    text = pathlib.Path(path).read_text(encoding="utf-8")
    for block in re.finditer(r"^```python\\n(.*?)^```\\n(?:\\n```text\\n(.*?)^```\\n)?", text, re.M | re.S):
        line = text.count("\\n", 0, block.start(1))  # so that a traceback gives the page's own lines
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\\n" * line + block[1], path, "exec"), namespace)
        print(printed.getvalue())
        if block[2] is not None and printed.getvalue() != block[2]:
            sys.exit(f"{path}:{line}: the page says\\n{block[2]}\\nand the example prints\\n{printed.getvalue()}")
    print("ran", pathlib.Path(path).name)
"""


def printed_by(pages, folder):
    """What the examples of pages print, in one process without the configuration of the tests. A text block right after an
    example is what the example prints."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "EQX_"))}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "JAX_PLATFORMS": "cpu", "MPLBACKEND": "Agg"}
    command = [sys.executable, "-c", f"{GARBAGE}\n{SCRIPT}", *map(str, pages)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("ran ")] == [
        f"ran {page.name}" for page in pages
    ]
    return done.stdout


@pytest.mark.slow
def test_the_examples_that_are_read_first_run_and_print_what_is_so(tmp_path):
    start = printed_by(FIRST, tmp_path).split("ran start.md")[0].rsplit("\nran ", 1)[1]
    table = start[start.index("\nnetwork ") :].split("Verdicts and rates")[0]
    rows = {}
    for line in filter(None, table.splitlines()):
        rows.setdefault(line.split()[0], line)  # where the table is in two parts, the verdicts are in the first
    # an orthogonal W_h keeps its state; exp(W_h t) grows, since some multiplier is on the right; λ − 1 decays
    assert "PERSISTS" in rows["network"] and "GROWS" in rows["textbook"] and "DECAYS" in rows["forward:1"]
    # of the smooth network nothing is the matter; exp(0.949 · 97) = 1e40 is beyond float32
    assert "forward:1:" not in rows
    assert rows.get("textbook:", "").startswith("textbook: left the float range after t = 9")


@pytest.mark.gate
def test_the_examples_of_the_other_pages_run_and_print_what_is_so(tmp_path):
    printed_by([page for page in RUN if page not in FIRST], tmp_path)


def test_the_start_page_says_what_each_extra_enables():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = re.findall(r"^\| `(\w+)` \|", (DOCS / "index.md").read_text(encoding="utf-8"), re.M)
    assert set(told) == set(project["optional-dependencies"]) - {"docs", "lint", "test"}
    sources = [path.read_text(encoding="utf-8") for path in Path(rnn_ode.__file__).parent.rglob("*.py")]
    assert set(re.findall(r"pip install '[.\w]*\[(\w+)\]'", "".join(sources))) <= set(told)


def test_the_chapter_fits_in_twenty_lines():
    text = (DOCS / "questions" / "chapter.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    assert 0 < sum(bool(line.strip()) for line in code.splitlines()) <= 20


GONE = (
    "people keep meeting one in the shape of the other",
    "holds both in one hand",
    "the network nowhere",
    "a perturbation of the size of rounding could carry them",
    "are like the test",
    "lost races included",
)


def test_the_pages_and_the_code_say_nothing_in_riddles():
    files = [
        *PAGES,
        *ROOT.glob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
        *Path(rnn_ode.__file__).parent.rglob("*.py"),
    ]
    said = {file: " ".join(file.read_text(encoding="utf-8").split()) for file in files}
    assert [(file.name, words) for file, text in said.items() for words in GONE if words in text] == []


def public_names() -> set[str]:
    names = {f"rnn_ode.{name}" for name in dir(rnn_ode) if name not in (*rnn_ode._MODULES, "__version__")}
    for place in rnn_ode._MODULES:
        module = importlib.import_module(f"rnn_ode.{place}")
        own = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
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
    assert public_names() - listed == {"rnn_ode.logm", "rnn_ode.pseudospectrum"}  # listed as those of `rnn_ode.linalg`
    assert {name for name in listed if name not in public_names()} <= {
        "rnn_ode.interop.read_arrays",
        "rnn_ode.interop.write_arrays",
    }


READ = [*PAGES, *sorted(ROOT.glob("*.md")), DOCS / "notebooks" / "index.md"]


@pytest.mark.parametrize("page", READ, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", text)
    # the site has a copy of the notebooks in docs/notebooks
    places = (page.parent, ROOT / "notebooks" if page.parent == DOCS / "notebooks" else page.parent)
    assert [target for target in targets if not any((place / target).exists() for place in places)] == []
    for tree in re.findall(r"```\{toctree\}\n(.*?)```", text, re.S):
        entries = [line.strip() for line in tree.splitlines() if line.strip() and not line.startswith(":")]
        names = [re.sub(r".*<(.*)>", r"\1", entry) for entry in entries if entry != "*"]
        assert [name for name in names if not (page.parent / f"{name}.md").exists()] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site as it was built, or built here. Warnings are errors."""
    if "RNN_ODE_SITE" in os.environ:
        return Path(os.environ["RNN_ODE_SITE"]).resolve()
    for needed in ("sphinx", "myst_nb", "pydata_sphinx_theme", "latex2mathml"):
        pytest.importorskip(needed)
    folder = tmp_path_factory.mktemp("site")
    env = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def pages(site: Path) -> list[Path]:
    return [page for page in site.rglob("*.html") if "_static" not in page.parts]


class Links(HTMLParser):
    """What a page names (`ids`), leads to (`links`) and loads (`loads`)."""

    def __init__(self, page: Path):
        super().__init__()
        self.ids, self.links, self.loads = set(), [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if values.get("src") or (tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload")):
            self.loads.append(values.get("src") or values["href"])


@pytest.mark.slow
def test_links_and_anchors_of_the_site_exist_and_no_page_needs_a_network(built):
    read = {page: Links(page) for page in pages(built)}
    assert "rnn_ode.iterate" in read[built / "api" / "running.html"].ids
    missing = []
    for page, found in read.items():
        assert [address for address in found.loads if "//" in address] == [], page
        for link in [*found.links, *found.loads]:
            if re.match(r"\w+:", link):  # https:, mailto:, data:
                continue
            target, _, anchor = link.partition("#")
            other = (page.parent / target.split("?")[0]).resolve() if target else page
            named = read.get(other)
            if not other.exists() or (anchor and named and anchor not in named.ids):
                missing.append((page.name, link))
    assert missing == []


@pytest.mark.slow
def test_code_of_the_site_is_printed_as_it_is_written(built):
    assert [page.name for page in pages(built) if r"\|" in page.read_text(encoding="utf-8")] == []


@pytest.mark.slow
def test_no_page_has_an_empty_list_of_its_section(built):
    """Beside the text it would take a quarter of the page."""
    lists = {
        page.name: re.search(r"Section Navigation.*?</nav>", page.read_text(encoding="utf-8"), re.S)
        for page in pages(built)
    }
    assert lists["torch.html"] and [name for name, found in lists.items() if found and "<a " not in found[0]] == []


@pytest.mark.slow
def test_formulas_have_the_spaces_that_mathematics_has(built):
    """Without `fence` a browser draws the bars of |λ| as a relation, with space round them. `log` needs space after it."""
    drawn = {page.name: re.findall(r"<math.*?</math>", page.read_text(encoding="utf-8"), re.S) for page in pages(built)}
    bars = r"<mo(?![^>]*fence)[^>]*>(?:\||&#x0007C;)</mo>|<mi>log</mi><mi>"
    assert (
        drawn["idea.html"] and {name for name, formulas in drawn.items() if re.search(bars, "".join(formulas))} == set()
    )


@pytest.mark.slow
def test_formulas_are_mathml_and_search_works_from_files(built):
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.goto((built / "idea.html").as_uri())
        assert page.locator("math").count() > 10
        assert page.locator("math mfrac").first.bounding_box()["height"] > 20  # drawn as a fraction
        page.goto((built / "search.html").as_uri() + "?q=kreiss")
        page.wait_for_selector("#search-results li a")
        assert any("analyses" in link.get_attribute("href") for link in page.locator("#search-results li a").all())
        browser.close()
