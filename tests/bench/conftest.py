"""The benchmark at a tiny size. How fast anything is, is not asserted."""

import gc

import jaxtyping
import pytest

from rnn_ode import bench
from rnn_ode.bench import _machine

TINY = {"hidden": 3, "steps": 5, "repeats": 2}


@pytest.fixture(autouse=True)
def small_measurements(monkeypatch):
    """Small arrays to measure the machine with."""
    monkeypatch.setitem(_machine.PRODUCT, "cpu", 256)
    monkeypatch.setattr(_machine, "COPIED", 2**22)


@pytest.fixture
def run():
    """`bench.run` at a tiny size.

    jaxtyping is off, as for users: it would refuse a traced tolerance, which avoids compiling anew for each.
    """

    def run(**arguments):
        gc.freeze()  # the collections before memory is measured look only at what the benchmark makes
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            return bench.run(**{**TINY, **arguments})
        finally:
            jaxtyping.config.update("jaxtyping_disable", False)

    return run


@pytest.fixture
def row():
    """A row made by hand: `row(contender, …)`."""

    def row(contender="rnn_ode", case="iterate", hidden=3, **fields):
        return bench.Row(case, contender, hidden, 1, 5, "float32", "cpu", "this machine", **fields)

    return row
