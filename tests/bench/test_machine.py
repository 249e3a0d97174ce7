"""What is measured of the machine."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnn_ode.bench import _machine


def test_rates_are_operations_and_bytes_over_the_best_seconds(monkeypatch):
    def half_a_second(call):
        call()
        return 0.5

    monkeypatch.setattr(_machine, "_best", half_a_second)
    rates = _machine.Rates()
    assert rates.product("float32") == 2 * 256**3 / 0.5
    assert rates.bandwidth() == 2 * _machine.COPIED / 0.5


def test_a_rate_is_measured_once_in_a_run(monkeypatch):
    calls = []
    monkeypatch.setattr(_machine, "_best", lambda call: calls.append(call) or 1.0)
    rates = _machine.Rates()
    assert rates.bandwidth() == rates.bandwidth() and len(calls) == 1
    _machine.Rates().bandwidth()
    assert len(calls) == 2


def test_the_best_seconds_are_those_of_several_calls_after_the_first():
    calls = []
    assert 0 <= _machine._best(lambda: calls.append(1)) < 1 and len(calls) == 1 + _machine.TRIALS


def test_the_machine_is_described_in_one_line_with_versions_beside_it():
    assert _machine.description().startswith(f"{_machine.cores()} core") and "\n" not in _machine.description()
    assert {"Python", "jax", "numpy"} <= _machine.versions().keys()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not count this")
@pytest.mark.slow
def test_peak_memory_sees_what_a_call_allocates():
    held = _machine.peak_memory(lambda: np.ones(200_000_000, np.uint8).sum())
    assert 190e6 < held < 260e6
    assert _machine.peak_memory(lambda: 0) < 20e6


def test_peak_memory_is_none_if_the_system_does_not_count_it(monkeypatch):
    def no_file(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(_machine, "_status", no_file)
    assert _machine.peak_memory(lambda: 0) is None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system does not count this")
def test_another_program_that_computes_is_seen_and_this_one_is_not():
    watch = _machine.Others()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        time.sleep(0.5)
        computing = watch.cores()
        other.kill()
    assert computing is not None and computing > 0.5  # one, or less on a machine that has more to do than cores
    watch = _machine.Others()
    own, start = time.process_time(), time.perf_counter()
    while time.process_time() - own < 0.3:
        pass
    share = 0.3 / (time.perf_counter() - start)
    assert watch.cores() < _machine.cores() - share + 0.2  # the other cores may be busy


def test_others_are_not_told_if_the_system_does_not_count_them(monkeypatch):
    monkeypatch.setattr(_machine, "_busy_seconds", lambda: None)
    assert _machine.Others().cores() is None
