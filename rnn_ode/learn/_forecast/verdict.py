"""Whether networks are worth having: one sentence, from errors on the test windows."""

import math

import numpy as np
from jaxtyping import Float

_SURE = 2.0  # standard errors
_FEWEST = (
    6  # signs: n equal ones have the chance 2 · 2^-n, for 6 the first that is below that of two standard errors, 4.6 %
)


def worth(
    targets: Float[np.ndarray, "n K"],
    networks: Float[np.ndarray, "n K"],
    baselines: dict[str, Float[np.ndarray, "n K"]],
    unit: Float[np.ndarray, " K"],
    lead: int,
    corrected: bool = True,
) -> str:
    """One sentence on the networks beside the best baseline, two if they are not used (`corrected`).

    The difference of two absolute errors counts if it is above two standard errors. These allow for differences that are
    alike in neighbouring windows (Diebold & Mariano, Journal of Business & Economic Statistics 13 (1995) 253). Nothing is
    said of fewer than six windows that do not overlap, since a sign test cannot decide there either.
    """
    if not baselines:
        return "There is no baseline beside the networks."
    errors = {name: (np.abs(found - targets) / unit).mean(axis=1) for name, found in baselines.items()}
    best = min(errors, key=lambda name: errors[name].mean())
    ours, theirs = (np.abs(networks - targets) / unit).mean(axis=1), errors[best]
    said = best.replace("_", " ")
    if corrected and len(targets) < (needed := (_FEWEST - 1) * lead + 1):
        apart = f", so that {_FEWEST} of them do not overlap" if lead > 1 else ""
        return (
            "There are too few test windows to tell whether the networks are worth having: "
            f"{len(targets)}, and {needed} are needed{apart}."
        )
    if theirs.mean() <= 1e-9 * max(1e-300, (np.abs(targets) / unit).mean()):
        return f"The networks are not worth having here: {said} is exact."
    if not corrected:
        return (
            "The networks are not worth having here: validation gave their correction no weight. The simple forecast that is "
            f"left errs {_relative(ours, theirs)} as the best baseline, {said}."
        )
    change, chance = ours - theirs, standard_error(ours - theirs, lead)
    share = abs(1 - ours.mean() / theirs.mean())
    if abs(change.mean()) <= _SURE * chance or share < 0.005:
        return f"The networks are not worth having here: {said} is as good, within chance ({_signed(ours, theirs)})."
    if change.mean() > 0:
        return f"The networks are not worth having here: {said} errs {_less(ours, theirs)} less."
    return f"The networks are worth having here: they err {share:.0%} less than the best baseline, {said}."


def _signed(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"the networks' error is {100 * (ours.mean() / theirs.mean() - 1):+.1f} %"


def _relative(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{ours.mean() / theirs.mean():.2f} times as much"


def _less(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{1 - theirs.mean() / ours.mean():.0%}"


def standard_error(change: np.ndarray, lead: int) -> float:
    """Of a mean of values that are correlated over less than `lead` rows."""
    n = len(change)
    off = change - change.mean()
    lags = min(max(lead, round(n ** (1 / 3))), n - 1)
    covariances = [float(off[: n - lag] @ off[lag:]) / n for lag in range(lags + 1)]
    variance = covariances[0] + 2 * sum((1 - lag / (lags + 1)) * covariances[lag] for lag in range(1, lags + 1))
    return math.sqrt(max(variance, 0.0) / n)
