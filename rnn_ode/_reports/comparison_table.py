"""A comparison as a table."""

from collections.abc import Sequence

from .._base.text import MISSING, Column, Table, number
from .comparison_rows import ERROR_LIMIT, Row

_HEAD = (
    "method",
    "linear part",
    "agrees",
    "rate",
    "measured",
    "series",
    "neglected",
    "max error",
    "rms",
    "parts at t",
)

_LEGEND = (
    "Verdicts and rates (nats per step, predicted by the eigenvalues and measured by simulation) are of the linear part, "
    "{linear_part}. Series: whether the method's series converges to the logarithm there. Neglected: the first term that the "
    "method leaves out, relative to those that it keeps. Errors are against the network at the samples, relative to its "
    "largest state; the two part where the error first exceeds {limit:g}."
)


def comparison_table(
    rows: Sequence[Row],
    *,
    network_verdict: str,
    network_rates: Sequence[float | None],
    network_ended: str,
    linear_part: str,
    rounding: float,
) -> Table:
    """A row for each method under one for the network, then notes, and what the columns mean.

    `network_rates` are the predicted and the measured one, `network_ended` says why the network's run ended early, and rates
    up to `rounding` are shown as 0.
    """

    def rate(value: float | None) -> str:
        return number(value if value is None or abs(value) > rounding else 0.0)

    network = ("network", network_verdict, "", *map(rate, network_rates), "", "", "", "", "")
    words = [(*_verdict(row), rate(row.predicted_rate), rate(row.measured_rate), *_errors(row)) for row in rows]
    notes = [f"network: {network_ended}."] if network_ended else []
    notes += [f"{row.method.label}: {row.reason.rstrip('.')}." for row in rows if row.reason]
    legend = _LEGEND.format(linear_part=linear_part, limit=ERROR_LIMIT)
    return Table(tuple(map(Column, _HEAD)), (network, *words), notes=(*notes, legend))


def _verdict(row: Row) -> tuple[str, ...]:
    return row.method.label, row.verdict, "yes" if row.agrees else "NO"


def _errors(row: Row) -> tuple[str, ...]:
    parted = "never" if row.parted_at is None else f"{row.parted_at:g}"
    series = ("converges" if row.series_converges else "diverges", number(row.neglected))
    return (
        *(series if row.method.is_truncation else (MISSING, MISSING)),
        number(row.error_max),
        number(row.error_rms),
        MISSING if row.error_max is None else parted,
    )
