"""Whether a run can be computed in parallel, asked before the run.

Newton's method converges fast if disturbances decay, and not at all if they grow (Gonzalez, Kozachkov, Zoltowski, Clarkson &
Linderman 2025, arXiv 2508.16817). The measure is the largest Lyapunov exponent λ. Here it is the mean growth of one
disturbance along the first 256 steps, without the first quarter of them, in which it turns into its direction.

*The predicted number of steps.* The first guess of a window's start has forgotten its own start for m steps, so its error is
about e^g, where g is the growth of a disturbance over a window. Newton's method squares the error in each step until it is
below the tolerance ε^¾. The slowest window counts: g is the largest growth over m of the steps that were looked at, and if
these are few, over a quarter of them and λ for each step more. It is a rule of thumb: it knows only the steps looked at.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree, Real

from .._base.callables import check_cell
from .._base.checks import brief, is_concrete
from .._base.compiled import compiled
from .._base.shown import ShownArrays, Variables
from .._base.states import like, promote
from .._base.text import Column, Table, number, plain
from .._base.types import Cell, State
from .._cells.protocol import as_initial_state
from .inputs import check_inputs
from .parallel_choice import ParallelChoice, in_words
from .parallel_newton import LARGEST_WHOLE, most_steps, tolerance, window_length
from .parallel_windows import flat_form

_LOOK = 256  # steps along which the exponent is measured
# Steps of a run, below which it is the scan. A run at once has m(n + 3) steps one after another, m the window and n Newton's
# steps. That is a quarter of the scan's or less for n = 5 from 1024 steps on, and for n = 1 from 256 on.
_SHORTEST = 1024


class ParallelVerdict(ShownArrays, eqx.Module):
    """What `parallel_verdict` says.

    **Fields:**

    - `exponent`: the largest Lyapunov exponent along the first steps, in nats per step. NaN if the run left the float range.
    - `slowest`: the largest growth over a window, in nats; it decides how many steps are needed.
    - `growth`: (n,), the logarithm of a disturbance's size after each of the first steps, n ≤ 256.
    - `predicted_steps`: the number of Newton steps to expect; infinite where none will do.
    - `choice`: the `ParallelChoice` of `iterate(…, parallel=None)` on this device.
    - `steps`, `window`: the number of steps of the run, and of a window of Newton's method.
    - `device`: the platform, such as "cpu" or "gpu".

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> grows = ro.parallel_verdict(ro.VanillaCell([[2.0]], [[1.0]], [0.0], activation=None), jnp.ones((64, 1)))
    >>> round(grows.exponent.item(), 3), grows.converges.item()  # log 2
    (0.693, False)

    ```
    """

    exponent: Float[Array, ""]
    slowest: Float[Array, ""]
    growth: Float[Array, " n"]
    predicted_steps: Float[Array, ""]
    choice: ParallelChoice
    steps: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    device: str = eqx.field(static=True)

    _alone = "exponent", 0

    @property
    def converges(self) -> Any:
        """Whether Newton's method is expected to converge in fewer steps than it is given."""
        return self.predicted_steps <= most_steps(-(-self.steps // self.window))

    @property
    def depth(self) -> Any:
        """The number of steps that are computed one after another: with the first guess, which takes two, and the last run.
        The scan's is `steps`."""
        return self.window * (self.predicted_steps + 3)

    def plot(self):
        """The growth of a disturbance along the first steps. A matplotlib figure (needs the `app` extra)."""
        from ..plot import parallel

        return parallel(self)

    def _tables(self) -> tuple[Table, ...]:
        expected = number(self.predicted_steps) if self.converges else "too many"
        depth = f"{number(self.depth)} (scan: {self.steps})" if self.converges else f"scan: {self.steps}"
        rows = (
            ("largest exponent, nats per step", number(self.exponent)),
            ("largest growth in a window, nats", number(self.slowest)),
            ("Newton steps expected", expected),
            ("steps one after another", depth),
            ("device", self.device),
        )
        note = f"iterate(…, parallel=None) chooses {in_words(self.choice)}"
        return (Table((Column(""), Column("", ">")), rows, "Can this run be computed in parallel?", (note,)),)

    def _data(self) -> dict[str, Any]:
        names = "exponent", "slowest", "growth", "predicted_steps", "steps", "window", "device"
        found = {name: getattr(self, name) for name in names} | {"converges": bool(self.converges)}
        return plain(found | {"choice": in_words(self.choice)}, infinities=True)

    def _variables(self) -> Variables:
        return {
            "step": (("step",), np.arange(1, len(self.growth) + 1), ""),
            "growth": (("step",), self.growth, "nats"),
            "exponent": ((), self.exponent, "nats per step"),
            "predicted_steps": ((), self.predicted_steps, ""),
        }


def parallel_verdict(cell: Cell, xs: Real[ArrayLike, "T ..."], h0: PyTree[ArrayLike] | None = None) -> ParallelVerdict:
    """Whether `iterate(cell, xs, h0, parallel=True)` is expected to pay, before it runs.

    It runs the first 256 steps with one disturbance and looks at how fast that grows.

    **Arguments:**

    - `cell`, `xs`, `h0`: as for `iterate`.

    **Returns:** a `ParallelVerdict`.

    **Raises:** `ValueError` or `TypeError` for the arguments that `iterate` refuses.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], activation=None)
    >>> verdict = ro.parallel_verdict(cell, jnp.ones((4096, 1)))
    >>> round(verdict.exponent.item(), 3), verdict.predicted_steps.item()  # log ½
    (-0.693, 1.0)

    ```
    """
    check_cell("cell", cell)
    xs = check_inputs(cell, xs)
    return _verdict(cell, xs, as_initial_state(h0, cell))


def _verdict(cell: Cell, xs: Float[Array, "T ..."], h0: State) -> ParallelVerdict:
    steps = xs.shape[0]
    length, device = window_length(steps), platform_of(xs)
    windows = -(-steps // length)
    growth = _growth(cell, xs[:_LOOK], h0)
    exponent, slowest = _exponent(growth, length)
    ratio = np.log(tolerance(growth.dtype)) / jnp.minimum(slowest, -1e-30)
    needed = 1 + jnp.maximum(jnp.ceil(jnp.log2(ratio)), 0)
    needed = jnp.where(slowest < 0, needed, jnp.inf)  # also where it is NaN
    way = ParallelChoice.NEWTON if _size(h0) <= LARGEST_WHOLE else ParallelChoice.QUASI_NEWTON
    choice = ParallelChoice.where(needed <= most_steps(windows), way, ParallelChoice.SCAN_GROWS)  # pyright: ignore
    why_scan = scan_unless_it_pays(xs, (), steps)
    choice = choice if why_scan is None else why_scan
    return ParallelVerdict(exponent, slowest, growth, needed, choice, steps, length, device)  # pyright: ignore


def parallel_or_not(
    parallel: Any, cell: Cell, xs: Float[Array, "T ..."], h0: State, fold: Any, checkpoints: Any, noise: Any
) -> tuple[bool, dict[str, Any]]:
    """Whether a run with this argument `parallel` is computed in parallel, and what its stats say of the decision."""
    if parallel is not None and not isinstance(parallel, bool):
        raise TypeError(f"parallel must be True, False or None (which decides); got {brief(parallel)}.")
    if parallel is False:
        return False, {}
    given = {"fold": fold, "checkpoints": checkpoints, "noise": noise}
    folds = [name for name, value in given.items() if value is not None]
    if parallel is None:
        choice = ParallelChoice.SCAN_FOLDS if folds else _choice(cell, xs, h0)
        chosen = any(bool(choice == way) for way in (ParallelChoice.NEWTON, ParallelChoice.QUASI_NEWTON))
        return chosen, {"parallel": choice}
    if folds:
        raise ValueError(
            f"parallel=True computes all steps at once, and {folds[0]} goes step by step; got both. Leave one out: with "
            "parallel=None a run with a fold, checkpoints or noise is the scan."
        )
    return True, {}


def _choice(cell: Cell, xs: Float[Array, "T ..."], h0: State) -> ParallelChoice:
    why_scan = scan_unless_it_pays(xs, (cell, xs, h0), xs.shape[0])
    return _verdict(cell, xs, h0).choice if why_scan is None else why_scan


def scan_unless_it_pays(array: Array, asked: Any, steps: int) -> ParallelChoice | None:
    """Why a run of so many steps is the scan, whatever the network does, on the device of an array; `None` if nothing says
    so. `asked` is all that the run depends on."""
    if not is_concrete(asked):
        return ParallelChoice.SCAN_TRACED  # pyright: ignore
    if platform_of(array) == "cpu":
        return ParallelChoice.SCAN_ON_CPU  # pyright: ignore
    return ParallelChoice.SCAN_SHORT if steps < _SHORTEST else None  # pyright: ignore


def platform_of(array: Array) -> str:
    """The platform on which an array is, or on which a traced one will be."""
    return next(iter(array.devices())).platform if is_concrete(array) else jax.default_backend()


def _size(h0: State) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(h0))


@compiled
def _growth(cell: Cell, xs: Float[Array, "n ..."], h0: State) -> Float[Array, " n"]:
    """The logarithm of the size of a disturbance after each step."""
    h0 = promote(h0, cell, xs)
    flat, restore = flat_form(h0)
    first = flat(h0)
    start = jnp.asarray(np.random.default_rng(0).standard_normal(first.shape), first.dtype)

    def one(carry, x):
        h, v = carry
        h, v = jax.jvp(lambda h: flat(like(h0, cell(x, restore(h)))), (h,), (v,))
        size = jnp.linalg.norm(v)
        return (h, v / jnp.where(size > 0, size, 1)), jnp.log(size)

    return jnp.cumsum(jax.lax.scan(one, (first, start / jnp.linalg.norm(start)), xs)[1])


def _exponent(growth: Float[Array, " n"], length: int) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean growth per step, and the largest growth over a window; both without the first quarter of the steps.

    A disturbance that a step makes zero has decayed completely: −∞ for both."""
    count = growth.shape[0]
    settled = jnp.concatenate([jnp.zeros(1, growth.dtype), growth])[count // 4 :]
    exponent = (settled[-1] - settled[0]) / (len(settled) - 1)
    seen = min(length, max(1, (len(settled) - 1) // 3))
    slowest = jnp.max(settled[seen:] - settled[:-seen]) + (length - seen) * exponent
    gone = jnp.any(growth == -jnp.inf)
    return jnp.where(gone, -jnp.inf, exponent), jnp.where(gone, -jnp.inf, slowest)
