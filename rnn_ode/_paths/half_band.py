"""A path read in two stages: a half-band recursive filter to twice the rate, and a short windowed sinc from there.

At twice the rate a signal leaves the upper half of the band empty, so that few taps read it between the samples. The
half-band filter is elliptic, (A₀(z²) + z⁻¹A₁(z²))/2, with A₀ and A₁ products of allpass sections (c + z⁻²)/(1 + c z⁻²). It
costs one multiplication a section and sample. Sources: Valenzuela & Constantinides, "Digital signal processing schemes for
efficient interpolation and decimation", IEE Proc. G 130, 1983, for the coefficients; Carson, Välimäki, Wright & Bilbao,
arXiv 2501.18470, for the two stages around a network.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from .._base.checks import check_count
from .base import AbstractPath, taken
from .sinc import fitted_beta, offsets, sinc_weights

_SECTIONS = 8
_TRANSITION = 0.05  # of the doubled rate: the band that is read goes up to 0.225 of it, which is 0.45 of the rate


def half_band(sections: int = _SECTIONS, transition: float = _TRANSITION) -> Float[np.ndarray, " sections"]:
    """Return the coefficients c of the allpass sections of an elliptic half-band filter, smallest first.

    They belong to A₀ and A₁ in turn. `transition` is the distance of pass band and stop band, in cycles per sample of the
    doubled rate. The series for the elliptic functions' nome converges fast; a few terms are exact to rounding."""
    k = np.tan((1 - 2 * transition) * np.pi / 4) ** 2
    root = (1 - k**2) ** 0.25
    e = 0.5 * (1 - root) / (1 + root)
    nome = e * (1 + e**4 * (2 + e**4 * (15 + 150 * e**4)))
    angles = np.arange(1, sections + 1) * np.pi / (2 * sections + 1)
    terms = np.arange(12)
    signs = (-1.0) ** terms
    above = nome**0.25 * np.sum(
        signs * nome ** (terms * (terms + 1)) * np.sin((2 * terms + 1) * angles[:, None]), axis=1
    )
    below = 0.5 + np.sum(signs[1:] * nome ** (terms[1:] ** 2) * np.cos(2 * terms[1:] * angles[:, None]), axis=1)
    squared = (above / below) ** 2
    x = np.sqrt((1 - squared * k) * (1 - squared / k)) / (1 + squared)
    return (1 - x) / (1 + x)


def delay_of(coefficients: Float[np.ndarray, " sections"]) -> float:
    """Return the group delay of the filter at frequency 0, in samples of the doubled rate.

    A section delays by 2(1 − c)/(1 + c) there. Both branches are in phase, so that their delays count half each."""
    return float(0.5 + np.sum((1 - coefficients) / (1 + coefficients)))


def phase_of(omega: Float[np.ndarray, " F"]) -> Complex[np.ndarray, " F"]:
    """Return the complex numbers of modulus 1 by which the filter turns waves of `omega` radians per sample, 0 … π.

    The delay at frequency 0 is made up for, as a `HalfBand` does."""
    z, coefficients = np.exp(-0.5j * omega), half_band()
    even, odd = (np.prod([(c + z**2) / (1 + c * z**2) for c in coefficients[p::2]], axis=0) for p in (0, 1))
    turned = (even + z * odd) * np.exp(0.5j * delay_of(coefficients) * omega)
    return turned / np.abs(turned)


