"""An analysis as text."""

import textwrap
from collections.abc import Sequence
from typing import Any

from .._base.text import number
from .analysis_side import Side

_SHOWN = 6  # fixed points and exponents

_LEGEND = (
    "Fixed points: kind, verdict, leading eigenvalue (the one nearest to the boundary: a multiplier of the network,",
    "|λ| = 1, an exponent of the flow, Re μ = 0).",
    "Exponents in nats per unit time ± standard error; gradients: slope of log ‖∂h_T/∂h_{T−k}‖ against the lag, nats",
    "per step; transient: the largest growth of a disturbance of the fixed point nearest to the end of the run.",
)


def analysis_table(sides: Sequence[Side]) -> str:
    """The answers of the network and of the flow in two columns, and what they mean."""
    left, right = (_column(side) for side in sides)
    height, width = max(len(left), len(right)), max(map(len, left)) + 4
    left, right = (column + [""] * (height - len(column)) for column in (left, right))
    lines = [(one.ljust(width) + two).rstrip() for one, two in zip(left, right, strict=True)]
    return "\n".join([*lines, "", *_LEGEND])


def _column(side: Side) -> list[str]:
    lines = [side.name, "─" * max(len(side.name), 12), *_wrapped(side.reason)]
    if side.points is None:
        return lines
    answers = side.to_dict()
    lines += _fixed_points(answers["fixed_points"], f"{side.mark}_by_the_conversion")
    if side.points.hint:
        lines += _wrapped(f"Where undetermined, {side.points.hint}")
    if side.exponents is not None:
        lines += _exponents(answers)
    if side.gradients is not None:
        lines.append(f"gradients: {number(answers['gradient_rate'], 4)} nats per step")
    if side.transient is not None:
        lines.append(_transient(answers))
    return lines


def _wrapped(text: str) -> list[str]:
    return [f"  {part}" for part in textwrap.wrap(text, 60)]


def _fixed_points(found: list[dict[str, Any]], added: str) -> list[str]:
    lines = [f"fixed points: {len(found)}"]
    for point in found[:_SHOWN]:
        real, imaginary = point["leading_eigenvalue"]
        value = f"{real:.3g}" + (f" ± {abs(imaginary):.3g}i" if imaginary else "")
        notes = [note for note in ("on_kink", added, "undefined_in_the_other") if point[note]]
        lines.append("  " + ", ".join([point["kind"].lower(), point["verdict"], value, *notes]).replace("_", " "))
    if len(found) > _SHOWN:
        lines.append(f"  … and {len(found) - _SHOWN} more (--json has them all)")
    return lines


def _exponents(answers: dict[str, Any]) -> list[str]:
    pairs = zip(answers["exponents"][:_SHOWN], answers["exponents_stderr"], strict=False)
    least, most = (number(value, 4) for value in answers["kaplan_yorke_range"])
    between = "" if least == most else f" ({least} to {most})"
    return [
        "Lyapunov exponents:",
        *(f"  {number(value, 4)} ± {number(error, 1)}" for value, error in pairs),
        f"  Kaplan–Yorke dimension {number(answers['kaplan_yorke'], 4)}{between}",
    ]


def _transient(answers: dict[str, Any]) -> str:
    peak, at, kreiss = (answers[name] for name in ("transient_peak", "transient_peak_time", "kreiss"))
    if peak is None:
        seen = "" if answers["transient_verdict"] == "GROWS" else ", as far as can be seen"
        return f"transient: grows without bound{seen}"
    return f"transient: peak {number(peak, 4)} at t = {number(at, 4)}, Kreiss constant {number(kreiss, 4)}"
