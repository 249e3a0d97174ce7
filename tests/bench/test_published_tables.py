"""The tables of docs/benchmarks.md. What stands in them is measured; here it is held that the command made them all."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from rnn_ode import bench
from rnn_ode.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- bench (\S.*?) -->\n(.*?)<!-- end of bench -->\n", PAGE, re.DOTALL)


def test_every_table_of_the_page_is_made_by_the_command():
    assert BLOCKS and "|" not in re.sub(r"<!-- bench .*?<!-- end of bench -->\n", "", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("options", "made"), BLOCKS, ids=[options.split()[1] for options, _ in BLOCKS])
def test_the_command_under_a_table_exists_and_names_day_machine_and_versions(options, made):
    command = get_command(app).commands["bench"]
    context = command.make_context("bench", shlex.split(options))
    assert bench.parts(context.params["case"], context.params["hidden"] or 48, context.params["batch"] or 1)
    assert f"\n`rnn-ode bench {options} --page docs/benchmarks.md`, 2" in made
    assert re.search(r"`, \d{4}-\d\d-\d\d, rnn_ode \S+, Python 3\S+, jax \d.*, torch \d.*Machine: \d+ cores, \w", made)
    assert "busy" not in made and "wrong" not in made