class HalfBand(AbstractPath):
    """A smooth input: read by a half-band recursive filter and a short windowed sinc, with few operations.

    Its phase is its own: what is read at a time is right at low frequencies, whose delay is made up for, and late at high
    ones, up to 0.45 of the rate. Compare what a network makes of it with what it makes of the same phase, not of the input
    itself. For most purposes `BandLimited` is more accurate at the same latency.

    **Arguments:**

    - `xs`: samples (T, …), T ≥ 1. Before the first one the input is the first one.
    - `dt`: the sampling interval, in time. Default 1.
    - `t0`: the stamp of the first sample, in time. Default `dt`.
    - `half_width`: the number of samples of the doubled rate to either side that the sinc counts. Default 4.

    **Raises:** as `BandLimited`.

    Source: Carson, Välimäki, Wright & Bilbao, "Resampling filter design for multirate neural audio effect processing",
    IEEE/ACM TASLP 2025 (arXiv 2501.18470).

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> path = ro.HalfBand(jnp.sin(0.1 * jnp.arange(1.0, 201.0))[:, None])
    >>> bool(abs(path(100.5)[0] - jnp.sin(0.1 * 100.5)) < 1e-2), round(path.reach, 1)
    (True, 3.9)

    ```
    """

    half_width: int = eqx.field(static=True, default=4)
    doubled: Float[Array, "U ..."]  # pyright: ignore[reportGeneralTypeIssues]  (our __init__ sets it)

    def __init__(self, xs, dt: float = 1.0, t0: float | None = None, half_width: int = 4):
        super().__init__(xs, dt, t0)
        check_count("half_width", half_width)
        self.half_width = int(half_width)
        self.doubled = _doubled(self.xs, self._ahead) if self.xs.ndim and self.xs.shape[0] else self.xs

    @property
    def beyond(self) -> int:
        return int(np.ceil((self.half_width + delay_of(half_band())) / 2))

    @property
    def reach(self) -> float:
        return (self.half_width + delay_of(half_band())) / 2 * self.dt

    @property
    def _ahead(self) -> int:
        """How many samples past the last one are filtered, held at its value."""
        return int(np.ceil((self.half_width + delay_of(half_band())) / 2)) + 1

    def within(self, step: Int[Array, ""], fraction: Float[Array, ""]) -> Array:
        whole, weights = doubled_weights(fraction, self.half_width, jnp)
        taps = taken(self.doubled, 2 * (step - 1) + whole.astype(int) + offsets(self.half_width))
        return jnp.tensordot(weights.astype(taps.dtype), taps, 1)


def doubled_weights(fraction: Any, half_width: int, xp: Any) -> tuple[Any, Any]:
    """Return where, in samples of the doubled rate after a sample, the taps of a reading a `fraction` of a sample later
    begin to count (see `offsets`), and their weights, as `sinc_weights`."""
    place = 2 * fraction + delay_of(half_band())
    whole = xp.floor(place)
    return whole, sinc_weights(place - whole, half_width, fitted_beta(half_width), xp)


@partial(jax.jit, static_argnums=1)
def _doubled(xs: Array, ahead: int) -> Array:
    """Return the samples of twice the rate: even ones by A₀, odd ones by A₁, from the first sample's time on."""
    held = jnp.concatenate([xs, jnp.repeat(xs[-1:], ahead, axis=0)])
    _, pairs = jax.lax.scan(doubled_step, at_rest(xs[0]), held)
    return pairs.reshape(2 * len(held), *xs.shape[1:])


Branches = list[list[Array]]
"""The last input of the first section of each branch, and the last output of each of its sections."""


def at_rest(x: Array) -> Branches:
    """Return what the filter carries after a long constant input x."""
    return [[x] * (len(half_band()[parity::2]) + 1) for parity in (0, 1)]


def doubled_step(carry: Branches, x: Array) -> tuple[Branches, Array]:
    """Return what the filter carries after the sample x, and the two samples (2, …) of the doubled rate that belong to it.

    A section is y_n = c (x_n − y_{n−1}) + x_{n−1}."""
    branches = []
    for parity, states in enumerate(carry):
        new = [x]
        for c, before, last in zip(half_band()[parity::2], states[:-1], states[1:], strict=True):
            new.append(jnp.asarray(c, x.dtype) * (new[-1] - last) + before)
        branches.append(new)
    return branches, jnp.stack([new[-1] for new in branches])
