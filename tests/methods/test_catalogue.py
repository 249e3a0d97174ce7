"""Methods by their labels."""

import pytest

import rnn_ode as ro
from rnn_ode._methods.catalogue import CONVERSIONS, from_label


class Halfway(ro.AbstractMethod):
    """A method that somebody else adds."""

    label = "Halfway"

    def of_number(self, z):
        return (z - 1) / 2

    def of_matrix(self, W):
        return W / 2


@pytest.mark.parametrize(
    "method",
    [*CONVERSIONS, ro.Textbook(), ro.Forward(3), ro.Backward(2), ro.Exact(anchored=True), ro.Exact(True, True)],
    ids=lambda method: method.label,
)
def test_every_method_is_found_by_its_label(method):
    assert from_label("method", method.label) == method


@pytest.mark.parametrize(
    ("text", "method"), [("forward", ro.Forward(1)), (" TUSTIN ", ro.Tustin()), ("backward", ro.Backward(1))]
)
def test_a_label_may_leave_out_the_order_and_be_in_capitals(text, method):
    assert from_label("method", text) == method


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("forward:x", "--method forward:x: the order must be a whole number, as in forward:3; got 'x'"),
        ("backward:0", "--method backward:0: order must be at least 1; got 0"),
        ("exact:anchord", "--method exact:anchord: unknown"),
        ("forward:1:2", "--method forward:1:2: unknown"),
        (
            "",
            "textbook, forward:ORDER, backward:ORDER, tustin, exact, exact:complex, exact:anchored, exact:complex:anchored",
        ),
    ],
)
def test_what_is_no_label_is_refused_with_what_there_is(text, words):
    with pytest.raises(ValueError, match=words):
        from_label("--method", text)


def test_a_method_of_somebody_else_is_found_once_it_is_imported():
    assert isinstance(from_label("method", "halfway"), Halfway)


@pytest.mark.parametrize(
    ("method", "call"),
    [
        (ro.Forward(3), "Forward(3)"),
        (ro.Backward(), "Backward(1)"),
        (ro.Textbook(), "Textbook()"),
        (ro.Exact(complex=True), "Exact(complex=True)"),
        (Halfway(), "Halfway()"),
    ],
)
def test_a_method_says_how_it_is_written_in_python(method, call):
    assert method.call == call
