"""Numbers in text and JSON."""

import math
from typing import Any


def finite_or_none(value: Any) -> float | None:
    """A number for json: `None` for what is missing or not finite."""
    return None if value is None or not math.isfinite(float(value)) else float(value)
