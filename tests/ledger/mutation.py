"""Random wrong changes of the code, and how many the quick tests of a subject notice. It needs `pip install cosmic-ray`."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mutants

SECONDS = float(os.environ.get("MUTATION_SECONDS", 3600))  # for all subjects, which are tried in turn
WORKERS = 2

# survivors that were read: the beginning of the line after the change, and why it changes nothing or what notices it now
READ = {
    "return jnp.where(open, jnp.inf, -1 / jnp.log(jnp.where(open, 3": "equivalent: a place holder, which nothing reads",
    "offset = jnp.where(starts.imag < 0, jnp.inf, jnp.abs(curve - starts)).at[n:].set(not": "equivalent: the same order",
    "if not size <= 2.0 ** (_MAX_SQUARINGS - 1):": "equivalent but for a norm of exactly this size, which has an error too",
    "rounding = 3 * eps * (xp.maximum": "equivalent: an upper bound of rounding, larger by half",
    "def exists(self, method": "a test was written, which notices it",
    "dt: float = eqx.field(static=False)": "a test was written, which notices it",
    "lead: float = eqx.field(static=False)": "a test was written, which notices it",
    "product = T[i + 1, i] * T[i, i - 1]": "it slows down what converges all the same; a test was written, which notices it",
}


def record() -> dict[str, Any]:
    names = list(mutants.SUBJECTS)
    with ThreadPoolExecutor() as pool:
        found = [one for share in pool.map(_share, (names[k::WORKERS] for k in range(WORKERS))) for one in share]
    return recorded(found)


def recorded(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of these changes."""
    about = (
        f"The changes are drawn with the seed {mutants.SEED}: a random place outside annotations, there a change of "
        "Cosmic Ray. One is noticed if a quick test of the subject fails, does not end in time, or cannot be imported."
    )
    rows = [_row(name, [one for one in found if one["subject"] == name]) for name in mutants.SUBJECTS]
    return {"about": about, "rows": [row for row in rows if row["times"]]}


def _share(names: list[str]) -> list[dict[str, Any]]:
    command = [sys.executable, mutants.__file__, str(SECONDS), *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _row(subject: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    survivors = [one for one in found if one["outcome"] == "survived"]
    noticed = len(found) - len(survivors)
    told = f"{noticed} of {len(found)} noticed"
    told += "".join(f"; not noticed: {_place(one)}" for one in survivors)
    open_ones = [one for one in survivors if _why(one) is None]
    holds = not open_ones or (noticed >= 0.85 * len(found) and "in part")
    tried = f"random wrong changes, noticed by {', '.join(mutants.SUBJECTS[subject][1])}"
    return {"subject": subject, "tried": tried, "times": len(found), "found": told, "holds": holds}


def _why(one: dict[str, Any]) -> str | None:
    return next((why for line, why in READ.items() if one["after"].startswith(line)), None)


def _place(one: dict[str, Any]) -> str:
    why = _why(one)
    place = f"{one['file'].removeprefix('rnn_ode/')}, line {one['line']}: `{one['after']}`"
    return f"{place} ({why})" if why else place
