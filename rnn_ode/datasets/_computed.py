"""Series that are computed: a pendulum, the Lorenz system, Van der Pol's oscillator."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._base.checks import as_number, as_step, brief, check_count, counted
from ._series import Series


def pendulum() -> Series:
    """Return the swing of a pendulum of 100 m with weak damping.

    θ(t) = cos(2πt/P) exp(−0.001 t) with the period P = 2π √(100/9.81), small swings, 400 samples a period, 10 periods. The
    book's pages "Forecasting with RNN" and "Forecasting with Neural ODE" forecast this series. To compare with their
    results take `learn.split(series.values, history=100, gap=10, horizon=1)`.

    **Returns:** a `Series`: `values` (4000, 1) is the angle θ in radians, `index` the time t in seconds.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.pendulum()
    >>> series.values.shape, series.values[0].tolist(), round(400 * series.index[1].item(), 3)
    ((4000, 1), [1.0], 20.061)

    ```
    """
    phase = np.arange(4000) / 400
    t = 2 * np.pi * np.sqrt(100 / 9.81) * phase
    theta = np.cos(2 * np.pi * phase) * np.exp(-0.001 * t)
    return Series("pendulum", theta[:, None], t, ("theta",))


def lorenz(
    n: int = 4000,
    dt: float = 0.02,
    *,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
    start: Sequence[float] = (1.0, 1.0, 1.0),
) -> Series:
    """Solve the Lorenz system.

    dx/dt = σ(y − x), dy/dt = x(ρ − z) − y, dz/dt = xy − βz (Lorenz, Journal of the Atmospheric Sciences 20 (1963) 130),
    in float64 with relative and absolute tolerances of 1e-12. With the default parameters the system is chaotic: errors
    grow by a factor e in 1.1 units of time (largest Lyapunov exponent 0.906). The samples are right to 1e-4 up to t = 25.
    After t = 35 they lie on the attractor but differ between machines.

    **Arguments:**

    - `n`: number of samples, at least 2.
    - `dt`: time between samples.
    - `sigma`, `rho`, `beta`: the parameters σ, ρ and β.
    - `start`: the first sample (3,).

    **Returns:** a `Series`: `values` (n, 3) are x, y and z, `index` the times 0, dt, 2 dt, ….

    **Raises:** `ValueError` for n < 2, dt ≤ 0, numbers that are not finite and a solution that overflows.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.lorenz(500, 0.01)
    >>> series.columns, series.values.shape, series.values[100].round(4).tolist()
    (('x', 'y', 'z'), (500, 3), [-9.3786, -8.357, 29.3623])

    ```
    """
    sigma, rho, beta = _finite("sigma", sigma), _finite("rho", rho), _finite("beta", beta)

    def field(t: float, state: Any) -> tuple:
        x, y, z = state
        return sigma * (y - x), x * (rho - z) - y, x * y - beta * z

    return _solved("lorenz", field, {"sigma": sigma, "rho": rho, "beta": beta}, start, n, dt, ("x", "y", "z"))


def van_der_pol(n: int = 4000, dt: float = 0.05, mu: float = 1.0, *, start: Sequence[float] = (2.0, 0.0)) -> Series:
    """Solve Van der Pol's oscillator.

    d²x/dt² = μ(1 − x²) dx/dt − x (van der Pol, Philosophical Magazine 2 (1926) 978). For μ > 0 it has a limit cycle of
    amplitude about 2; for large μ the cycle alternates between slow motion and jumps. It is solved in float64 with relative
    and absolute tolerances of 1e-12 by an explicit method, which needs more steps the larger μ is.

    **Arguments:**

    - `n`: number of samples, at least 2.
    - `dt`: time between samples.
    - `mu`: the damping μ.
    - `start`: the first sample (2,), x and dx/dt.

    **Returns:** a `Series`: `values` (n, 2) are x and v = dx/dt, `index` the times 0, dt, 2 dt, ….

    **Raises:** `ValueError` for n < 2, dt ≤ 0, numbers that are not finite and a solution that overflows, as it does from
    outside the limit cycle if μ < 0.

    ```python
    >>> from rnn_ode import datasets
    >>> series = datasets.van_der_pol(500, 0.05, mu=2.0)
    >>> series.columns, series.values.shape, bool(abs(series.values[:, 0]).max() < 2.1)
    (('x', 'v'), (500, 2), True)

    ```
    """
    mu = _finite("mu", mu)

    def field(t: float, state: Any) -> tuple:
        x, v = state
        return v, mu * (1 - x * x) * v - x

    return _solved("van_der_pol", field, {"mu": mu}, start, n, dt, ("x", "v"))


_LONGEST = 1e7  # units of time; their solution takes hours
# of a field, in all and for each unit of time: van der Pol's with μ = 1000 takes half of the latter
_MOST_CALLS = 2_000_000, 20_000


def _solved(
    name: str,
    field: Callable[[float, Any], tuple],
    parameters: dict[str, float],
    start: Sequence[float],
    n: int,
    dt: float,
    columns: tuple[str, ...],
) -> Series:
    """The solution of dh/dt = field(t, h) at the n times 0, dt, 2 dt, …."""
    # scipy solves in float64 without jax_enable_x64. JAX depends on it; it is imported here since that is slow.
    from scipy.integrate import solve_ivp

    check_count("n", n, 2)
    times = np.arange(n) * as_step("dt", dt)
    if times[-1] > _LONGEST:
        raise ValueError(f"dt must be such that the {n} samples span at most {_LONGEST:g} units of time; got {dt:g}.")
    first = _numbers("start", start, columns)
    calls = left = int(_MOST_CALLS[0] + _MOST_CALLS[1] * times[-1])
    given = ", ".join(f"{key} = {value:g}" for key, value in parameters.items())
    given = f"{name}: with {given} and start = {tuple(first)}"

    def limited(t: float, state: Any) -> tuple:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(
                f"{given} the solution changes too fast: after {calls:,} evaluations it has come to t = {t:g} of "
                f"{times[-1]:g}. Choose a shorter run, or parameters that are not so large."
            )
        return field(t, state)

    with np.errstate(over="ignore", invalid="ignore"):
        solution = solve_ivp(limited, (0, times[-1]), first, "DOP853", times, rtol=1e-12, atol=1e-12)
    if not solution.success:
        raise ValueError(f"{given} the solution overflows.")
    return Series(name, solution.y.T.copy(), times, columns)


def _numbers(name: str, value: Any, columns: tuple[str, ...]) -> list[float]:
    """As many finite numbers as there are columns."""
    try:
        entries = list(value)
    except TypeError:
        entries = []
    if isinstance(value, str | bytes) or len(entries) != len(columns):
        raise ValueError(
            f"{name} must hold {counted(len(columns), 'number')}, {', '.join(columns)}; got {brief(value)}."
        )
    return [_finite(f"{name}[{i}]", entry) for i, entry in enumerate(entries)]


def _finite(name: str, value: float) -> float:
    number = as_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}.")
    return number
