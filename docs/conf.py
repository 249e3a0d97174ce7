"""The site: Sphinx with MyST and the PyData theme. Build it by `sphinx-build -W -b html docs build/site`.

Sphinx, because it builds strictly (-W), reads Markdown (MyST), renders stored notebooks (myst-nb), makes a reference from
docstrings, and its search works from files without a network. mkdocs-material is marked inactive. Formulas
become MathML, which browsers draw themselves: MathJax would be fetched from a network.
"""

import re
import shutil
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "rnn_ode"
author = "The rnn_ode developers"
copyright = "the rnn_ode developers"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
nb_execution_mode = "off"  # notebooks are stored with their outputs, which the tests make anew

default_role = "code"  # docstrings are Markdown: one backtick is code
autodoc_typehints = "none"  # the arguments are described with shapes and units
autodoc_member_order = "bysource"
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto"}
html_title = "rnn_ode"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# a page that belongs to no section has no section navigation
TREE = (HERE / "index.md").read_text(encoding="utf-8").partition(":hidden:")[2]
html_sidebars = {page: [] for page in ("index", *re.findall(r"^(?:.+ <)?(\w+)>?$", TREE, re.M))}
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
}


def as_restructured(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are Markdown. Turn their code fences, links and bold argument heads into reStructuredText."""
    text = re.sub(r"(?:^\|.*\|$\n?)+", _table, "\n".join(lines), flags=re.M)
    # |x| is a modulus, and no substitution
    text = re.sub(r"(```.*?```|`[^`\n]*`)|\|", lambda match: match[1] or r"\|", text, flags=re.S)

    def fence(match: re.Match) -> str:
        indent, language, body = match[1], match[2] or "text", match[3]
        inner = "\n".join(f"    {line}" if line.strip() else "" for line in body.rstrip("\n").split("\n"))
        return f"\n{indent}.. code-block:: {language}\n\n{inner}\n"

    text = re.sub(r"^([ ]*)```(\w*)\n(.*?)^[ ]*```[ ]*$", fence, text, flags=re.M | re.S)
    text = re.sub(r"\[([^\]]+)\]\((https?://[^)]+)\)", r"`\1 <\2>`__", text)
    text = re.sub(r"(?<!\n)\n(?=[ ]*- )", _before_a_list, text)
    lines[:] = text.split("\n")


def _table(match: re.Match) -> str:
    """A Markdown table as a list of rows, the first of which is the head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in match[0].strip().split("\n")]
    listed = ["   * - " + "\n     - ".join(row) for row in rows if set("".join(row)) != {"-"}]
    return "\n.. list-table::\n   :header-rows: 1\n\n" + "\n".join(listed) + "\n"


def _before_a_list(match: re.Match) -> str:
    """A list begins after an empty line, unless the line before belongs to the list too."""
    before = match.string[: match.start()].rsplit("\n", 1)[-1]
    return "\n" if before.lstrip().startswith("- ") or before.startswith("  ") else "\n\n"


def take_along(app) -> None:
    """Notebooks and the explorer are where their users find them; the site has copies of them."""
    for old in (HERE / "notebooks").glob("*.ipynb"):
        old.unlink()
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(notebook, HERE / "notebooks" / notebook.name)
    (HERE / "_static").mkdir(exist_ok=True)
    shutil.copy(ROOT / "rnn_ode" / "_explore" / "explorer.js", HERE / "_static" / "explorer.js")


def inline_formula(writer, node) -> None:
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def formula(writer, node) -> None:
    writer.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app) -> None:
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("builder-inited", take_along)
    app.connect("autodoc-process-docstring", as_restructured)
