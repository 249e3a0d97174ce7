"""The gradients of a run as tables."""

from collections.abc import Mapping
from typing import Any

from .._base.checks import counted
from .._base.text import Column, Table, number, some_of

_RATES = Column("rate", ">", "nats per step, of log ‖∂h_T/∂h_{T−k}‖"), Column("from")

_LAG = Column("lag k", ">")
_NORM = Column("log norm", ">", "of ∂h_T/∂h_{T−k}, in nats")
_BY_WEIGHTS = Column("by weights", ">", "its upper bound by the weights alone, k log gain")
_BY_STEPS = Column("by steps", ">", "its upper bound by the norms of the steps' Jacobians")

_SHOWN = 8  # lags


def gradient_tables(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """What `GradientFlow.to_dict` returns, as tables: the rates, and the norms at some lags."""
    lags = len(report["log_norms"])
    rates = (
        (number(report["predicted_rate"]), f"the eigenvalues of {report['spectrum_of']}"),
        (number(report["lyapunov_rate"]), "the largest Lyapunov exponent of the run"),
        (number(report["measured_rate"]), "the slope of the norms over the later half of the lags"),
    )
    bounds = report["bounds"]
    notes = [bound_note(bounds)]
    if report["result"] != "successful":
        notes.append(report["result"])
    title = f"Gradients of the last state with respect to the states up to {counted(lags - 1, 'step')} before it."
    norms = _lags({_NORM: report["log_norms"]} | _bounds(bounds))
    return Table(_RATES, rates, f"{report['finding']}\n{title}", tuple(notes)), norms


def bounds_table(report: Mapping[str, Any]) -> Table:
    """What `GradientBounds.to_dict` returns, as a table of some lags."""
    return _lags(_bounds(report), bound_note(report))


def _bounds(report: Mapping[str, Any]) -> dict[Column, list[Any]]:
    """The columns of the bounds that are known."""
    by_weights = {} if report["gain"] is None else {_BY_WEIGHTS: report["log_from_weights"]}
    return by_weights | {_BY_STEPS: report["log_from_steps"]}


def _lags(columns: Mapping[Column, list[Any]], title: str = "") -> Table:
    """Columns of numbers at some lags."""
    shown = some_of(len(next(iter(columns.values()))), _SHOWN)
    rows = tuple((str(k), *(number(column[k]) for column in columns.values())) for k in shown)
    return Table((_LAG, *columns), rows, title)


def bound_note(report: Mapping[str, Any]) -> str:
    """What the bound of a step by the weights lets conclude."""
    if report["vanishing_guaranteed"]:
        ends = "gradients must vanish"
    elif report["exploding_possible"]:
        ends = "gradients can explode"
    else:
        ends = "gradients cannot explode"
    gain = report["gain"]
    return (
        "The weights alone give no bound here." if gain is None else f"No step has a norm above {number(gain)}: {ends}."
    )
