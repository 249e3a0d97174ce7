"""Run the notebooks from top to bottom and store their outputs: `python notebooks/run.py`.

Names of notebooks run those alone. `--to FOLDER` leaves the stored notebooks as they are and writes into the folder.
"""

import argparse
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of this run, and nothing that differs from machine to machine."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", coalesce_streams=True).execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path.name}, cell {cell.id} warns: {output.text}")
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(HERE.glob("*.ipynb")))
    parser.add_argument("--to", type=Path, help="where to write, instead of over the notebooks")
    given = parser.parse_args()
    # as Jupyter does, whatever the environment says: figures come into the notebook
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    for path in given.notebooks:
        nbformat.write(run(path), (given.to or path.parent) / path.name)


if __name__ == "__main__":
    main()
