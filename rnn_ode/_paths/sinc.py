"""The windowed sinc: weights of the samples around a time, to read a band-limited signal there.

Sample k, at the distance d from the time in sampling intervals, has the weight sinc(d)·w(d/H) for |d| < H. The window w is
Kaiser's, I₀(β √(1 − u²)). A larger β reads low frequencies with a smaller error, and a smaller β reads more of the band.
Source: Kaiser, "Nonrecursive digital filter design using the I₀-sinh window function", ISCAS 1974.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from .._base.checks import as_number

WIDE = 8.6  # β of a window of 4 samples to either side and more


def fitted_beta(half_width: int) -> float:
    """Return the β that suits a window of `half_width` samples to either side.

    It is a fit to the least mean square errors of reading the input and the outputs of two amplifiers' networks, which are
    at β = 4.5 for 2 samples, at 7 to 8 for 3, and at 8 to 10 for 4 and more."""
    return min(2.5 * half_width - 0.5, WIDE)


def as_beta(name: str, value: Any) -> float:
    """Return the β of a window as a float; `ValueError` for one that is negative or not finite."""
    beta = as_number(name, value)
    if not 0 <= beta <= 80:  # I₀ of more leaves the range of float32
        raise ValueError(f"{name} must be from 0 to 80, the shape of Kaiser's window; got {beta}.")
    return beta


def offsets(half_width: int) -> Int[np.ndarray, " taps"]:
    """Return the numbers of the samples that count, from the last sample at or before the time on: 1 − H … H."""
    return np.arange(1 - half_width, half_width + 1)


def sinc_weights(f: Any, half_width: int, beta: float, xp: Any = jnp) -> Any:
    """Return the weights (taps,) of the samples around a time that is a fraction f of an interval after a sample.

    Fractions (n, 1) give weights (n, taps). They sum to 1. At f = 0 the sample's own weight is exactly 1 and all others are
    exactly 0."""
    places = offsets(half_width)
    distance = f - places.astype(f.dtype)
    window = xp.i0(beta * xp.sqrt(xp.maximum(1 - (distance / half_width) ** 2, 1e-12)))
    # one sine, of the distance to the nearer stamp, serves all taps, and is exact at the stamps in float32 too
    sine = (1 - 2 * (places % 2)) * xp.sin(np.pi * xp.minimum(f, 1 - f))
    at_stamp = distance == 0
    sinc = xp.where(at_stamp, 1.0, sine / (np.pi * xp.where(at_stamp, 1.0, distance)))
    weights = sinc * window
    return weights / xp.sum(weights, axis=-1, keepdims=True)
