"""What networks are trained for: a mean, a median, a distribution or quantiles.

| name | a network gives, for each target | it minimises |
|---|---|---|
| mse | a mean | the squared error |
| mae | a median | the absolute error |
| gaussian | a mean and the logarithm of a scale | the negative log likelihood of a Gaussian |
| student | the same | that of a Student distribution of 5 degrees of freedom, which outliers pull less |
| quantile | a median, and the distances of two quantiles from it | the pinball losses (Koenker & Bassett 1978) |
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._base.checks import check_choice

LOSSES = ("mse", "mae", "gaussian", "student", "quantile")
_FREEDOM = 5.0  # of the Student distribution
_WIDEST = 6.0  # of the logarithm of a scale: e⁶ standard deviations


@dataclass(frozen=True)
class Loss:
    """A loss by name. `share` of the values is to lie between the quantiles."""

    name: str
    share: float = 0.9

    def __post_init__(self):
        check_choice("loss", self.name, LOSSES)

    @property
    def outputs(self) -> int:
        """How many numbers a network gives for each target."""
        return {"gaussian": 2, "student": 2, "quantile": 3}.get(self.name, 1)

    def __call__(self, given: Float[Array, "*n outputs"], target: Float[Array, "*n"]) -> Float[Array, "*n"]:
        """The loss of each target."""
        wrong = target - given[..., 0]
        if self.name == "mse":
            return wrong**2
        if self.name == "mae":
            return jnp.abs(wrong)
        if self.name == "quantile":
            levels = 0.5, (1 - self.share) / 2, (1 + self.share) / 2
            ends = given[..., 0], given[..., 0] - _positive(given[..., 1]), given[..., 0] + _positive(given[..., 2])
            return sum((pinball(target - end, level) for end, level in zip(ends, levels, strict=True)), jnp.zeros(()))
        log_scale = jnp.clip(given[..., 1], -_WIDEST, _WIDEST)
        z = wrong * jnp.exp(-log_scale)
        if self.name == "gaussian":
            return z**2 / 2 + log_scale + 0.5 * math.log(2 * math.pi)
        half = (_FREEDOM + 1) / 2
        constant = math.lgamma(_FREEDOM / 2) - math.lgamma(half) + 0.5 * math.log(_FREEDOM * math.pi)
        return half * jnp.log1p(z**2 / _FREEDOM) + log_scale + constant

    def spread(self, given: np.ndarray) -> np.ndarray | None:
        """How uncertain a network says it is, or `None` if it does not say."""
        if self.outputs == 2:
            return np.exp(np.clip(given[..., 1], -_WIDEST, _WIDEST))
        if self.outputs == 3:
            return np.asarray(_positive(given[..., 1]) + _positive(given[..., 2])) / 2
        return None


def pinball(wrong: Array, level: float) -> Array:
    """The loss whose mean the quantile of that level minimises, of target − quantile."""
    return jnp.maximum(level * wrong, (level - 1) * wrong)


def _positive(values: Array | np.ndarray) -> Array:
    return jax.nn.softplus(jnp.asarray(values))
