"""A row of the table of published values: what was published, what is calculated here, and whether they agree."""

import numpy as np


def row(part, subject, published, source, ours, *, within, value=None, reason="") -> dict:
    """Compare numbers. `published` and `ours` are numbers or arrays of one shape.

    `within` is the largest difference that counts as agreement: a unit of the last digit that was published, or an error that
    is derived. `value` is shown for an array that does not fit into a cell, and `reason` says why the two differ, where that
    is known.
    """
    published, ours = np.asarray(published), np.asarray(ours)
    difference = distance(published, ours)
    agrees = bool(difference <= within)
    return {
        "part": part,
        "subject": subject,
        "value": value or shown(published),
        "source": source,
        "ours": shown(ours) if value is None else "the same" if agrees else "other numbers",
        "difference": f"{difference:.1e}, of at most {within:.1e}",
        "status": "agrees" if agrees else f"differs: {reason or 'not yet explained'}",
        "part_of_allowed": difference / within if np.isfinite(difference) else None,
    }


def worst(subject, rows) -> dict:
    """One row for several: the one that differs most, as a part of what is allowed."""
    by_part = max(rows, key=lambda one: np.inf if one["part_of_allowed"] is None else one["part_of_allowed"])
    return by_part | {"subject": f"{subject}: the worst of {len(rows)}" if len(rows) > 1 else subject}


def told(part, subject, published: str, source, ours: str) -> dict:
    """Compare words, such as a verdict or the kind of an error."""
    agrees = published == ours
    return {
        "part": part,
        "subject": subject,
        "value": published,
        "source": source,
        "ours": ours,
        "difference": "none" if agrees else "another answer",
        "status": "agrees" if agrees else "differs: not yet explained",
    }


def distance(published, ours) -> float:
    """The largest difference of entries; infinite for other shapes and for what is not a number."""
    if published.shape != ours.shape:
        return np.inf
    difference = float(np.max(np.abs(published - ours), initial=0.0))
    return difference if np.isfinite(difference) else np.inf


def shown(values) -> str:
    if values.size > 4:
        return f"array {values.shape}"
    return ", ".join(_number(value) for value in np.ravel(values))


def _number(value) -> str:
    return f"{value:.9g}" if np.isrealobj(value) else f"{value.real:.6g} {value.imag:+.6g} i"
