"""What a run can end with, and the checks every public function shares.

A value known while Python runs is checked there and refused with `ValueError` or `TypeError`: the argument, what came,
what is wanted. A traced value is not looked at; what goes wrong on the way is the trajectory's `result`.
"""

import math
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array


class RESULTS(diffrax.RESULTS):  # pyright: ignore[reportGeneralTypeIssues]
    """How a run ended: `diffrax.RESULTS`, and the other ends that networks and their flows have besides.

    `RESULTS[trajectory.result]` is the text, with what to do next; `successful` has the empty text.
    """

    left_float_range = (
        "The state left the float range (overflow to infinity). The rows before it are kept with `throw=False`. "
        "`rnn_ode.spectrum(W).rate()` says how fast the linear part grows: scale the weights, shorten the run or use "
        "float64."
    )
    field_undefined = (
        "The vector field is not finite (NaN or infinity) at a state that the run reached. A field made by `Exact` or "
        "`Backward` does not exist where the local step Jacobian has no real logarithm or no inverse (a multiplier that "
        "is zero, or negative): `Forward(order)` and `Tustin()` need neither, and `Exact(complex=True, anchored=True)` "
        "serves negative multipliers. For any other field, look at what it returns there, and whether its weights and its "
        "input are finite. With `throw=False` the rows before it are kept."
    )
    not_a_number = (
        "The cell returned NaN for a state that is finite: it is not defined there (as a cell made by `to_rnn` is not where "
        "its field needs a logarithm or an inverse that does not exist), or traced weights, inputs or h0 hold NaN. "
        "`Forward(order)` and `Tustin()` need no logarithm; with `throw=False` the rows before it are kept."
    )
    step_vanished = (
        "The solver's step shrank to rounding: the solution runs off to infinity in finite time (as that of h' = h² does), "
        "or the field jumps there, or the tolerances ask for more digits than the type has. Stop before it with `ts`, let "
        "a step have a larger error with `rtol` and `atol`, use float64, or take a solver with fixed steps; with "
        "`throw=False` the rows before it are kept."
    )
    stiff = (
        "The field is stiff: a part of the state decays so fast that an explicit solver's steps must be far shorter than "
        "the solution needs, and the steps or the precision ran out. Use an implicit solver, `solver=diffrax.Kvaerno5()`. "
        "In float32 an implicit solver may fail on such a field; use it in float64, "
        '`jax.config.update("jax_enable_x64", True)`. A linear field is solved exactly, at any speed, if neither `solver` '
        "nor `ts` is given. With `throw=False` the rows before it are kept."
    )
    rounding_too_large = (
        "The field's own rounding error in this float type is larger than the error that a step may have. This happens for "
        "stiff fields in float32: a fast decay multiplies the rounding of the state. An implicit solver then does not solve "
        "its equations to the tolerance: its steps ran out or shrank to rounding. Use float64: "
        '`jax.config.update("jax_enable_x64", True)`. In float64, or where float64 is not possible, give a larger `rtol`. '
        "With `throw=False` the rows before it are kept."
    )
    times_not_increasing = (
        "The times `ts` are traced and do not increase strictly: there is a duplicate, a time out of order, or one that is "
        "not finite. Sort them and remove duplicates before the call. With `throw=False` the rows before the first such "
        "time are kept."
    )
    step_too_long = (
        "The step is too long for this flow: one step and two halves of it disagree, or it carries the state off where the "
        "field points back (the field is stiff there). The exponents are wrong by more than a two-hundredth of the fastest "
        "rate, and NaN where that is more than a tenth. Leave `step` out, so that it is measured, or give one of at most "
        "`step_wanted`."
    )
    derivative_undefined = (
        "The cell's derivative is not finite at a state of the run, though the state is (√h has none at h = 0), or a product "
        "of derivatives leaves the float range. Start from another h0, smooth the cell there or use float64; with "
        "`throw=False` the lags before it are kept and the others are NaN."
    )
    guesses_failed = (
        "Some guesses reached no fixed point: `reached` is −1 for them. They ran off, or came to rest where the speed has a "
        "minimum that is not zero (`slow=True` returns those). Guess nearer, from the states of a run (`draw_guesses`), "
        "or take float64."
    )
    guesses_not_slow = (
        "Some guesses reached no fixed point and no slow point: `reached` is −1 for them. They ran off, or the search "
        "ended at a state that is faster than `slow` allows. Raise `slow`, for example slow=0.01 (`.residuals` lists the "
        "speeds that were found), or let the run that the guesses come from settle for longer."
    )
    unstable_scheme = (
        "The scheme is unstable, so that its rows are not to be trusted, and infinite from where they leave the float range: "
        "at the fixed point under the mean input it has a root outside the root condition, and its errors grow. "
        "`rnn_ode.root_condition(cell, x, gap)` lists the pairs (ahead, behind) that are stable; fewer states behind, or "
        "more applications ahead, are the usual cure."
    )
    gap_too_long = (
        "A gap between two times is longer than 8 steps of the network more than `ahead` reaches, and the times are traced: "
        "nobody knows how many applications to compile. Pass `ts` as a NumPy array from outside `jit`, or put times in "
        "between; with `throw=False` the rows before it are kept."
    )

    branch_cut_short = (
        "The branch is partial: it was out of `max_points` before it reached an end of the interval. Give it more, or longer "
        "steps with `max_step`, or a shorter interval."
    )
    branch_diverged = (
        "The branch is partial: its state runs off to infinity (a millionfold by now) inside the interval. Beyond that "
        "parameter there is nothing to follow; other branches start from other fixed points, or from the other end."
    )
    branch_lost = (
        "The branch is partial: after its last point Newton's method finds no next one, however short the step. It may turn "
        "back or end on a kink (relu), or the system may not be smooth or finite there. Look at the last points, start from "
        "the other side, or use float64."
    )


