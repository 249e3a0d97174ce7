"""The search for fixed points: units for the search, the end of every guess, and which ends are one point.

*Units.* The result must not depend on the caller's units, so the search takes its units from the guesses. A state is measured
by the lower quartile of the guesses' sizes (root mean square over a guess's entries; guesses of zeros do not count), since
half of them may be far away, as those from a run that grows are. The residual r is measured by the median size of ∂r/∂h at
the guesses, one over a time for a flow. Both hardly change with the number of guesses or with copies of them.
`fixed_points_newton` follows each guess.

*What counts as one point.* Two ends with the uncertainties ρ₁ and ρ₂ are the same point if they are within 4 (ρ₁ + ρ₂) of
each other (four, because near a zero of multiplicity m a Newton step is the distance over m), and never beyond u^¼ (1 +
‖h‖) each. The most accurate end leads and others join it, nearest leader first, so that a chain of neighbours does not grow
into one point.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .directions import directions
from .fixed_points_newton import End, Slowness, follow

_SLOW = {64: 1e-6, 32: 3e-4}  # default speed of a slow point


def search(
    equation: Callable[[Array], Array], guesses: Float[Array, "n N"], slowness: Slowness | None, platform: str | None
) -> tuple[End, Float[Array, ""]]:
    """Returns where each guess ends, (n, …), in the search for a zero of `equation`; and the size of a state. `platform` is
    where the search runs, if that is known."""
    size, length = _sizes(guesses)
    unit = guesses / size
    F, _ = _in_units(equation, size, unit)
    slow = None
    if slowness is not None:
        speed, rate = _in_units(slowness.residual, size, unit)
        bits = jnp.finfo(guesses.dtype).bits
        limit = _SLOW[bits] * guesses.shape[1] ** 0.5 if slowness.limit is None else slowness.limit / (size * rate)
        slow = Slowness(speed, jnp.asarray(limit, guesses.dtype), slowness.minima)
    ends = _each(lambda guess: follow(F, guess, slow), unit, platform)
    return ends._replace(point=size * ends.point, radius=size * ends.radius, errors=size * ends.errors), length


def _sizes(guesses: Float[Array, "n N"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the unit of a state's entries, a power of two, and the size (2-norm) of a typical state."""
    size = _quantile_of_positive(jnp.linalg.norm(guesses, axis=1) / guesses.shape[1] ** 0.5, 0.25)
    return _power_of_two(size), jnp.asarray(size * guesses.shape[1] ** 0.5)


def _in_units(
    function: Callable[[Array], Array], size: Float[Array, ""], guesses: Float[Array, "n N"]
) -> tuple[Callable[[Array], Array], Float[Array, ""]]:
    """Returns a function of a state in units of the guesses, and the rate (one over time) by which it is divided: the median
    size of its derivative, or of the function itself where that is 0."""

    def plain(z):
        return function(size * z) / size

    v = directions(1, guesses.shape[1], guesses.dtype, 1)[0]
    v = v / jnp.linalg.norm(v)
    values, slopes = jax.lax.map(lambda z: jax.jvp(plain, (z,), (v,)), guesses)
    speeds = _quantile_of_positive(jnp.linalg.norm(values, axis=1) / guesses.shape[1] ** 0.5, 0.5)
    rate = _power_of_two(_quantile_of_positive(jnp.linalg.norm(slopes, axis=1), 0.5, speeds))
    return (lambda z: plain(z) / rate), rate


def _quantile_of_positive(
    values: Float[Array, " n"], share: float, default: Float[Array, ""] | float = 1.0
) -> Float[Array, ""]:
    """Returns the quantile of the values that are finite and above 0, or the default if there are none."""
    positive = jnp.isfinite(values) & (values > 0)
    ordered = jnp.sort(jnp.where(positive, values, jnp.inf))
    place = share * (jnp.sum(positive) - 1).astype(values.dtype)
    low = jnp.floor(place).astype(int)
    below, above = ordered[jnp.maximum(low, 0)], ordered[jnp.ceil(place).astype(int)]
    between = jnp.where(above > below, (place - low) * (above - below), 0)
    return jnp.where(jnp.any(positive), below + between, default)


def _power_of_two(value: Float[Array, ""]) -> Float[Array, ""]:
    """Returns the largest power of two up to the value. Division by it is exact."""
    return value / jnp.frexp(value)[0] / 2


def _each(function: Callable[[Array], End], rows: Float[Array, "n N"], platform: str | None) -> End:
    """Returns the function of every row: as a batch, but one by one on a CPU, where a batch waits for its slowest row. Where
    the platform is not known yet both are traced, which takes three times as long."""
    function = jax.jit(function)  # traced once for both

    def one_by_one(rows):
        return jax.lax.map(function, rows)

    def together(rows):
        return jax.vmap(function)(rows)

    if platform is None:
        return jax.lax.platform_dependent(rows, cpu=one_by_one, default=together)
    return one_by_one(rows) if platform == "cpu" else together(rows)


def distinct(ends: End) -> tuple[Int[Array, " n"], Bool[Array, " n"], Int[Array, " n"]]:
    """Returns an order of the n ends in which the distinct ones come first, fixed before slow; which rows are then in use;
    and for each guess the row of the point it reached, −1 for none."""
    leaders = _lead(ends)
    n = leaders.shape[0]
    index = jnp.arange(n)
    first = jax.ops.segment_min(index, jnp.where(leaders < 0, n, leaders), n)
    rank = jnp.where(leaders == index, first + jnp.where(ends.fixed, 0, n), 2 * n)
    order = jnp.argsort(rank, stable=True)
    row_of = jnp.zeros_like(index).at[order].set(index)
    return order, rank[order] < 2 * n, jnp.where(leaders < 0, -1, row_of[leaders])


def _lead(ends: End) -> Int[Array, " n"]:
    """Returns for each end the leader of its cluster (itself, if it leads), and −1 for an end that is not a point.

    This is one pass over the ends, the most accurate first. Distances are computed from differences, one end at a time:
    ‖a‖² + ‖b‖² − 2ab would be quicker but would lose half the digits.
    """
    found = jnp.logical_or(ends.fixed, ends.slow)
    points = jnp.where(found[:, None], ends.point, 0)
    index = jnp.arange(found.shape[0])

    def visit(leaders, i):
        distance = jnp.linalg.norm(points - points[i][None], axis=1)
        near = (leaders == index) & (distance <= 4 * (ends.radius + ends.radius[i]))
        leader = jnp.where(jnp.any(near), jnp.argmin(jnp.where(near, distance, jnp.inf)), i)
        return leaders.at[i].set(jnp.where(found[i], leader, -1)), None

    order = jnp.lexsort((ends.radius, ~ends.fixed))
    return jax.lax.scan(visit, jnp.full_like(index, -1), order)[0]
