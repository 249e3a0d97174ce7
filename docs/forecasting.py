"""Measures the table of docs/forecasting.md: run `python docs/forecasting.py results.json` from the repository's root.

It runs the default command on ten files that statsmodels ships, with five seeds each (or as many as --seeds says), and keeps
each result in the file, so that it can be stopped and run again. It prints the table. It needs statsmodels.
"""

import argparse
import json
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from rnn_ode.cli import app

ROOT = Path(find_spec("statsmodels").submodule_search_locations[0])
FILES = {
    "nile": ("datasets/nile/nile.csv",),
    "elnino": ("datasets/elnino/elnino.csv",),
    "sunspots": ("datasets/sunspots/sunspots.csv",),
    "macrodata": ("datasets/macrodata/macrodata.csv",),
    "elec_equip": ("datasets/elec_equip/elec_equip.csv",),
    "danish_data": ("datasets/danish_data/data.csv",),
    "interest_inflation": ("datasets/interest_inflation/E6.csv",),
    "clark1989": ("tsa/statespace/tests/results/clark1989.csv",),
    "housing": ("tsa/holtwinters/tests/results/housing-data.csv",),
    "co2": ("datasets/co2/co2.csv", "--fill", "linear"),
}


def measured(name: str, seed: int, *more: str) -> dict:
    """What the command finds on a file: the MASE of every method, the coverage, the verdict and the seconds."""
    file, *options = FILES[name]
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "page.png")
        began = time.perf_counter()
        done = CliRunner().invoke(
            app, ["forecast", str(ROOT / file), *options, "--seed", str(seed), "--json", "--out", out, *more]
        )
    if done.exit_code:
        raise SystemExit(f"{name}: {done.stderr}")
    found = json.loads(done.stdout)
    return {
        "read": found["read"]["line"],
        "baselines": {method: row["mase"] for method, row in found["baselines"].items()},
        "ensemble": found["ensemble"]["mase"],
        "covers": found["coverage"]["measured"],
        "windows": found["windows"]["test"],
        "prepared": found["prepared"],
        "verdict": found["verdict"],
        "seconds": time.perf_counter() - began,
    }


def table(results: dict[str, list[dict]]) -> str:
    """The table in Markdown: the median over the seeds of the ensemble, beside the best baseline."""
    lines = ["| file | test windows | best baseline | its MASE | networks (range) | to the best | covered by 90 % |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, rows in results.items():
        best, mase = min(rows[0]["baselines"].items(), key=lambda item: item[1])
        ours = np.array([row["ensemble"] for row in rows])
        covers = np.median([row["covers"] for row in rows])
        lines.append(
            f"| {name} | {rows[0]['windows']} | {best} | {mase:.3f} | {np.median(ours):.3f} ({ours.min():.3f} to "
            f"{ours.max():.3f}) | {100 * (np.median(ours) / mase - 1):+.1f} % | {covers:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", help="the file that keeps the results")
    parser.add_argument("--file", action="append", choices=list(FILES), help="only this one")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", help="steps of training, to try the script")
    chosen = parser.parse_args()
    path = Path(chosen.results) if chosen.results else None
    results = json.loads(path.read_text()) if path and path.exists() else {}
    more = ["--steps", chosen.steps] if chosen.steps else []
    for seed in range(chosen.seeds):
        for name in chosen.file or FILES:
            rows = results.setdefault(name, [])
            if len(rows) > seed:
                continue
            rows.append(measured(name, seed, *more))
            if path:
                beside = path.with_suffix(".part")
                beside.write_text(json.dumps(results, indent=1))
                os.replace(beside, path)
    print(table(results))


if __name__ == "__main__":
    main()
