"""What is said where memory does not suffice."""

import pytest

from rnn_ode._base.memory import memory_error


@pytest.mark.parametrize(
    ("error", "amount"),
    [
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5120000256 bytes."),
            "5.12 GB were asked for at once",
        ),
        (RuntimeError("RESOURCE_EXHAUSTED: Failed to allocate request for 50.00MiB (52428800B)"), "52.4 MB were asked"),
        (MemoryError("Unable to allocate 2.98 GiB for an array with shape (20000, 20000)"), "3.2 GB were asked"),
        (MemoryError(), "what is computed at once does not fit"),
    ],
)
def test_the_amount_and_what_to_do_are_said(error, amount):
    text = str(memory_error(error))
    assert text.startswith(f"not enough memory: {amount}") and "Give fewer steps" in text


def test_an_error_about_something_else_is_left_alone():
    assert memory_error(RuntimeError("INVALID_ARGUMENT: 5 bytes")) is None
