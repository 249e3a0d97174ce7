"""`rnn-ode spectrum`: what the eigenvalues of a matrix say."""

from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import typer

from .._base.text import plain
from .._base.verdict import Verdict, verdict_name
from .._methods.catalogue import CONVERSIONS
from .._methods.closed import Textbook
from .._reports.compare import predict
from ..interop import read_matrix
from ._app import app, job
from ._options import Json
from ._progress import progress
from ._result import check_files, print_result


@app.command("spectrum")
def spectrum_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="File of a matrix or a network: .npz, .npy, .json, .safetensors, .csv or .txt.")
    ],
    key: Annotated[
        str | None,
        typer.Option(help="Name of the matrix in the file. Without it: the recurrent matrix, or the only square one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the eigenvalues of a matrix say about the network and about each continuous counterpart."""
    with job(context):
        check_files(reads={"FILE": file})
        W = read_matrix(file, key).astype(float)
        with progress("eigenvalues"):
            report = _spectrum_report(W)
        print_result(as_json, report, _spectrum_text(report))


def _spectrum_report(W: np.ndarray) -> dict:
    asked = (*CONVERSIONS, Textbook())
    s, verdict, predictions = predict(jnp.asarray(W), asked)
    modes = zip(*map(np.asarray, (s.multipliers, s.timescales, s.frequencies, s.condition)), strict=True)
    methods = []
    for m, (its_verdict, rate, converges, _, _) in zip(asked, predictions, strict=True):
        why_not = m.obstacle(W)
        methods.append(
            {
                "method": m.label,
                "verdict": verdict_name(its_verdict),
                "rate": plain(rate),
                "exists": why_not is None,
                "why_not": why_not and why_not.text,
                "series_converges": bool(converges),
            }
        )
    return {
        "size": len(W),
        "network": {"verdict": verdict_name(verdict), "says": Verdict[verdict], "rate": plain(s.rate())},
        "radius": float(s.radius),
        "abscissa": float(s.abscissa),
        "condition_number": plain(np.linalg.cond(W)),
        "multipliers": [
            {
                "re": float(z.real),
                "im": float(z.imag),
                "modulus": float(abs(z)),
                "timescale": plain(timescale),
                "frequency": float(frequency),
                "condition": plain(condition),
            }
            for z, timescale, frequency, condition in modes
        ],
        "methods": methods,
    }


def _spectrum_text(report: dict) -> str:
    def number(value):
        return "–" if value is None else f"{value:.5g}"

    lines = [
        f"{report['size']} × {report['size']} matrix, condition number {number(report['condition_number'])}",
        f"network h ↦ W h: {report['network']['says']}",
        f"spectral radius {report['radius']:.6g}, abscissa {report['abscissa']:.6g}, "
        f"rate {number(report['network']['rate'])} nats per step",
        "",
        f"{'method':<14}{'its flow':<14}{'nats per step':>14}   exists",
    ]
    for m in report["methods"]:
        exists = "yes" if m["exists"] else f"no: {m['why_not']}"
        lines.append(f"{m['method']:<14}{m['verdict']:<14}{number(m['rate']):>14}   {exists}")
    lines += ["", f"{'multiplier':>26}{'modulus':>11}{'e-folding':>12}{'cycles/step':>13}{'condition':>11}"]
    for z in report["multipliers"][:12]:
        shown = f"{z['re']:.6g} {'+' if z['im'] >= 0 else '-'} {abs(z['im']):.6g}i"
        efolding = "∞" if z["timescale"] is None else number(z["timescale"])
        lines.append(
            f"{shown:>26}{z['modulus']:>11.5g}{efolding:>12}{z['frequency']:>13.4f}{number(z['condition']):>11}"
        )
    hidden = len(report["multipliers"]) - 12
    if hidden > 0:
        lines.append(f"… and {hidden} smaller ones (--json has them all)")
    return "\n".join(lines)
