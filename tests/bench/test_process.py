"""Programs in processes of their own."""

import subprocess
import sys

import pytest

from rnn_ode.bench._process import fresh_environment, printed_by, seconds_of


def test_only_the_statement_is_timed_and_its_process_finds_the_package(monkeypatch):
    monkeypatch.setenv("UNWANTED", "1")
    before = "import os, time, rnn_ode\nassert 'UNWANTED' not in os.environ\ntime.sleep(0.3)\nprint('noise')"
    assert 0.1 <= seconds_of("time.sleep(0.1)", before, without=("UNWANTED",)) < 0.3


def test_a_command_that_fails_raises_with_what_it_said():
    with pytest.raises(subprocess.CalledProcessError) as raised:
        printed_by([sys.executable, "-c", "import sys; sys.exit('broken')"])
    assert raised.value.returncode == 1 and "broken" in raised.value.stderr


def test_the_environment_keeps_the_search_path_and_bytecode(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = fresh_environment()
    assert environment["PYTHONPATH"].endswith("/elsewhere") and environment["PYTHONDONTWRITEBYTECODE"] == ""
