"""The explorer in Jupyter: a network's eigenvalues to drag, and the matrix that belongs to them."""

from pathlib import Path
from typing import Any

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from .._base.checks import as_matrix, check_on_host
from .._base.types import Cell
from .schur import modes_of, schur

MODULE = Path(__file__).with_name("explorer.js")


def explore(cell: Cell | ArrayLike | None = None) -> Any:
    """Show a network's multipliers in the complex plane, to drag, beside its samples, its flows and the verdicts on them.

    It runs in Jupyter (JupyterLab, Notebook, VS Code, Colab) by `anywidget`, and computes in the browser. `rnn-ode explore`
    shows the same page without Jupyter.

    **Arguments:**

    - `cell`: a cell that knows its linear part, such as `VanillaCell`, or a matrix (N, N), with N of at most 16. Default: one
      multiplier, ½.

    **Returns:** a widget. `widget.W` is the matrix (N, N) that belongs to the multipliers as they were last released. It is
    Q T Qᵀ with the Q of the real Schur form of the matrix given, and T with the new multipliers on its diagonal. Real
    multipliers stay real and pairs stay pairs, so that the size is kept, until you add or remove one.

    **Raises:** `ImportError` without anywidget, `ValueError` for a larger matrix, `TypeError` for a cell without a linear
    part.

    ```python
    >>> import rnn_ode as ro
    >>> widget = ro.explore([[0.5, 1.0], [0.0, -0.2]])
    >>> widget.W.round(6).tolist()
    [[0.5, 1.0], [0.0, -0.2]]

    ```
    """
    check_on_host("explore", cell=cell)
    first, Q = schur(_matrix_of(cell))
    try:
        import anywidget  # pyright: ignore[reportMissingImports]
        import traitlets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "rnn_ode.explore needs anywidget: pip install '.[explore]' in a clone of rnn_ode", name="anywidget"
        ) from error

    class Explorer(anywidget.AnyWidget):
        _esm = MODULE
        modes = traitlets.List().tag(sync=True)
        coupling = traitlets.Float(0.0).tag(sync=True)
        upper = traitlets.List().tag(sync=True)
        matrix = traitlets.List().tag(sync=True)

        def __init__(self):
            rows = first.ravel().tolist()
            # without a cell there is no matrix whose size would have to be kept
            super().__init__(modes=modes_of(first), coupling=1.0, upper=[] if cell is None else rows, matrix=rows)

        @property
        def W(self) -> Float[np.ndarray, "N N"]:
            """The matrix of the multipliers as they are shown. Its size changes if modes were added or removed."""
            n = round(len(self.matrix) ** 0.5)
            T = np.reshape(self.matrix, (n, n))
            return Q @ T @ Q.T if n == len(Q) else T

    return Explorer()


def _matrix_of(cell: Any) -> Float[np.ndarray, "N N"]:
    if cell is None:
        return np.array([[0.5]])
    matrix = getattr(cell, "linear_part", None) if callable(cell) else cell
    if matrix is None:
        raise TypeError(
            f"cell must know its linear part, as a VanillaCell does, or be a matrix (N, N); got {type(cell).__name__}. "
            "Give the Jacobian at a state: jax.jacfwd(lambda h: cell(x, h))(h)."
        )
    as_matrix("cell", matrix)
    return np.asarray(matrix, np.float64)
