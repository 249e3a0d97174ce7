"""What a comparison found, in one sentence."""

import math
from collections.abc import Sequence

import numpy as np

from .._base.checks import counted
from .._base.text import power_of_ten
from .._methods.closed import Textbook
from .comparison_rows import ERROR_LIMIT, Row

_DOES = {"DECAYS": "decays", "GROWS": "grows", "PERSISTS": "neither grows nor decays"}
_BOTH = {"DECAYS": "both decay", "GROWS": "both grow", "PERSISTS": "neither grow nor decay"}
_OPEN = "UNDETERMINED"


def comparison_finding(rows: Sequence[Row], network_verdict: str) -> str:
    """What the eigenvalues say, and how far a flow is from the network: the textbook's, or else the nearest one."""
    ran = [row for row in rows if row.error_max is not None]
    textbook = next((row for row in rows if isinstance(row.method, Textbook)), None)
    if not ran:
        return f"{_network(network_verdict)}; {_no_flow(rows)}."
    if textbook in ran:
        return f"{_verdicts(textbook, network_verdict, 'exp(W_h t)')} the textbook equation {_distance(textbook)}."
    row = min(ran, key=lambda row: row.error_max or 0.0)
    verdicts = _verdicts(row, network_verdict, f"the flow of {row.method.label}")
    missing = "the textbook equation does not exist here; " if textbook else ""
    subject = "it" if len(rows) == 1 else f"{row.method.label}, the nearest flow,"
    return f"{verdicts} {missing}{subject} {_distance(row)}."


def _verdicts(row: Row, network_verdict: str, flow: str) -> str:
    """What the network's linear part and the flow do, with the mark that leads on to the distance between them."""
    if network_verdict == _OPEN:
        return f"{_network(network_verdict)};"
    if row.verdict == _OPEN:
        return f"{_network(network_verdict)}; the eigenvalues leave open what {flow} does;"
    if row.agrees:
        return f"The network's linear part and {flow} {_BOTH[network_verdict]};"
    mark = ":" if row.parted_at is not None else "; here"
    return f"{_network(network_verdict)}; {flow} {_DOES[row.verdict]}{mark}"


def _network(verdict: str) -> str:
    if verdict == _OPEN:
        return "The eigenvalues leave open what the network's linear part does"
    return f"The network's linear part {_DOES[verdict]}"


def _no_flow(rows: Sequence[Row]) -> str:
    if any(row.trajectory is not None for row in rows):
        return "no flow reaches the first sample together with the network"
    if len(rows) > 1:
        return "none of these flows exists here"
    method = rows[0].method
    subject = "the textbook equation" if isinstance(method, Textbook) else f"the flow of {method.label}"
    return f"{subject} does not exist here"


def _distance(row: Row) -> str:
    """How far the flow is from the network, as the end of a sentence."""
    reached, steps, error = int(np.sum(~np.isnan(row.errors[1:]))), len(row.errors) - 1, row.error_max or 0.0
    over = f"over {counted(steps, 'step')}" if reached == steps else f"over the first {reached} of {steps} steps"
    if error > ERROR_LIMIT:
        return f"is off by up to {_multiple(error)} the network's largest state {over}"
    if error == 0:
        return f"equals the network {over}"
    return f"follows the network to within {_multiple(error)} its largest state {over}"


def _multiple(error: float) -> str:
    """A multiple or a share, such as "14 % of", "as much as", "3.2 times", "4 × 10⁴ times" and "8 × 10⁻¹⁵ of"."""
    if math.isinf(error):
        return "more than 10³⁰⁸ times"
    if error >= 1e6:
        return f"{power_of_ten(round(math.log10(error)))} times"
    if error >= 1e4:
        return f"{_digit(error)} times"
    if error >= 99.5:
        return f"{error:.0f} times"
    if error >= 0.995:
        multiple = f"{error:.2g}"
        return "as much as" if multiple == "1" else f"{multiple} times"
    if error >= 1e-3:
        return f"{100 * error:.2g} % of"
    return f"{_digit(error)} of"


def _digit(error: float) -> str:
    """A number as one digit and a power of ten, such as "4 × 10⁴" and "10⁵"."""
    digit, exponent = f"{error:.0e}".split("e")
    power = power_of_ten(int(exponent))
    return power if digit == "1" else f"{digit} × {power}"