def is_concrete(*values: Any) -> bool:
    """Whether none of the values is traced, so that Python may look at them."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def as_floats(name: str, value: Any, shape: tuple[int | str, ...] | None = None, complex: bool = False) -> Array:
    """`value` as a floating array of that shape (letters stand for any size), finite where it can be seen; real but
    with `complex`."""
    if any(
        leaf is None or isinstance(leaf, str | bytes) for leaf in jax.tree.leaves(value, is_leaf=lambda v: v is None)
    ):
        raise TypeError(
            f"{name} must be an array of numbers; got {type(value).__name__}."
        )  # JAX would read NaN and dtypes
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be an array of numbers; got {type(value).__name__} ({error}).") from None
    if jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool:
        array = array.astype(jnp.result_type(float))
    if not jnp.issubdtype(array.dtype, jnp.inexact if complex else jnp.floating):
        raise TypeError(
            f"{name} must hold {'' if complex else 'real '}floating-point numbers; got dtype {array.dtype}."
        )
    if shape is not None and (
        array.ndim != len(shape) or any(isinstance(n, int) and n != m for n, m in zip(shape, array.shape, strict=True))
    ):
        wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{name} must have shape {wanted}; got {array.shape}.")
    check_finite(name, array)
    return array


def as_matrix(name: str, value: Any, complex: bool = False) -> Array:
    """`value` as a square matrix (N, N) with N ≥ 1, else as `as_floats`."""
    array = as_floats(name, value, ("N", "N"), complex)
    if array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix (N, N), such as a network's W_h; got {array.shape}.")
    return array


def in_single(array: Array) -> Array:
    """The array in float32 at least: there is no linear algebra in half precision."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def check_finite(name: str, array: Any) -> None:
    if is_concrete(array):
        bad = np.argwhere(~np.isfinite(np.asarray(array)))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            value = np.asarray(array)[where]
            raise ValueError(
                f"{name} must be finite; {len(bad)} of {np.size(array)} entries are not, the first at {where}: {value}."
            )


def check_callable(name: str, value: Any, signature: str) -> None:
    if not callable(value):
        raise TypeError(f"{name} must be a callable {signature}; got {value!r}.")


def check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r}.")


def check_solver(name: str, value: Any) -> None:
    if not isinstance(value, diffrax.AbstractSolver):
        raise TypeError(f"{name} must be a diffrax solver, such as diffrax.Tsit5(); got {value!r}.")


def as_number(name: str, value: Any) -> float:
    """A real number as a Python float, known while Python runs."""
    if not is_concrete(value):
        raise TypeError(f"{name} must be a Python number, known when the function is traced; got {value}.")
    if isinstance(value, str | bytes | bool) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be a number; got {value!r}.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {value!r}.") from None


def as_step(name: str, value: Any) -> float:
    """A time step as a Python float: positive, finite, known while Python runs."""
    step = as_number(name, value)
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"{name} must be positive and finite; got {step}.")
    return step


def as_band(name: str, value: Any) -> float:
    """A frequency in cycles per step, half of what could be sampled at most."""
    band = as_number(name, value)
    if not 0 <= band < 0.25:
        raise ValueError(f"{name} must be in cycles per step of the network, from 0 to below 0.25; got {band}.")
    return band


def check_count(name: str, value: Any, least: int = 1) -> None:
    """A static whole number, such as an order."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, known when the function is traced; got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}.")


def counted(count: int, noun: str) -> str:
    """As in `1 input` and `2 inputs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def as_times(name: str, value: Any) -> Array:
    """Times (n,) in increasing order, without duplicates: compared in their own type, which may be wider than JAX's."""
    ts = as_floats(name, value, ("n",))
    if ts.shape[0] == 0:
        raise ValueError(f"{name} must hold at least one time; it is empty.")
    if is_concrete(value):
        own = np.asarray(value)
        steps = np.diff(own)
        if np.any(steps <= 0):
            i = int(np.argmax(steps <= 0))
            kind = "a duplicate" if steps[i] == 0 else "out of order"
            raise ValueError(
                f"{name} must increase strictly; {name}[{i}] = {own[i]} and {name}[{i + 1}] = {own[i + 1]} are {kind}."
            )
    return ts
