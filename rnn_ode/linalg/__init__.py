"""Functions of matrices (N, N), on every backend and differentiable in forward and reverse mode.

| function | of |
|---|---|
| `logm`, `expm`, `phi_functions` | the logarithm, the exponential, and the φ functions of exponential integrators |
| `funm` | any analytic function, also of a defective matrix |
| `eig`, `eigvals`, `eigenvalue_condition` | eigenvalues and eigenvectors; how sensitive the eigenvalues are |
| `sylvester`, `lyapunov_continuous`, `lyapunov_discrete` | linear matrix equations |
| `stability_radius`, `kreiss`, `pseudospectrum` | how near a matrix is to instability |
| `condition` | how much any of these functions, or one of yours, magnifies a change of its arguments |

Every function takes one matrix: use `jax.vmap` for a batch. A matrix is a map, h ↦ A h, unless `continuous=True` makes it a
generator, dh/dt = A h. A balanced matrix is used wherever that makes a result better, so results do not depend on the units
of the states. The private files behind it also serve the package:

- `_solve`: solutions and inverses by LU, safe under `vmap` on a CPU.
- `_balance`: a change of units, by powers of two, that makes a matrix as small as its eigenvalues allow.
- `_eig`: eigenvalues, eigenvectors and their condition numbers, also on backends that have no `eig`.
- `_norms`: norms, the numerical radius and the numerical abscissa.
- `_regions`: where eigenvalues are stable, for a map (the unit disc) and for a flow (the left half-plane).
- `_verdict`: whether a linear system decays or grows, to within the rounding of its eigenvalues.
"""

from ._condition import condition as condition
from ._eig import eigenvalue_condition as eigenvalue_condition
from ._eigenvectors import eig as eig
from ._eigenvectors import eigvals as eigvals
from ._exponential import expm as expm
from ._exponential import phi_functions as phi_functions
from ._funm import MatrixFunction as MatrixFunction
from ._funm import funm as funm
from ._logm import logm as logm
from ._stability import StabilityRadius as StabilityRadius
from ._stability import kreiss as kreiss
from ._stability import pseudospectrum as pseudospectrum
from ._stability import stability_radius as stability_radius
from ._sylvester import lyapunov_continuous as lyapunov_continuous
from ._sylvester import lyapunov_discrete as lyapunov_discrete
from ._sylvester import sylvester as sylvester

__all__ = [
    "MatrixFunction",
    "StabilityRadius",
    "condition",
    "eig",
    "eigenvalue_condition",
    "eigvals",
    "expm",
    "funm",
    "kreiss",
    "logm",
    "lyapunov_continuous",
    "lyapunov_discrete",
    "phi_functions",
    "pseudospectrum",
    "stability_radius",
    "sylvester",
]


def __dir__() -> list[str]:
    return __all__
