"""A spectrum as text."""

from collections.abc import Mapping
from typing import Any

from .._base.text import number, table

_SHOWN = 12  # multipliers


def spectrum_table(report: Mapping[str, Any]) -> str:
    """What `Spectrum.to_dict` returns, as text: a row for each method, and one for each of the largest multipliers."""
    size, network, hidden = report["size"], report["network"], report["size"] - _SHOWN
    lines = [
        f"{size} × {size} matrix, condition number {number(report['condition_number'], 5)}",
        f"network h ↦ W h: {network['says']}",
        f"spectral radius {report['radius']:.6g}, abscissa {report['abscissa']:.6g}, "
        f"rate {number(network['rate'], 5)} nats per step",
        "",
        _methods(report["methods"]),
        "",
        _multipliers(report["multipliers"][:_SHOWN]),
    ]
    if hidden > 0:
        lines.append(f"… and {hidden} smaller ones (--json has them all)")
    return "\n".join(lines)


def _methods(methods: list[dict[str, Any]]) -> str:
    rows = [("method", "its flow", "nats per step", "   exists")]
    for m in methods:
        exists = "yes" if m["exists"] else f"no: {m['why_not']}"
        rows.append((m["method"], m["verdict"], number(m["rate"], 5), f"   {exists}"))
    return table(rows, align="<<>", least=(14, 14, 14), gap=0)


def _multipliers(multipliers: list[dict[str, Any]]) -> str:
    rows = [("multiplier", "modulus", "e-folding", "cycles/step", "condition")]
    for z in multipliers:
        value = f"{z['re']:.6g} {'+' if z['im'] >= 0 else '-'} {abs(z['im']):.6g}i"
        efolding = "∞" if z["timescale"] is None else number(z["timescale"], 5)
        numbers = number(z["modulus"], 5), efolding, f"{z['frequency']:.4f}", number(z["condition"], 5)
        rows.append((value, *numbers))
    return table(rows, align=">>>>>", least=(26, 11, 12, 13, 11), gap=0)
