"""The gradients of a run as tables."""

from collections.abc import Mapping
from typing import Any

from .._base.checks import counted
from .._base.text import Column, Table, number, some_of

_RATES = Column("rate", ">", "nats per step, of log ‖∂h_T/∂h_{T−k}‖"), Column("from")

_LAGS = (
    Column("lag k", ">"),
    Column("log norm", ">", "of ∂h_T/∂h_{T−k}, in nats"),
    Column("by weights", ">", "its upper bound by the weights alone, k log gain"),
    Column("by steps", ">", "its upper bound by the norms of the steps' Jacobians"),
)

_SHOWN = 8  # lags


def gradient_tables(report: Mapping[str, Any]) -> tuple[Table, ...]:
    """What `GradientFlow.to_dict` returns, as tables: the rates, and the norms at some lags."""
    lags = len(report["log_norms"])
    rates = (
        (number(report["predicted_rate"]), "the eigenvalues"),
        (number(report["lyapunov_rate"]), "the largest Lyapunov exponent of the run"),
        (number(report["measured_rate"]), "the slope of the norms over the later half of the lags"),
    )
    bounds = report["bounds"]
    notes = [bound_note(bounds)]
    if report["result"] != "successful":
        notes.append(report["result"])
    title = f"Gradients of the last state with respect to the states up to {counted(lags - 1, 'step')} before it."
    columns = report["log_norms"], bounds["log_from_weights"], bounds["log_from_steps"]
    rows = tuple((str(k), *(number(column[k]) for column in columns)) for k in some_of(lags, _SHOWN))
    return Table(_RATES, rates, title, tuple(notes)), Table(_LAGS, rows)


def bounds_table(report: Mapping[str, Any]) -> Table:
    """What `GradientBounds.to_dict` returns, as a table of some lags."""
    columns = report["log_from_weights"], report["log_from_steps"]
    rows = tuple((str(k), *(number(column[k]) for column in columns)) for k in some_of(len(columns[0]), _SHOWN))
    return Table((_LAGS[0], *_LAGS[2:]), rows, bound_note(report))


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
        "No bound of a step is known by the weights."
        if gain is None
        else f"No step has a norm above {number(gain)}: {ends}."
    )
