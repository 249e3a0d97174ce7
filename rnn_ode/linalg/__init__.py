"""Linear algebra for matrices (N, N), on every backend and differentiable.

Public is `logm`, the principal logarithm. The files behind it serve the package:

- `_solve`: solutions and inverses by LU, safe under `vmap` on a CPU.
- `_balance`: a change of units, by powers of two, that makes a matrix as small as its eigenvalues allow.
- `_eig`: eigenvalues, eigenvectors and their condition numbers, also on backends that have no `eig`.
- `_exponential`: the exponential, its φ functions, and powers.
- `_logm`: the logarithm.
- `_norms`: norms, the numerical radius and the numerical abscissa.
- `_regions`: where eigenvalues are stable, for a map (the unit disc) and for a flow (the left half-plane).
- `_verdict`: whether a linear system decays or grows, to within the rounding of its eigenvalues.

Every function takes one matrix: use `jax.vmap` for a batch. A balanced matrix is used wherever that makes a result better, so
results do not depend on the units of the states.
"""

from ._logm import logm as logm

__all__ = [
    "logm",
]


def __dir__() -> list[str]:
    return __all__
