"""The properties run with a small budget among the slow tests, and with a large one where `-m` names `thorough`."""

import json
import os
from pathlib import Path

import pytest
from properties import budget

HERE = Path(__file__).parent


def pytest_configure(config):
    budget.large = "thorough" in config.option.markexpr


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """All properties are slow, and thorough ones where these are asked for, which then run with the large budget."""
    mark = pytest.mark.thorough if budget.large else pytest.mark.slow
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(mark)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and item.path.parent == HERE:
        budget.ended[item.originalname] = report.outcome


def pytest_sessionfinish(session):
    """Store what was tried, for the ledger, in the file that the environment names."""
    if file := os.environ.get("RNN_ODE_PROPERTIES"):
        Path(file).write_text(json.dumps(budget.report()), encoding="utf-8")
