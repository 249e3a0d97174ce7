"""An analysis as tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._base.text import Column, Table, number
from .analysis_side import Side

_SHOWN = 6  # fixed points of a side, and exponents

_POINTS = (
    Column("fixed points"),
    Column("kind"),
    Column("verdict"),
    Column(
        "leading",
        ">",
        "the eigenvalue nearest to the boundary: a multiplier of the network (|λ| = 1), an exponent of the flow (Re μ = 0)",
    ),
    Column("note"),
)


def analysis_tables(sides: Sequence[Side]) -> tuple[Table, ...]:
    """The answers of the network and of the flow in a column each, then their fixed points."""
    answers = [side.to_dict() for side in sides]
    counts = ["" if side.points is None else str(side.points.count) for side in sides]
    rows = [(question, *(answer(one) for one in answers)) for question, answer in _QUESTIONS.items()]
    rows = [row for row in (rows[0], ("fixed points", *counts), *rows[1:]) if any(row[1:])]
    columns = (Column(""), *(Column(side.name) for side in sides))
    points = tuple(
        row
        for side, one in zip(sides, answers, strict=True)
        for row in _points(one["fixed_points"], side.name, side.mark)
    )
    hints = {side.name: side.points.hint for side in sides if side.points is not None}
    notes = tuple(f"{name}, where undetermined: {hint}" for name, hint in hints.items() if hint)
    return Table(columns, tuple(rows), notes=(_LEGEND,)), Table(_POINTS, points, notes=notes)


_LEGEND = (
    "Exponents are in nats per unit time ± standard error. Gradients: slope of log ‖∂h_T/∂h_{T−k}‖ against the lag, in nats "
    "per step. Transient: the largest growth of a disturbance of the fixed point nearest to the end of the run."
)


def _exponents(answers: Mapping[str, Any]) -> str:
    if answers["exponents"] is None:
        return ""
    pairs = zip(answers["exponents"][:_SHOWN], answers["exponents_stderr"], strict=False)
    hidden = len(answers["exponents"]) - _SHOWN
    more = [f"and {hidden} more"] if hidden > 0 else []
    return ", ".join([*(f"{number(value, 4)} ± {number(error, 1)}" for value, error in pairs), *more])


def _orbits(answers: Mapping[str, Any]) -> str:
    told = []
    for orbit in answers["orbits"]:
        largest = max(abs(complex(*value)) for i, value in enumerate(orbit["multipliers"]) if i != orbit["trivial"])
        told.append(f"period {number(orbit['period'], 5)}, {orbit['verdict']}, largest multiplier {number(largest)}")
    return "; ".join(told)


def _dimension(answers: Mapping[str, Any]) -> str:
    if answers["exponents"] is None:
        return ""
    least, most = (number(value, 4) for value in answers["kaplan_yorke_range"])
    return number(answers["kaplan_yorke"], 4) + ("" if least == most else f" ({least} to {most})")


def _gradients(answers: Mapping[str, Any]) -> str:
    rate = answers["gradient_rate"]
    return "" if rate is None else f"{number(rate, 4)} nats per step"


def _transient(answers: Mapping[str, Any]) -> str:
    peak, at, kreiss = (answers[name] for name in ("transient_peak", "transient_peak_time", "kreiss"))
    if answers["transient_verdict"] is None:
        return ""
    if peak is None:
        return _WITHOUT_PEAK.get(answers["transient_verdict"], "grows beyond the float range")
    return f"peak {number(peak, 4)} at t = {number(at, 4)}, Kreiss constant {number(kreiss, 4)}"


_WITHOUT_PEAK = {
    "GROWS": "grows without bound",
    "UNDETERMINED": "the eigenvalues cannot say whether it stays bounded",
}

_QUESTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda answers: answers["reason"],
    "closed orbit": _orbits,
    "Lyapunov exponents": _exponents,
    "Kaplan–Yorke dimension": _dimension,
    "gradients": _gradients,
    "transient": _transient,
}
"""The answer to each question, in words; empty for none."""


def _points(found: list[dict[str, Any]], name: str, mark: str) -> list[tuple[str, ...]]:
    """The rows of one side's fixed points."""
    rows = []
    for point in found[:_SHOWN]:
        real, imaginary = point["leading_eigenvalue"]
        value = number(real) + (f" ± {number(imaginary)}i" if imaginary else "")
        marks = [note for note in ("on_kink", f"{mark}_by_the_conversion", "undefined_in_the_other") if point[note]]
        words = (name, point["kind"].lower(), point["verdict"], value, ", ".join(marks))
        rows.append(tuple(word.replace("_", " ") if word is not name else word for word in words))
    if len(found) > _SHOWN:
        rows.append((name, f"… and {len(found) - _SHOWN} more", "", "", ""))
    return rows
