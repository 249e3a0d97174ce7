"""A spectrum as tables."""

from collections.abc import Mapping
from typing import Any

from .._base.text import Column, Table, complex_number, number

_SHOWN = 12  # multipliers

_METHODS = (
    Column("method"),
    Column("its flow", says="what the method's flow does, by the eigenvalues"),
    Column("nats per step", ">", "growth of that flow"),
    Column("exists", says="whether the method can be used on this matrix"),
)

_MULTIPLIERS = (
    Column("multiplier", ">"),
    Column("modulus", ">", "factor by which the mode changes in a step"),
    Column("e-folding", ">", "steps in which the mode falls by a factor e; negative where it grows"),
    Column("cycles/step", ">", "how often the mode turns in a step"),
    Column("condition", ">", "of the eigenvalue; 1 for a normal matrix, ∞ for a defective one"),
)


def spectrum_tables(report: Mapping[str, Any]) -> tuple[Table, Table]:
    """What `Spectrum.to_dict` returns, with its infinities, as tables: a row for each method, and one for each of the largest
    multipliers."""
    size, network = report["size"], report["network"]
    says = (
        f"{size} × {size} matrix, condition number {number(report['condition_number'], 5)}",
        f"network h ↦ W h: {network['says']}",
        f"spectral radius {report['radius']:.6g}, abscissa {report['abscissa']:.6g}, "
        f"rate {number(network['rate'], 5)} nats per step",
    )
    methods = tuple(map(_method, report["methods"]))
    multipliers = tuple(map(_multiplier, report["multipliers"][:_SHOWN]))
    hidden = max(size - _SHOWN, 0)
    notes = ("to_dict and --json have them all.",) if hidden else ()
    return (
        Table(_METHODS, methods, title="\n".join(says)),
        Table(_MULTIPLIERS, multipliers, notes=notes, hidden=hidden),
    )


def _method(m: Mapping[str, Any]) -> tuple[str, ...]:
    return m["method"], m["verdict"], number(m["rate"], 5), "yes" if m["exists"] else f"no: {m['why_not']}"


def _multiplier(z: Mapping[str, Any]) -> tuple[str, ...]:
    value, turns = complex_number(complex(z["re"], z["im"]), 6), f"{z['frequency']:.4f}"
    return value, number(z["modulus"], 5), number(z["timescale"], 5), turns, number(z["condition"], 5)
