"""What is shown while a command works."""

import io

import pytest
from rich.console import Console

from rnn_ode.cli import _progress
from rnn_ode.cli._progress import in_words, numbered, progress


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (40.4, "40 s"), (170, "3 min"), (3600, "60 min")])
def test_a_time_is_rough(seconds, words):
    assert in_words(seconds) == words


def test_the_parts_of_a_job_are_numbered():
    shown = []
    show = numbered(shown.append, 2)
    show("network")
    show("growth")
    assert shown == ["part 1 of 2: network", "part 2 of 2: growth"]


@pytest.fixture
def terminal(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(_progress, "messages", console)
    return console.file


def test_a_terminal_shows_the_step_and_the_time_left(terminal):
    with progress("preparing") as step:
        step("case 2 of 3: lstm", 1, 3)
        with step.paused():
            before = terminal.getvalue()
            step("unseen")
            assert terminal.getvalue() == before
        step("case 3 of 3: gradient", 2, 3)
    text = terminal.getvalue()
    assert "case 2 of 3: lstm" in text and "case 3 of 3: gradient" in text and "about 1 s left" in text
