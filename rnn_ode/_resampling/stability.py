"""Whether a scheme that steps a network by parts of a step is stable.

Interpolation along the orbit uses earlier results, so it is a linear multistep method. For a multiplier λ of the network it
is a linear recurrence, whose companion matrix has the *roots* as eigenvalues. One of them approximates λ^s, the flow's own.
The root condition: no root exceeds the larger of 1 and |λ|^s in modulus (Dahlquist, Math. Scand. 4, 1956). The multipliers
are those at the network's fixed point, so that the condition says nothing about large signals.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree, Real

from .._base.callables import check_cell
from .._base.checks import as_band, as_floats, as_number, check_count, check_on_host, is_concrete
from .._base.compiled import compiled
from .._base.protocol import input_width
from .._base.shown import ShownArrays, Variables
from .._base.states import frozen, promote
from .._base.text import Column, Table, plain
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state
from .._run.clock import Clock
from ..linalg._eig import eig
from ..linalg._solve import solve
from .interpolation import lagrange, uniform_nodes

TOLERANCE = 1e-3


class RootCondition(ShownArrays, eqx.Module):
    """Which pairs (ahead, behind) step a network stably by gaps of one length.

    **Fields:**

    - `gap`: the distance of two results, in steps of the network.
    - `multipliers`: (N,) of the network's step at rest.
    - `radii`: (A, B + 1), the largest modulus of the roots for ahead = 1 … A (rows) and behind = 0 … B.
    - `excess`: (A, B + 1), by how much a radius exceeds the larger of 1 and |λ|^gap, at the worst multiplier.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.9, 0.0], [0.0, -0.6]], jnp.zeros((2, 1)), jnp.zeros(2), activation=None)
    >>> print(ro.root_condition(cell, jnp.zeros(1), 0.5, ahead=1, behind=1).table())
    The largest modulus of the roots of evolve(ahead, behind), in steps of 0.5 of
    the network's.
    <BLANKLINE>
    ahead \\ behind       0       1
    ──────────────  ──────  ──────
                 1  0.9500  0.9486
    <BLANKLINE>
    A pair in brackets is unstable.

    ```
    """

    gap: float
    multipliers: np.ndarray
    radii: np.ndarray
    excess: np.ndarray

    @property
    def stable(self) -> list[tuple[int, int]]:
        """The pairs (ahead, behind) whose excess is at most 1e-3."""
        return [(int(i) + 1, int(j)) for i, j in np.argwhere(self.excess <= TOLERANCE)]

    def plot(self):
        """A cell for each pair, filled where it is stable. A matplotlib figure (needs the `app` extra)."""
        from ..plot import root_condition as draw

        return draw(self)

    def _tables(self) -> tuple[Table, ...]:
        columns = (Column("ahead \\ behind", ">"), *(Column(str(j), ">") for j in range(self.radii.shape[1])))
        rows = tuple(
            (str(i + 1), *(f"{r:.4f}" if e <= TOLERANCE else f"({r:.4f})" for r, e in zip(*pair, strict=True)))
            for i, pair in enumerate(zip(self.radii, self.excess, strict=True))
        )
        title = f"The largest modulus of the roots of evolve(ahead, behind), in steps of {self.gap:g} of the network's."
        return (Table(columns, rows, title, ("A pair in brackets is unstable.",)),)

    def _data(self) -> dict[str, Any]:
        return plain(
            {
                "gap": self.gap,
                "multipliers": self.multipliers,
                "radii": self.radii,
                "excess": self.excess,
                "stable": self.stable,
            }
        )

    def _variables(self) -> Variables:
        ahead, behind = self.radii.shape
        return {
            "ahead": (("ahead",), np.arange(1, ahead + 1), "steps"),
            "behind": (("behind",), np.arange(behind), "results"),
            "radii": (("ahead", "behind"), self.radii, ""),
            "excess": (("ahead", "behind"), self.excess, ""),
            "multipliers": (("mode",), self.multipliers, "per step"),
        }


def root_condition(
    cell: Cell,
    x: Real[ArrayLike, "..."],
    gap: float | int,
    h0: PyTree[ArrayLike] | None = None,
    *,
    ahead: int = 6,
    behind: int = 5,
    band: float = 0.0,
) -> RootCondition:
    """Find the roots of every scheme up to (`ahead`, `behind`) at the network's fixed point under a constant input.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `x`: (D,) the input, such as the mean of a recording.
    - `gap`: the distance of two results, in steps of the network: 44.1/48 runs a network trained at 44.1 kHz at 48 kHz.
    - `h0`: a state from which the network comes to rest. Default: zeros, for our cells and Equinox's.
    - `ahead`, `behind`: up to which the schemes go. Default 6 and 5.
    - `band`: as in `evolve`. Default 0.

    **Returns:** a `RootCondition`, computed on the host.

    **Raises:** `ValueError` or `TypeError` for a gap that is not positive and finite, an x that does not fit the cell, and
    counts that are not whole.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.9, 0.0], [0.0, -0.6]], jnp.zeros((2, 1)), jnp.zeros(2), activation=None)
    >>> roots = ro.root_condition(cell, jnp.zeros(1), 0.5, ahead=2, behind=4)
    >>> (2, 2) in roots.stable, (1, 4) in roots.stable
    (True, False)

    ```
    """
    check_cell("cell", cell)
    check_count("ahead", ahead)
    check_count("behind", behind, 0)
    gap, band = as_number("gap", gap), as_band("band", band)
    if not 0 < gap < np.inf:
        raise ValueError(f"gap must be positive and finite, in steps of the network; got {gap}.")
    check_on_host("root_condition", cell=cell, x=x, h0=h0)
    h0 = as_initial_state(h0, cell)
    x, width = as_floats("x", x), input_width(cell)
    if width is not None and x.shape != (width,):
        raise ValueError(f"x must be a constant input ({width},) for this cell; got {x.shape}.")
    multipliers = multipliers_at_rest(cell, x, h0)
    radii = np.empty((ahead, behind + 1))
    excess = np.empty_like(radii)
    for i, j in np.ndindex(radii.shape):
        nodes, whole = uniform_nodes(gap, i + 1, j)
        weights = lagrange(nodes, gap - whole, band, np)
        if not np.isfinite(weights).all():
            raise ValueError(f"gap must be such that its weights are finite; got {gap}.")
        matrices = companion(weights, multipliers, j, whole, np)
        if not np.isfinite(matrices).all():
            raise ValueError(f"gap must be such that powers of the multipliers are finite; got {gap}.")
        moduli = np.abs(np.linalg.eigvals(matrices)).max(axis=1)
        radii[i, j], excess[i, j] = moduli.max(), beyond(moduli, multipliers, gap, np)
    return RootCondition(gap, multipliers, radii, excess)


def companion(weights: Any, multipliers: Any, behind: int, whole: Any = 0, xp: Any = jnp) -> Any:
    """Return the companion matrices (N, B, B) of a scheme with B = behind + 1, one for each of the `multipliers` (N,).

    A matrix times a result and the `behind` states behind it, newest first, gives the next ones. The `weights` are those of
    the nodes of `uniform_nodes`, after `whole` steps."""
    ahead = weights.shape[0] - behind - 1
    z, unit = multipliers[:, None], xp.eye(behind + 1, dtype=multipliers.dtype)[:, None]
    # the state that is interpolated from, and those behind it: first powers of the last result, then its predecessors
    back = [
        xp.where(k <= whole, z ** xp.maximum(whole - k, 0) * unit[0], unit[xp.maximum(k - whole, 0)])
        for k in range(behind + 1)
    ]
    nodes = [*reversed(back[1:]), *(z ** (whole + j) * unit[0] for j in range(ahead + 1))]
    result = sum(weight * node for weight, node in zip(weights, nodes, strict=True))
    return xp.stack([result, *back[:behind]], axis=1)


def feedback_companion(weights: Any, multipliers: Any, lag: int, xp: Any = jnp) -> Any:
    """Return the companion matrices of z(t) = λ Σ w_k z(t_k): the weights (P,) are those of P results, oldest first, after
    which `lag` newer results came."""
    size = weights.shape[0] + lag
    row = xp.concatenate([xp.zeros(lag, weights.dtype), weights[::-1]])
    first = multipliers[:, None] * row[None]
    shift = xp.broadcast_to(xp.eye(size, dtype=first.dtype)[:-1], (len(multipliers), size - 1, size))
    return xp.concatenate([first[:, None], shift], axis=1)


def beyond(radii: Any, multipliers: Any, gap: Any, xp: Any = jnp) -> Any:
    """Return by how much the worst radius exceeds the larger of 1 and |λ|^gap, which the root condition allows."""
    return xp.max(radii - xp.maximum(1, xp.abs(multipliers) ** gap))


def roots_at_rest(
    run: tuple[Cell, Any, Clock, State], gap: Any, matrices: Callable[..., Any]
) -> tuple[Float[Array, ""], Bool[Array | np.ndarray, ""]]:
    """Return the largest modulus of a scheme's roots at rest, and whether they satisfy the root condition.

    `run` holds the cell, the path, the clock and h0; at rest means at the network's fixed point under the mean input.
    `matrices(gap, multipliers, xp)` are the companion matrices. Where no fixed point is found, the modulus is NaN and the
    scheme counts as stable. If nothing is traced, the host finds the eigenvalues, for which nothing is compiled.
    """
    kind = run[2].gaps.dtype
    jacobian = _jacobian_of_run(run)
    if not is_concrete(jacobian, gap, matrices):
        return _traced_roots(jacobian, jnp.asarray(gap, kind), matrices)
    multipliers = eigenvalues(jacobian)
    with np.errstate(over="ignore", invalid="ignore"):
        radii = abs(eigenvalues(matrices(gap, multipliers, np))).max(axis=1)
        radius, stable = _judged(radii, multipliers, gap, np)
    return jnp.asarray(radius, kind), np.asarray(stable)


@compiled
def _jacobian_of_run(run: tuple[Cell, Any, Clock, State]) -> Float[Array, "M M"]:
    cell, path, clock, h0 = frozen(run)
    return jax.lax.stop_gradient(jacobian_at_rest(cell, clock.mean_input(path), h0))


@eqx.filter_jit
def _traced_roots(jacobian: Array, gap: Array, matrices: Callable[..., Any]) -> tuple[Array, Array]:
    multipliers = eig(jacobian)[0]
    radii = jax.vmap(lambda A: jnp.max(jnp.abs(eig(A)[0])))(matrices(gap, multipliers, jnp))
    return _judged(radii, multipliers, gap, jnp)


def _judged(radii: Any, multipliers: Any, gap: Any, xp: Any) -> tuple[Any, Any]:
    """Return the largest radius, NaN unless all are finite, and whether all of them are within what the root condition
    allows."""
    asked = xp.all(xp.isfinite(radii))
    return xp.where(asked, xp.max(radii), xp.nan), ~(asked & (beyond(radii, multipliers, gap, xp) > TOLERANCE))


def eigenvalues(matrices: Any) -> np.ndarray:
    """Return the eigenvalues (…, N) of matrices (…, N, N) on the host; NaN for those that are not finite."""
    matrices = np.asarray(matrices)
    matrices = matrices.astype(np.result_type(matrices, np.float64))
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    found = np.linalg.eigvals(np.where(finite[..., None, None], matrices, 0)).astype(complex)
    return np.where(finite[..., None], found, np.nan)


def jacobian_at_rest(cell: Cell, x: Array, h: State) -> Float[Array, "M M"]:
    """Return the Jacobian of the network's step at the state in which it comes to rest under a constant input.

    If it does not come to rest, the state is that after 256 steps. In float32 at least: half precision has no eigenvalues."""
    flat, unravel = ravel_pytree(promote(h, cell, x, least=jnp.float32))

    def step(h):
        return ravel_pytree(cell(x, unravel(h)))[0]

    def newton(h):
        return h - solve(jax.jacfwd(step)(h) - jnp.eye(h.shape[0], dtype=h.dtype), step(h) - h)

    def distance(h):
        return jnp.linalg.norm(step(h) - h)

    settled = jax.lax.fori_loop(0, 256, lambda _, h: step(h), flat)
    rest = jax.lax.fori_loop(0, 8, lambda _, h: newton(h), settled)
    rest = jnp.where(distance(rest) <= distance(settled), rest, settled)
    return jax.jacfwd(step)(rest)


def multipliers_at_rest(cell: Cell, x: Array, h: State) -> np.ndarray:
    """Return the eigenvalues of `jacobian_at_rest` (M,) on the host."""
    return eigenvalues(_jacobian(cell, x, h))


_jacobian = compiled(jacobian_at_rest)
