"""The table of `dysts.json`: published Lyapunov exponents of the flows of dysts beside ours, and how each is checked.

The sum of all exponents is the mean divergence of the field along the orbit. It is measured here by another integration, and
the published spectrum has to pass the same check. The largest exponent is measured a second time, by the growth of one
tangent vector, with half the step and without the package. The sum and the divergence agree within four standard errors of
their difference and the error of the steps, which is 2e-7 of the fastest rate by the documentation of `lyapunov`; that rate
is below 1/step. A published exponent agrees with ours within 10 % and four of our standard errors, since its own error is not
published.
"""

import json
from pathlib import Path

KEPT = Path(__file__).parent / "dysts.json"
PART = "dysts, corrected: largest exponents of its flows"
SOURCE = "dysts 0.96"
NEAR = 0.1  # of the published value
NOTES = {
    "DoublePendulum": ": its right-hand side has half of a cross term, so that the flow without damping loses volume",
    "PanXuZhou": ": its chaos is transient, and our run ends at a stable focus",
    "SprottS": ": over 2000 periods both methods give 0.190 ± 0.003; the standard error of 500 is too small",
}


def rows() -> list[dict]:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return [of_flow(name, found) for name, found in kept.items()]


def of_flow(name: str, found: dict) -> dict:
    if "not run" in found or found["result"] or None in (found.get("exponents") or [None]):
        reason = found.get("not run") or found["result"] or "no finite exponents"
        return _row(name, "", "", "", f"not compared: {reason}")
    ours, error, spectrum = found["exponents"], found["stderr"], found["published"]
    single = found["published_largest"]
    gap, allowed = sum(ours) - found["divergence"], allowed_gap(found)
    value = " / ".join(_number(one) for one in (spectrum[0] if spectrum else None, single))
    checked = f"sum − mean divergence: {gap:.1e}, of at most {allowed:.1e}"
    note = NOTES.get(name, "")
    return _row(name + note, value, f"{ours[0]:.4g} ± {error[0]:.1g}", checked, status(found, gap, allowed))


def allowed_gap(found) -> float:
    return 4 * 2**0.5 * found["divergence_stderr"] + 2e-7 / found["step"]


def status(found, gap, allowed) -> str:
    if abs(gap) > allowed:
        return "differs: our sum is not the mean divergence"
    ours, error, spectrum, single = found["exponents"], found["stderr"], found["published"], found["published_largest"]
    twice = found.get("second") is not None
    if twice and not same_twice(found):
        return f"differs: one tangent vector gives {found['second']:.4g} ± {found['second_stderr']:.1g}"
    if spectrum is None or single is None:
        return "not compared: no spectrum is published"

    def near(value):
        return abs(value - ours[0]) <= NEAR * abs(value) + 4 * error[0]

    if near(spectrum[0]) and near(single):
        return "agrees"
    if near(spectrum[0]) or near(single):
        words = ("the spectrum", "the single value") if near(spectrum[0]) else ("the single value", "the spectrum")
        return f"agrees in part: with {words[0]}, not with {words[1]}"
    wrong = ["a second method gives our value"] if twice else []
    if abs(spectrum[0] - single) > 0.3 * max(abs(single), abs(spectrum[0])):
        wrong.append("the two published ones contradict each other")
    if abs(sum(spectrum) - found["divergence"]) > allowed + NEAR * max(map(abs, spectrum)):
        wrong.append("the sum of the published spectrum is not the mean divergence")
    return f"published value is inexact: {'; '.join(wrong)}" if wrong else "differs: not measured a second time"


def same_twice(found) -> bool:
    """Whether both measurements of the largest exponent are the same, within four standard errors and 2e-3 of the size of the
    exponents: along a cycle a plain mean of one tangent vector keeps an error of the order of 1/duration."""
    gap = abs(found["second"] - found["exponents"][0])
    return gap <= 4 * (found["second_stderr"] ** 2 + found["stderr"][0] ** 2) ** 0.5 + 2e-3 * max(
        map(abs, found["exponents"])
    )


def _row(name, value, ours, difference, status) -> dict:
    return {
        "part": PART,
        "subject": name,
        "value": value,
        "source": SOURCE,
        "ours": ours,
        "difference": difference,
        "status": status,
    }


def _number(value) -> str:
    return "none" if value is None else f"{value:.4g}"
