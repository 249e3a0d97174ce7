"""The sentence that says what a comparison found, from made-up rows."""

import itertools

import jax
import numpy as np
import pytest

import rnn_ode as ro
from rnn_ode._reports.comparison_finding import comparison_finding
from rnn_ode._reports.comparison_rows import ERROR_LIMIT, Row

VERDICTS = ("DECAYS", "PERSISTS", "GROWS", "UNDETERMINED")


def row(method, errors, verdict="DECAYS", network="DECAYS", trajectory=None):
    errors = np.array(errors, float)
    parted = np.flatnonzero(errors > ERROR_LIMIT)
    return Row(
        method=method,
        trajectory=trajectory,
        errors=errors,
        network_verdict=network,
        verdict=verdict,
        predicted_rate=0.0,
        measured_rate=0.0,
        series_converges=True,
        neglected=0.0,
        parted_at=float(parted[0]) if len(parted) else None,
        reason="",
    )


def found(*rows):
    return comparison_finding(rows, rows[0].network_verdict)


TEXTBOOK, FORWARD, EXACT = ro.Textbook(), ro.Forward(3), ro.Exact(anchored=True)
RUN = ro.Trajectory(jax.device_put(np.zeros(1)), jax.device_put(np.zeros((1, 1))), ro.RESULTS.successful, {})
NONE = [0, np.nan, np.nan]
NETWORK = "The network's linear part"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [row(TEXTBOOK, [0, 1, 2e106], "GROWS"), row(EXACT, [0, 0, 8e-15])],
            f"{NETWORK} decays; exp(W_h t) grows: the textbook equation is off by up to 10¹⁰⁶ times the network's "
            "largest state over 2 steps.",
        ),
        (
            [row(TEXTBOOK, [0, 0.02, 0.04], "GROWS")],
            f"{NETWORK} decays; exp(W_h t) grows; here the textbook equation follows the network to within 4 % of its "
            "largest state over 2 steps.",
        ),
        (
            [row(TEXTBOOK, [0, 1, 3.25, np.nan], "PERSISTS", "PERSISTS")],
            f"{NETWORK} and exp(W_h t) neither grow nor decay; the textbook equation is off by up to 3.2 times the network's "
            "largest state over the first 2 of 3 steps.",
        ),
        (
            [row(TEXTBOOK, [0, 0.136], "DECAYS", "UNDETERMINED")],
            "The eigenvalues leave open what the network's linear part does; the textbook equation is off by up to 14 % of "
            "the network's largest state over 1 step.",
        ),
        (
            [row(TEXTBOOK, [0, 120.4], "UNDETERMINED", "GROWS")],
            f"{NETWORK} grows; the eigenvalues leave open what exp(W_h t) does; the textbook equation is off by up to 120 "
            "times the network's largest state over 1 step.",
        ),
        (
            [row(TEXTBOOK, NONE), row(FORWARD, [0, 0.5, 0.14]), row(EXACT, [0, 0, 8e-15])],
            f"{NETWORK} and the flow of exact:anchored both decay; the textbook equation does not exist here; "
            "exact:anchored, the nearest flow, follows the network to within 8 × 10⁻¹⁵ of its largest state over 2 steps.",
        ),
        (
            [row(ro.Backward(1), [0, 0.5, 1e5], "GROWS"), row(ro.Forward(1), [0, 1e7, 0.0], "DECAYS")],
            f"{NETWORK} decays; the flow of backward:1 grows: backward:1, the nearest flow, is off by up to 10⁵ times the "
            "network's largest state over 2 steps.",
        ),
        (
            [row(FORWARD, [0, 0, 0])],
            f"{NETWORK} and the flow of forward:3 both decay; it equals the network over 2 steps.",
        ),
        (
            [row(FORWARD, [0, 2, np.inf], "GROWS", "GROWS")],
            f"{NETWORK} and the flow of forward:3 both grow; it is off by up to more than 10³⁰⁸ times the network's largest "
            "state over 2 steps.",
        ),
        ([row(EXACT, NONE)], f"{NETWORK} decays; the flow of exact:anchored does not exist here."),
        ([row(TEXTBOOK, NONE)], f"{NETWORK} decays; the textbook equation does not exist here."),
        ([row(TEXTBOOK, NONE), row(EXACT, NONE)], f"{NETWORK} decays; none of these flows exists here."),
        (
            [row(FORWARD, NONE, trajectory=RUN), row(EXACT, NONE)],
            f"{NETWORK} decays; no flow reaches the first sample together with the network.",
        ),
    ],
)
def test_the_sentence_tells_the_verdicts_and_the_error(rows, sentence):
    assert found(*rows) == sentence


@pytest.mark.parametrize(
    ("error", "multiple"),
    [
        (0.9949, "99 % of"),
        (0.9951, "as much as"),
        (0.99999, "as much as"),
        (1.0, "as much as"),
        (1.1, "1.1 times"),
        (99.4, "99 times"),
        (99.6, "100 times"),
        (9000.0, "9000 times"),
        (1e4, "10⁴ times"),
        (3e4, "3 × 10⁴ times"),
        (4e4, "4 × 10⁴ times"),
        (9.9e5, "10⁶ times"),
        (2e7, "10⁷ times"),
        (1e106, "10¹⁰⁶ times"),
    ],
)
def test_a_multiple_has_one_or_two_digits_and_no_e(error, multiple):
    assert f"is off by up to {multiple} the network's largest state" in found(row(FORWARD, [0, error]))


@pytest.mark.parametrize(("network", "flow"), [*itertools.product(VERDICTS, VERDICTS)])
def test_each_combination_of_verdicts_and_errors_is_one_sentence(network, flow):
    does = {"DECAYS": "decays", "GROWS": "grows", "PERSISTS": "neither grows nor decays"}
    for errors, method in itertools.product(([0, 1e-9, 1e-3], [0, 0.2, 7.0], [0, 1e300, np.nan]), (TEXTBOOK, FORWARD)):
        text = found(row(method, errors, flow, network))
        name = "exp(W_h t)" if method is TEXTBOOK else "the flow of forward:3"
        assert text.endswith((" steps.", " step.")) and ". " not in text
        assert ("leave open" in text) == ("UNDETERMINED" in (network, flow))
        if network == flow != "UNDETERMINED":
            assert text.startswith(f"The network's linear part and {name} ")
        elif network != "UNDETERMINED":
            assert text.startswith(f"The network's linear part {does[network]}; ")
            assert (f"; {name} {does.get(flow)}" in text) == (flow != "UNDETERMINED")
        assert ("off by" in text) == (max(errors[1:2]) > ERROR_LIMIT)
