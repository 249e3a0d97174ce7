"""The notebooks: what is stored, what they say, and that they run and still give what is stored.

They run in processes of their own, as a reader's do: what the kernel's machinery warns of is not the package's.
"""

import ast
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import rnn_ode

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 15
MOST_BYTES = 400_000

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def lines(cell):
    """How many lines of code: blank lines and lines that are only a comment do not count, imports do."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())


def text(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def draws(cell):
    return re.search(r"plt\.subplots\(|\bplot\(\)|plot\.\w+\(\w+[,)]", cell.source) is not None


NUMBER = re.compile(r"(?<![\w.])(\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?)")
WORDS = re.compile(r"[^\W\d]+")


def stated(markdown):
    """The numbers that prose states: those with a decimal point or with two digits or more.

    Code, addresses, headings, the names of sources (which are links) and numbered lists state nothing.
    """
    prose = re.sub(r"```.*?```|`[^`\n]*`", " ", markdown, flags=re.S)
    prose = re.sub(r"\[[^\]]*\]\s*\([^)]*\)", " ", prose)
    prose = re.sub(r"^#.*$|^\d+\. ", " ", prose, flags=re.M)
    prose = re.sub(r"10\^\{(-?\d+)\}", r" 1e\1 ", prose)
    prose = re.sub(r"\\frac\{?(\d)\}?\{?(\d)\}?|\\tfrac\{?(\d)\}?\{?(\d)\}?", " ", prose)
    found = [number.rstrip(".").replace(",", "") for number in NUMBER.findall(prose)]
    return [number for number in found if "." in number or "e" in number or len(number) > 1]


def guards(cell):
    """The numbers in the assertions of a cell."""
    tree = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.M))
    asserted = [
        node for assertion in ast.walk(tree) if isinstance(assertion, ast.Assert) for node in ast.walk(assertion)
    ]
    numbers = [
        node.value for node in asserted if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    ]
    powers = [
        node.left.value ** (-node.right.operand.value if isinstance(node.right, ast.UnaryOp) else node.right.value)
        for node in asserted
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.left, ast.Constant)
        if isinstance(getattr(node.right, "operand", node.right), ast.Constant)
    ]
    words = [
        float(number)
        for node in asserted
        if isinstance(node, ast.Constant)
        for number in NUMBER.findall(str(node.value))
    ]
    return {float(number) for number in [*numbers, *powers, *words]}


def unguarded(notebook):
    """The numbers that prose states and no assertion near it holds: in the same section, or, for what a notebook says at its
    beginning and end, anywhere in it."""
    sections = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.M):
            sections.append([])
        sections[-1].append(cell)
    missing = []
    for section in sections:
        whole = section is sections[0] or "## What to remember" in section[0].source
        held = set().union(
            *map(guards, code_cells(notebook) if whole else [c for c in section if c.cell_type == "code"])
        )
        for cell in section:
            for number in stated(cell.source) if cell.cell_type == "markdown" else ():
                if not any(
                    math.isclose(float(number) / scale, value) for value in held for scale in (1, 100, 0.001)
                ):  # %, kHz
                    missing.append(number)
    return missing


def same_text(one, other, varies):
    """Whether two outputs have the same words and, to 2 %, the same numbers. A cell with the tag "varies" shows numbers of a
    trained or a chaotic network, which depend on how a machine rounds: there the words are compared."""
    numbers, others = ([float(number.replace(",", "")) for number in NUMBER.findall(shown)] for shown in (one, other))
    if WORDS.findall(one) != WORDS.findall(other) or len(numbers) != len(others):
        return False
    return varies or all(math.isclose(a, b, rel_tol=0.02, abs_tol=1e-3) for a, b in zip(numbers, others, strict=True))


def test_there_are_eight_and_each_leads_to_another():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number}_" for number in range(1, 9)]


@each_notebook
def test_opens_in_jupyter_as_it_is(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert path.stat().st_size < MOST_BYTES


@each_notebook
def test_no_code_cell_is_long(path):
    for cell in code_cells(read(path)):
        assert lines(cell) <= MOST_LINES, cell.source


@each_notebook
def test_is_stored_with_its_outputs_and_without_traces_of_a_machine(path):
    for number, cell in enumerate(code_cells(read(path)), 1):
        assert cell.execution_count == number
        assert ("print(" in cell.source) == bool(text(cell)), cell.source
        assert pictures(cell) == int(draws(cell)), cell.source
        for output in cell.outputs:
            assert output.output_type in ("stream", "display_data", "execute_result")
            assert output.get("name") != "stderr", output
            shown = "".join(str(part) for kind, part in output.get("data", {}).items() if kind.startswith("text"))
            shown += output.get("text", "")
            assert re.search(r"/home|/tmp|/root|/usr|[Ww]arning|0x[0-9a-f]{6}", shown) is None, shown


@each_notebook
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", "".join(cell.source for cell in read(path).cells))
    assert [target for target in targets if not (path.parent / target).exists()] == []
    assert [target for target in targets if target != path.name] != []


@each_notebook
def test_numbers_in_prose_are_held_by_assertions(path):
    assert unguarded(read(path)) == []


def test_outputs_of_another_program_are_found():
    assert same_text("error 0.50, 1e-14", "error 0.501, 3e-14", varies=False)
    assert not same_text("error 0.50", "error 0.55", varies=False)
    assert same_text("error 0.50", "error 0.55", varies=True)
    assert not same_text("error 0.50", "fault 0.50", varies=True)
    assert not same_text("error 0.50", "error 0.50 0.50", varies=True)


def test_a_number_that_nothing_holds_is_found():
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    prose = markdown("## Title 99\nAfter 60 steps $0.9$ is left, or 14 %, or $10^{-12}$; see `77` and [88](x.html).")
    held = code("assert n == 60 and x > 0.9 and y < 0.14 and z < 2 * 10**-12")
    assert unguarded(nbformat.v4.new_notebook(cells=[prose, held])) == []
    for number in ("60", "0.9", "0.14", "12"):
        other = code(held.source.replace(number, "5"))
        assert len(unguarded(nbformat.v4.new_notebook(cells=[prose, other]))) == 1


@pytest.mark.gate
@each_notebook
def test_runs_and_gives_what_is_stored(path, tmp_path):
    environment = os.environ | {
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(Path(rnn_ode.__file__).parents[1]), os.environ.get("PYTHONPATH")])
        ),
    }
    command = [sys.executable, str(FOLDER / "run.py"), str(path), "--to", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    for stored, cell in zip(code_cells(read(path)), code_cells(read(tmp_path / path.name)), strict=True):
        varies = "varies" in cell.metadata.get("tags", [])
        assert same_text(text(stored), text(cell), varies), f"now:\n{text(cell)}\nstored:\n{text(stored)}"
        assert pictures(stored) == pictures(cell)
