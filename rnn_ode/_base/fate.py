"""The fate of a gradient in a few words, for tables and pictures."""

from typing import Any

import numpy as np


def fate(g: Any) -> str:
    """Whether the gradient of a `GradientFlow` vanishes, persists or explodes, with its factor a step.

    It persists if it changes by less than a tenth a step, the whole run changed it less than a hundredfold, and the weights
    do not force it to vanish. Without the first, one that halves at each of a few steps would persist.
    """
    last, rate = float(g.log_norms[-1]), float(g.measured_rate)
    if np.isnan(last):
        return "is undefined: see its result"
    if np.isneginf(last):
        return f"vanishes: 0 from lag {int(np.argmax(np.isneginf(g.log_norms)))}"
    steady, kept = abs(rate) < np.log(1.1), abs(last) < np.log(100)
    if steady and kept and not g.bounds.vanishing_guaranteed:
        verb = "persists"
    else:
        verb = "explodes" if (last if steady else rate) > 0 else "vanishes"
    return f"{verb}: ×{np.exp(rate):.3g} a step"
