"""Smooth inputs: readings of a signal, interpolated."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._base.checks import check_count
from .base import AbstractPath, taken
from .sinc import WIDE, as_beta, offsets, sinc_weights


class Linear(AbstractPath):
    """A smooth input: straight lines between the samples at their stamps. Outside the stamps the end values hold.

    **Arguments:**

    - `xs`: samples (T, …), T ≥ 1.
    - `dt`: the sampling interval, in time. Default 1.
    - `t0`: the stamp of the first sample, in time. Default `dt`.

    **Raises:** `ValueError` for an empty or non-finite xs, for dt ≤ 0 and for a t0 that is not finite; `TypeError` for
    samples that are no real numbers.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> path = ro.Linear(jnp.array([[1.0], [2.0]]))
    >>> [path(t).item() for t in (0.0, 1.0, 1.5, 5.0)]
    [1.0, 1.0, 1.5, 2.0]

    ```
    """

    degree = 1

    @property
    def beyond(self) -> int:
        return 0

    def within(self, step: Int[Array, ""], fraction: Float[Array, ""]) -> Array:
        following = self.sample(step)
        following = jnp.where((fraction == 0) & jnp.isnan(following), 0, following)  # 0·NaN would be NaN
        return (1 - fraction) * self.sample(step - 1) + fraction * following


class Cubic(AbstractPath):
    """A smooth input: cubic Hermite pieces with slopes from differences over five samples.

    It is of fourth order, has one continuous derivative, and is exact for polynomials up to degree three if there are four
    samples or more. Outside the stamps the end values hold.

    **Arguments:**

    - `xs`: samples (T, …), T ≥ 1.
    - `dt`: the sampling interval, in time. Default 1.
    - `t0`: the stamp of the first sample, in time. Default `dt`.

    **Raises:** `ValueError` for an empty or non-finite xs, for dt ≤ 0 and for a t0 that is not finite; `TypeError` for
    samples that are no real numbers.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> path = ro.Cubic(jnp.arange(1.0, 7.0)[:, None] ** 3)
    >>> round(path(2.5).item(), 4)
    15.625

    ```
    """

    degree = 3

    slopes: Float[Array, "T ..."]  # pyright: ignore[reportGeneralTypeIssues]  (our __init__ sets it)

    def __init__(self, xs, dt: float = 1.0, t0: float | None = None):
        super().__init__(xs, dt, t0)
        self.slopes = _slopes(self.xs) if self.xs.ndim and self.xs.shape[0] else self.xs

    @property
    def beyond(self) -> int:
        return 3  # two more samples from the third one on; near the start up to the fifth

    def within(self, step: Int[Array, ""], fraction: Float[Array, ""]) -> Array:
        f = fraction
        left = (1 - f) ** 2 * ((1 + 2 * f) * self.sample(step - 1) + f * taken(self.slopes, step - 1))
        right = f**2 * ((3 - 2 * f) * self.sample(step) - (1 - f) * taken(self.slopes, step))
        return left + right


class BandLimited(AbstractPath):
    """A smooth input: band-limited interpolation by a sinc under a Kaiser window.

    With the default β, content of frequencies below (1 − 2.8/half_width) of half the sampling rate is read with an error of
    −79 dB of its amplitude for a `half_width` of 8 or more, of −71 dB for 4. Narrower windows need a smaller β. Outside the
    stamps the end values hold. Within `half_width` samples of the ends the sum takes end values in place of the samples that
    are missing.

    **Arguments:**

    - `xs`: samples (T, …), T ≥ 1.
    - `dt`: the sampling interval, in time. Default 1.
    - `t0`: the stamp of the first sample, in time. Default `dt`.
    - `half_width`: the number of samples to either side that count, a whole number ≥ 1. Default 16.
    - `beta`: β of the window. Larger values read low frequencies with a smaller error, smaller values more of the band; 4.5
      suits a half_width of 2. Default 8.6.

    **Raises:** `ValueError` for an empty or non-finite xs, for dt ≤ 0, for a t0 that is not finite, for a half_width below 1
    and for a beta that is negative or not finite; `TypeError` for samples that are no real numbers and for a half_width that
    is not whole.

    Source: Smith & Gossett, "A flexible sampling-rate conversion method", ICASSP 1984.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> t = jnp.arange(1.0, 101.0)
    >>> path = ro.BandLimited(jnp.sin(0.6 * t)[:, None])
    >>> bool(abs(path(50.5)[0] - jnp.sin(0.6 * 50.5)) < 1e-4)
    True

    ```
    """

    half_width: int = eqx.field(static=True, default=16)
    beta: float = eqx.field(static=True, default=WIDE)

    def __init__(self, xs, dt: float = 1.0, t0: float | None = None, half_width: int = 16, beta: float = WIDE):
        super().__init__(xs, dt, t0)
        check_count("half_width", half_width)
        self.half_width, self.beta = int(half_width), as_beta("beta", beta)

    @property
    def beyond(self) -> int:
        return self.half_width - 1

    def within(self, step: Int[Array, ""], fraction: Float[Array, ""]) -> Array:
        return self._tapped(step, self._weights(fraction))

    def ahead(self, whole: Int[Array, ""], fraction: Float[Array, ""], after: Any, step: float, count: int) -> Array:
        every = step / self.dt
        if every != round(every):
            return super().ahead(whole, fraction, after, step, count)
        # readings that are whole intervals apart have the same weights, which cost more than the products with them
        first, f = self.place(whole, fraction, after)
        weights = self._weights(f.astype(self.xs.dtype))

        def read(k):
            return jnp.where(self.between(k), self._tapped(k, weights), self.sample(k - 1))

        return jax.vmap(read)(first + round(every) * jnp.arange(count))

    def _tapped(self, step: Int[Array, ""], weights: Float[Array, " taps"]) -> Array:
        return jnp.tensordot(weights, self.sample(step - 1 + offsets(self.half_width)), 1)

    def _weights(self, f: Float[Array, ""]) -> Float[Array, " taps"]:
        return sinc_weights(f, self.half_width, self.beta)


@jax.jit
def _slopes(xs: Array) -> Array:
    """The slopes at the samples, per step, from the nearest five samples: exact for polynomials of degree four."""
    total = xs.shape[0]
    width = min(5, total)
    first = np.clip(np.arange(total) - width // 2, 0, total - width)
    points = np.arange(width)
    powers = points[:, None] ** np.arange(width)  # a polynomial's value at the points, by its coefficients
    at = np.arange(total) - first
    degree = np.arange(width)
    derivative = degree * np.where(degree > 0, at[:, None].astype(float) ** np.maximum(degree - 1, 0), 0.0)
    stencils = derivative @ np.linalg.inv(powers)  # (T, width)
    taps = xs[first[:, None] + points]  # (T, width, …)
    weights = jnp.asarray(stencils, xs.dtype).reshape(stencils.shape + (1,) * (xs.ndim - 1))
    return jnp.sum(weights * taps, axis=1)
