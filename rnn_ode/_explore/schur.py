"""A matrix as the explorer takes it: the blocks on the diagonal of its real Schur form, and what is above them."""

from typing import Any

import numpy as np
from jaxtyping import Float

MOST = 16
"""The largest number of rows that the page draws within a frame."""


def schur(W: Float[np.ndarray, "N N"]) -> tuple[Float[np.ndarray, "N N"], Float[np.ndarray, "N N"]]:
    """T and Q of the real Schur form W = Q T Qᵀ. Each block of T is one number or [[a, b], [c, a]] with b c < 0.
    `ValueError` for a matrix that is too large to be explored."""
    import scipy.linalg  # takes long to load, and is needed here alone

    if len(W) > MOST:
        raise ValueError(f"a matrix to be explored must have at most {MOST} rows; got {W.shape}.")
    T, Q = scipy.linalg.schur(W, output="real")[:2]
    return np.asarray(T), np.asarray(Q)


def modes_of(T: Float[np.ndarray, "N N"]) -> list[list[float]]:
    """[real part, imaginary part, skew] of every block on the diagonal of a Schur form. A block of two rows is
    [[re, −im·skew], [im/skew, re]]."""
    modes, i = [], 0
    while i < len(T):
        if i + 1 < len(T) and T[i + 1, i] != 0:
            b, c = T[i, i + 1], T[i + 1, i]
            modes.append([float(T[i, i]), float(np.sqrt(-b * c)), float(np.sign(c) * np.sqrt(-b / c))])
            i += 2
        else:
            modes.append([float(T[i, i]), 0.0, 1.0])
            i += 1
    return modes


def first_state(W: Float[np.ndarray, "N N"]) -> dict[str, Any]:
    """What the page starts with: the modes of a matrix, with what is above them."""
    T, _ = schur(W)
    modes = [{"re": re, "im": im, "skew": skew} for re, im, skew in modes_of(T)]
    return {"modes": modes, "coupling": 1.0, "upper": T.ravel().tolist()}
