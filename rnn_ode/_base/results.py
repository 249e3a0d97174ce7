"""How a run ended."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp


class RESULTS(diffrax.RESULTS):  # pyright: ignore[reportGeneralTypeIssues]
    """How a run ended: `diffrax.RESULTS`, and the other ends that networks and their flows have besides.

    `RESULTS[trajectory.result]` is the text, with what to do next; `successful` has the empty text.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> run = ro.iterate(lambda x, h: 1e30 * h, jnp.zeros(3), jnp.ones(()), throw=False)
    >>> bool(run.result == ro.RESULTS.left_float_range), ro.RESULTS[run.result][:33]
    (True, 'The state left the float range (o')

    ```
    """

    left_float_range = (
        "The state left the float range (overflow to infinity). The rows before it are kept with `throw=False`. "
        "`rnn_ode.spectrum(W).rate()` says how fast the linear part grows: scale the weights, shorten the run or use "
        "float64. A run of equal steps, as with noise, also leaves it where `step` is too long for the fastest decay."
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
        "The step is too long for this flow: one step and two halves of it disagree, or it moves the state away where the "
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
        "Some guesses reached no fixed point: `reached` is −1 for them. The search diverged, or ended where the speed has a "
        "minimum that is not zero (`slow=True` returns those). Give nearer guesses, from the states of a run "
        "(`draw_guesses`), or use float64."
    )
    guesses_not_slow = (
        "Some guesses reached no fixed point and no slow point: `reached` is −1 for them. The search diverged, or "
        "ended at a state that is faster than `slow` allows. Raise `slow`, for example slow=0.01 (`.residuals` lists the "
        "speeds that were found), or let the run that the guesses come from settle for longer."
    )
    unstable_scheme = (
        "The scheme is unstable, so its rows are wrong, and infinite once they leave the float range: at the fixed point "
        "under the mean input it has a root that violates the root condition, and its errors grow. "
        "`rnn_ode.root_condition(cell, x, gap)` lists the pairs (ahead, behind) that are stable. Fewer states behind, or "
        "more applications ahead, usually help."
    )
    gap_too_long = (
        "A gap between two times exceeds what `ahead` reaches by more than 8 steps of the network, and the times are traced, "
        "so the number of applications to compile is not known. Pass `ts` as a NumPy array from outside `jit`, or put times "
        "in between; with `throw=False` the rows before it are kept."
    )

    branch_cut_short = (
        "The branch is partial: `max_points` points did not reach an end of the interval. Raise `max_points`, take longer "
        "steps with `max_step`, or shorten the interval."
    )
    branch_diverged = (
        "The branch is partial: its state runs off to infinity (a millionfold by now) inside the interval. Beyond that "
        "parameter there is nothing to follow; other branches start from other fixed points, or from the other end."
    )
    orbit_not_found = (
        "No orbit was found: Newton's method does not converge from this guess. Give states of a run that has settled near "
        "the orbit (`orbit_guess` finds the recurrence and the period), a better period, more `intervals`, or "
        "use float64. An orbit with very fast jumps, or one of a family as of a flow without friction, is not found."
    )
    orbit_at_rest = (
        "The guess leads to a fixed point, not to an orbit of this period. `fixed_points` describes it. Give a guess further "
        "from it, such as states along the orbit."
    )
    orbit_of_shorter_period = (
        "The guess leads to an orbit whose period is a fraction of what was asked for: `points` goes round it several times. "
        "Ask for that period, or give a guess that is nearer to the longer orbit."
    )
    orbit_inexact = (
        "The orbit was found, but its points are less exact than 1e-7 (float32: 1e-4) of its extent: `error` says how exact "
        "they are. It has a kink (relu), or a part that is too fast for 384 intervals. Give more with `intervals`."
    )
    branch_period_diverges = (
        "The branch is partial: its period runs to infinity inside the interval, as near a homoclinic orbit, which leaves a "
        "fixed point and returns to it. `periods` shows the growth, and the parameter of the last points is near that of the "
        "homoclinic orbit."
    )
    branch_of_circles = (
        "The branch is partial: it holds the start of an invariant circle by its normal form, and `residuals` says how well "
        "the map keeps each circle. The motion on a circle closes at some parameters and not at others, so that no branch of "
        "orbits continues it. Run the map there, or follow the orbits of a resonance from `periodic_orbit`."
    )
    branch_lost = (
        "The branch is partial: after its last point Newton's method finds no next one, however short the step. It may turn "
        "back or end on a kink (relu), or the system may not be smooth or finite there. Look at the last points, start from "
        "the other side, or use float64."
    )
    states_unsettled = (
        "Some states had not settled at the end: their label is −3. Give a longer `duration`. States on a chaotic set of a "
        "high dimension do not come back near enough in a run of this length."
    )
    many_attractors = (
        "The search ended at `most` attractors, and some states are on none of them: their label is −3. Are there so many? "
        "Every state of a line attractor or of a system without friction is on a set of its own. Raise `most`, or give fewer "
        "states."
    )


def how_it_ended(result: Any) -> str:
    """Return how a run ended, in words: "successful", or the text of the result."""
    # an Enumeration reads JAX's scalars, not NumPy's
    return RESULTS[jax.tree.map(jnp.asarray, result)] or "successful"
