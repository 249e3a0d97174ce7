"""The table of `dysts.json`: published Lyapunov exponents of the flows of dysts beside ours, and how each is checked.

The sum of all exponents is the mean divergence of the field along the orbit. It is measured here by another integration, and
the published spectrum has to pass the same check. The largest exponent is measured a second time, by the growth of one
tangent vector, with half the step and without the package. Where the run ends at a fixed point, it is measured a second time
by the eigenvalues there. The sum and the divergence agree within four standard errors of their difference and the error of
the steps, which is 2e-7 of the fastest rate by the documentation of `lyapunov`; that rate is below 1/step. A published
exponent agrees with ours within 10 % and four of our standard errors, since its own error is not published.
"""

import json
from pathlib import Path

KEPT = Path(__file__).parent / "dysts.json"
PART = "dysts, corrected: largest exponents of its flows"
SOURCE = "dysts 0.96"
NEAR = 0.1  # of the published value
NOTES = {
    "MacArthur": ": on paper five exponents are −1/4, because resources plus what is bound in the species settle at "
    "the rate D",
    "DoublePendulum": ": its right-hand side has half of a cross term, so that the flow without damping loses volume",
}


def rows() -> list[dict]:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return [of_flow(name, found) for name, found in kept.items()]


def of_flow(name: str, found: dict) -> dict:
    if "not run" in found or found["result"] or None in (found.get("exponents") or [None]):
        reason = found.get("not run") or found["result"] or "no finite exponents"
        return _row(name, "", "", "", f"not compared: {reason}")
    ours, error, spectrum = found["exponents"], found["stderr"], found["published"]
    value = " / ".join(_number(one) for one in (spectrum[0] if spectrum else None, found["published_largest"]))
    checked = f"sum − mean divergence: {_gap(found):.1e}, of at most {allowed_gap(found):.1e}"
    note = NOTES.get(name, "")
    if found.get("finer", 1) > 1:
        note += f": it passes near a singularity, and was measured with steps {found['finer']} times shorter than usual"
    return _row(name + note, value, f"{ours[0]:.4g} ± {error[0]:.1g}", checked, status(found))


def _gap(found) -> float:
    return sum(found["exponents"]) - found["divergence"]


def allowed_gap(found) -> float:
    return 4 * 2**0.5 * found["divergence_stderr"] + 2e-7 / found["step"]


def is_mean_divergence(found) -> bool:
    """Whether the sum of our exponents is the mean divergence of the field."""
    return abs(_gap(found)) <= allowed_gap(found)


def status(found) -> str:
    if not is_mean_divergence(found):
        return "differs: our sum is not the mean divergence"
    ours, error, spectrum, single = found["exponents"], found["stderr"], found["published"], found["published_largest"]
    if "rest" not in found and found["second"] is None:
        return "differs: not measured a second time"
    if not same_twice(found):
        other = "the eigenvalues of the fixed point give" if "rest" in found else "one tangent vector gives"
        value, error = (found["rest"][0], 0) if "rest" in found else (found["second"], found["second_stderr"])
        return f"differs: {other} {value:.4g} ± {error:.1g}"
    values = {"the spectrum": spectrum and spectrum[0], "the single value": single}
    near = {words: abs(value - ours[0]) <= NEAR * abs(value) + 4 * error[0]
            for words, value in values.items() if value is not None}  # fmt: skip
    if not near:
        return "not compared: nothing is published"
    if all(near.values()):
        return "agrees"
    if any(near.values()):
        (good,), (bad,) = ([words for words in near if near[words] is so] for so in (True, False))
        return f"agrees in part: with {good}, not with {bad}"
    return f"published value is inexact: {'; '.join(_why_inexact(found))}"


def _why_inexact(found) -> list[str]:
    """How we know that it is not ours."""
    spectrum, single = found["published"], found["published_largest"]
    wrong = ["a second method gives our value"]
    if "rest" in found:
        wrong = ["the chaos is transient: our run ends at a fixed point, whose eigenvalues give our value"]
    if spectrum and single and abs(spectrum[0] - single) > 0.3 * max(abs(single), abs(spectrum[0])):
        wrong.append("the two published ones contradict each other")
    if spectrum and abs(sum(spectrum) - found["divergence"]) > allowed_gap(found) + NEAR * max(map(abs, spectrum)):
        wrong.append("the sum of the published spectrum is not the mean divergence")
    return wrong


def same_twice(found) -> bool:
    """Whether both measurements of the largest exponent are the same, within four standard errors and 2e-3 of the size of the
    exponents: along a cycle a plain mean of one tangent vector keeps an error of the order of 1/duration."""
    ours, size = found["exponents"], 2e-3 * max(map(abs, found["exponents"]))
    if "rest" not in found and found["second"] is None:
        return False
    if "rest" in found:
        return abs(found["rest"][0] - ours[0]) <= 4 * found["stderr"][0] + size
    gap = abs(found["second"] - ours[0])
    return gap <= 4 * (found["second_stderr"] ** 2 + found["stderr"][0] ** 2) ** 0.5 + size


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
