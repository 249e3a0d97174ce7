"""Matrices: solve, logarithm, exponential, eigenvalues, norms, and what eigenvalues allow to be said."""

from ._logm import logm as logm
