"""What the size of the errors goes with: nothing, the level of the history, or the size of its changes.

A growing series often has growing errors, and its intervals must grow with them. With logarithms they do. Elsewhere errors
are divided by such a size before they are calibrated (locally weighted conformal prediction: Lei et al., JASA 113, 2018,
section 5.2).
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .verdict import standard_error

_SURE = 2.0  # standard errors by which sizes must describe the errors better than one size for all
_LEAST = 0.1  # of the usual size: a history without changes has errors too
_EXACT = 1e-9  # relative errors that are but rounding

SIZES = {
    "level": lambda inputs: np.abs(inputs).mean(axis=1),
    "changes": lambda inputs: np.sqrt(np.mean(np.diff(inputs, axis=1) ** 2, axis=1)),
}


class Scale(eqx.Module):
    """The size of errors by the history before them, relative to the usual one.

    **Fields:** `kind`, one of `SIZES`: the mean absolute value of the history, or the root mean square of its changes from
    row to row; `usual` (K,), its mean over the windows before the test.
    """

    kind: str = eqx.field(static=True)
    usual: Float[np.ndarray, " K"]

    def in_words(self) -> str:
        return f"the intervals grow with the {self.kind} of the history"

    def __call__(self, inputs: Float[np.ndarray, "n history K"]) -> Float[np.ndarray, "n 1 K"]:
        return (SIZES[self.kind](inputs) / self.usual + _LEAST)[:, None] / (1 + _LEAST)


def scale_of(
    wrong: Float[np.ndarray, "n horizon K"], inputs: Float[np.ndarray, "n history K"], lead: int
) -> Scale | None:
    """The scale that describes these errors of windows best, or `None` if none is clearly better than one size for all.

    What describes them is a Laplace distribution whose width is the scale times a factor. `lead` is the number of rows from
    the last one of a history to the last target: errors of windows that are nearer are correlated.
    """
    if inputs.shape[1] < 3 or (np.abs(wrong).mean(axis=0) <= _EXACT * np.abs(inputs).mean(axis=(0, 1))).any():
        return None
    even, found = _likelihood(wrong, np.ones_like(wrong)), {}
    for kind, size in SIZES.items():
        usual = size(inputs).mean(axis=0)
        if not (usual > 0).all():
            continue
        scale = Scale(kind, usual)
        gain = _likelihood(wrong, scale(inputs)) - even
        if gain.mean() > _SURE * standard_error(gain, lead):
            found[gain.mean()] = scale
    return found[max(found)] if found else None


def _likelihood(wrong: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The logarithm of the density of each window's errors, with the widths that fit best."""
    relative = np.abs(wrong) / scale
    width = relative.mean(axis=0)
    return -(np.log(2 * width * scale) + relative / width).mean(axis=(1, 2))
