"""A comparison as a table."""

import itertools
from collections.abc import Sequence

import numpy as np

from .._base.text import MISSING, Column, Table, number
from .comparison_rows import ERROR_LIMIT, Row

_DIVERGES = "diverges"
_DIFFERS = "≠"
_PART = "*"

_NOTES = {
    "zero": "A zero multiplier means that the network forgets a direction of its state within one step. No flow does that: "
    "forward and tustin approximate it.",
    "negative": "A negative multiplier means that the network turns a direction of its state around at every step. No real "
    "flow does that: exact:complex is a complex one.",
    _DIVERGES: f"{_DIVERGES}: the method's series does not converge for this matrix.",
    _DIFFERS: f"{_DIFFERS}: the verdict is not that of the network.",
    _PART: f"{_PART}: over the part of the run that the method reached.",
}


def comparison_table(
    rows: Sequence[Row],
    *,
    finding: str,
    network_verdict: str,
    network_rates: Sequence[float | None],
    network_ended: str,
    linear_part: str,
    rounding: float,
) -> Table:
    """A row for each method under one for the network, with the finding above, and below why rows are not complete.

    `network_rates` are the predicted and the measured one, `network_ended` says why the network's run ended early, and rates
    up to `rounding` are shown as 0.
    """

    def rate(value: float | None) -> str:
        return number(value if value is None or abs(value) > rounding else 0.0)

    network = ("network", network_verdict, *map(rate, network_rates), "", "", "", "")
    words = [(*_verdict(row), rate(row.predicted_rate), rate(row.measured_rate), *_errors(row)) for row in rows]
    notes = [f"network: {network_ended}."] if network_ended else []
    notes += [_why(row.method.label, row.reason.rstrip(".")) for row in rows if row.reason]
    told = " ".join([*itertools.chain(*words), *(row.reason for row in rows)])
    notes += [note for word, note in _NOTES.items() if word in told]
    return Table(_columns(linear_part), (network, *words), title=finding, notes=tuple(notes))


def _columns(linear_part: str) -> tuple[Column, ...]:
    return (
        Column("method"),
        Column("verdict", says=f"what the eigenvalues say of the linear part, {linear_part}"),
        Column("rate", ">", says="growth of the linear part in nats per step, by the eigenvalues"),
        Column("measured", ">", says="the same growth, measured by simulation"),
        Column("left out", ">", says="first term that the method's series leaves out, relative to those that it keeps"),
        Column("error", ">", says="largest distance from the network at a sample, relative to its largest state"),
        Column("rms", ">", says="root mean square of these distances"),
        Column("parts", ">", says=f"the time at which the distance first exceeds {ERROR_LIMIT:g}"),
    )


def _why(label: str, reason: str) -> str:
    """The sentence that says why a method's row is not complete."""
    mark = "" if reason.startswith("does not exist here") else ":"
    return f"{label}{mark} {reason}."


def _verdict(row: Row) -> tuple[str, ...]:
    return row.method.label, row.verdict if row.agrees else f"{row.verdict} {_DIFFERS}"


def _errors(row: Row) -> tuple[str, ...]:
    left_out = number(row.neglected, 2) if row.series_converges else _DIVERGES
    parted = "never" if row.parted_at is None else f"{row.parted_at:g}"
    ended = _PART if row.error_max is not None and np.isnan(row.errors).any() else ""
    return (
        left_out if row.method.is_truncation else MISSING,
        number(row.error_max, 2) + ended,
        number(row.error_rms, 2) + ended,
        MISSING if row.error_max is None else parted,
    )
