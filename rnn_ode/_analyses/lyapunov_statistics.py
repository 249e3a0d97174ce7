"""Exponents and their standard errors, from what a frame gained in each block of a run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._base.results import RESULTS
from .._base.states import frozen
from .frames import FrameGrowth
from .steps import Accuracy


def window(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """1 over the middle half of 0 … 1, smoothly down to 0 at its ends (the Planck taper)."""
    y = jnp.clip(4 * jnp.minimum(x, 1 - x), 1e-3, 1 - 1e-3)
    return jax.nn.sigmoid(1 / (1 - y) - 1 / y)


class Exponents(NamedTuple):
    """See the fields of `Lyapunov`."""

    history: Float[Array, "m k"]
    times: Float[Array, " m"]
    stderr: Float[Array, " k"]
    result: RESULTS


_SMALL = 0.1  # of the smallest exponent that is not zero

_NOTHING = 0.01  # the change of a disturbance over the whole run, relative


def counted_as_zero(
    exponents: Float[Array, "... k"], stderr: Float[Array, "... k"], duration: Float[Array, "..."]
) -> Bool[Array, "... k"]:
    """Which exponents are zero as far as a run knows: within two standard errors of it, where these are small. Large ones say
    that the run was too short. They are small beside the smallest exponent that is known not to be zero, or if they change a
    disturbance by nothing over the run."""
    nonzero = (jnp.abs(exponents) > 2 * stderr) & jnp.isfinite(exponents)
    least = jnp.min(jnp.where(nonzero, jnp.abs(exponents), jnp.inf), axis=-1)
    small = jnp.maximum(jnp.where(jnp.isfinite(least), _SMALL * least, 0), _NOTHING / duration)
    return (jnp.abs(exponents) <= 2 * stderr) & (2 * stderr <= small[..., None])


def exponents_of(
    rows: FrameGrowth, live: Int[np.ndarray, " m"], size: int, length: float, accuracy: Accuracy, why: RESULTS
) -> Exponents:
    """The exponents of a run of a system with `size` states.

    `rows` are the growths in its blocks, except that `lost` and `finite` hold for the run up to the end of a block. `live` is
    the number of steps in each block, `length` their length, and `why` the result of a run that failed. Time is in steps
    until the end.
    """
    steps = np.cumsum(live)
    parts = length / accuracy.length
    running = jnp.cumsum(rows.logs, axis=0) / (parts * steps.astype(rows.logs.dtype))[:, None]
    plain, smooth = running[-1], jnp.sum(rows.weighted, axis=0) / jnp.sum(rows.weight)
    own = _variance(rows, live) / parts**2
    shift = _shared(jnp.sum(plain - smooth), own) if len(plain) == size else jnp.zeros_like(smooth)
    running = jnp.where(rows.lost, -jnp.inf, running.at[-1].set(smooth + shift))
    stderr = jnp.sqrt(frozen(own + shift**2 + (accuracy.error * accuracy.length) ** 2))
    stderr = jnp.where(rows.lost[-1], 0, stderr)
    good = rows.finite & ~accuracy.useless
    running, stderr = (jnp.where(ok, x, jnp.nan) for ok, x in ((good[:, None], running), (good[-1], stderr)))
    order = jnp.argsort(-running[-1], stable=True)
    result = RESULTS.where(accuracy.inexact, RESULTS.step_too_long, RESULTS.successful)  # pyright: ignore
    return Exponents(
        history=running[:, order] / accuracy.length,
        times=jnp.asarray(steps * length, rows.logs.dtype),
        stderr=stderr[order] / accuracy.length,
        result=RESULTS.where(rows.finite[-1], result, why),  # pyright: ignore
    )


def _shared(total: Float[Array, ""], variance: Float[Array, " k"]) -> Float[Array, " k"]:
    """A sum shared among exponents in proportion to their variances (equally, if all variances are 0): the smallest change,
    in standard errors, that makes the sum of the exponents right."""
    largest = frozen(jnp.max(variance))
    shares = jnp.where(largest > 0, variance / jnp.where(largest > 0, largest, 1), 1)
    return total * shares / jnp.sum(shares)


def _variance(rows: FrameGrowth, live: Int[np.ndarray, " m"]) -> Float[Array, " k"]:
    """The squared standard error of the windowed means, per step: a multitaper estimate (Thomson, Proc. IEEE 70, 1982).

    It is the power in the blocks' means at the lowest frequencies, of one to three periods in the run, seen through the same
    window. The mean itself is the power at frequency zero. It is too small where something varies more slowly than the run.
    """
    weight, steps = frozen(rows.weight), live.astype(rows.logs.dtype)
    means = rows.logs / steps[:, None]
    share = weight / jnp.sum(weight)
    middle = (np.cumsum(steps) - steps / 2) / np.sum(steps)
    angles = 2 * np.pi * np.arange(1, 4)[:, None] * middle
    waves = jnp.asarray(np.concatenate([np.cos(angles), np.sin(angles)]), share.dtype)
    tapers = share[None] * (waves - (waves @ share)[:, None])
    sizes = jnp.sum(tapers**2, axis=1)
    known = sizes > 1e-3 * jnp.sum(share**2)
    density = (tapers @ (means - jnp.mean(means, axis=0, keepdims=True))) ** 2 / jnp.where(known, sizes, jnp.inf)[
        :, None
    ]
    return jnp.sum(density, axis=0) / jnp.sum(known) * jnp.sum(share**2)
