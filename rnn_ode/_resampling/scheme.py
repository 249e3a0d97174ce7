"""`Scheme`: one way of running a network at another rate, with its latency and its cost."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx

from .._paths.base import AbstractPath
from .._paths.half_band import HalfBand
from .._paths.interpolated import BandLimited, Linear
from .._run.trajectory import Trajectory
from .resampled import Window


class Scheme(eqx.Module):
    """A way of running a network at any times: `run(cell, path, ts, h0=None, *, dt, save, throw)`, as `evolve` is called.

    **Fields:**

    - `label`: the call as text.
    - `applications`: of the network, per result.
    - `states`: how many states a result is interpolated from.
    - `radius`: the largest modulus of its roots at rest; `stable`: whether they satisfy the root condition. `resampled` runs
      the network itself, and has no roots of its own: NaN, and stable.
    - `fit`: signal to error at rest that is expected, in dB.
    - `snr`: signal to error in the trial, in dB; NaN without a trial, −inf if it left the float range, inf without error.
    - `latency`: how long a result waits for its input, in steps of the network. The input is sampled at the times of the
      results. A result at t that uses the sample at t + s waits for s.
    - `cost`: floating-point operations per result, those of the interpolations included, and without those of the windows'
      weights, which a program can keep in a table.
    - `reads`: the window by which the input is read between its samples: its half-width and β, and whether it is that of a
      half-band filter; `None` if it is read at the samples alone. `path(xs, dt)` is the input so read.
    - `in_phase`: whether results have the phase of the network's outputs. Half-band filters have a phase of their own; these
      schemes are compared with the network through the same phase.
    - `in_band`: signal to error in the trial, in dB, in the band that both rates hold; `aliasing`: signal to the energy of
      the frequencies above that band, at the new rate, or, at a lower rate, that were folded into it.
    """

    label: str = eqx.field(static=True)
    run: partial[Trajectory]
    applications: float | int = eqx.field(static=True)
    states: int = eqx.field(static=True)
    radius: float
    stable: bool
    fit: float
    snr: float = float("nan")
    latency: float = float("nan")
    cost: float | int = float("nan")
    reads: Window | None = eqx.field(static=True, default=None)
    in_band: float = float("nan")
    aliasing: float = float("nan")

    @property
    def in_phase(self) -> bool:
        return self.reads is None or not self.reads.half_band

    def path(self, xs: Any, dt: float = 1.0, t0: float | None = None) -> AbstractPath:
        """The input as the trial read it.

        **Arguments:**

        - `xs`, `dt`, `t0`: as of `BandLimited`. The sampling interval of the trial is that of the results.

        **Returns:** a `BandLimited`, a `HalfBand`, or a `Linear` where the input is read at its samples alone.
        """
        if self.reads is None:
            return Linear(xs, dt, t0)
        if self.reads.half_band:
            return HalfBand(xs, dt, t0, half_width=self.reads.half_width)
        return BandLimited(xs, dt, t0, half_width=self.reads.half_width, beta=self.reads.beta)


class Sizes(NamedTuple):
    """How many numbers an input, a state and an output have, and the floating-point operations of one application."""

    input: int = 0
    state: int = 0
    output: int = 0
    application: float = 0.0


def middle_of(count: int) -> slice:
    """Return the part of `count` results that is compared: without the transient, and without the end."""
    return slice(min(2000, count // 4), count - count // 16)
