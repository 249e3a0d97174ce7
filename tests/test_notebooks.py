"""The notebooks are stored clean and run from top to bottom.

They run in a process of their own, as a reader's would: what the kernel's machinery warns of is not the package's, and
what a cell warns of is seen in its output.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import rnn_ode

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
TIMEOUT = 300
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

source, target, timeout = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
NotebookClient(notebook, timeout=int(timeout), kernel_name="python3").execute()
nbformat.write(notebook, target)
"""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def draws(cell):
    return re.search(r"plt\.subplots\(|\.plot\(\)", cell.source) is not None


def test_there_are_notebooks():
    assert "network_and_ode" in [path.stem for path in NOTEBOOKS]


@each_notebook
def test_stored_clean(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in code_cells(notebook):
        assert cell.outputs == [], f"cell {cell.id} is stored with its output"
        assert cell.execution_count is None, f"cell {cell.id} is stored with an execution count"


@pytest.mark.slow
@each_notebook
def test_runs(path, tmp_path):
    target = tmp_path / path.name
    environment = os.environ | {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(Path(rnn_ode.__file__).parents[1]), os.environ.get("PYTHONPATH")])
        ),
    }
    command = [sys.executable, "-c", RUN, str(path.resolve()), str(target), str(TIMEOUT)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=2 * TIMEOUT)
    assert done.returncode == 0, done.stderr[-4000:]

    cells = code_cells(read(target))
    assert any(draws(cell) for cell in cells)
    for number, cell in enumerate(cells, 1):
        assert cell.execution_count == number
        for output in cell.outputs:
            assert output.output_type != "error", f"cell {cell.id}: {output}"
            assert output.get("name") != "stderr", f"cell {cell.id} warns: {output.text}"
        pictures = sum("image/png" in output.get("data", {}) for output in cell.outputs)
        assert pictures == int(draws(cell)), f"cell {cell.id} shows {pictures} figures"
