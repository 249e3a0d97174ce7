"""What the networks are trained on and asked for."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._models.ensemble import Ensemble
from .._models.rollout import rollout
from .beside import Beside
from .losses import Loss
from .needs import Preparation
from .windows import Windows

# Networks read and give values of a quarter of a standard deviation, where their activations are nearly linear.
_AMPLITUDE = 0.25


class MeanLoss(eqx.Module):
    """The mean loss of all members of an ensemble. It has no array, so that trainings of one shape are compiled once."""

    criterion: Loss = eqx.field(static=True)

    def __call__(self, ensemble: Ensemble, batch: tuple[Array, Array]) -> Array:
        histories, targets = batch
        outputs = jax.vmap(ensemble)(histories)
        given = outputs.reshape(*outputs.shape[:2], -1, self.criterion.outputs)
        wanted = targets.reshape(targets.shape[0], 1, -1)
        return jnp.mean(self.criterion(given / _AMPLITUDE, wanted / _AMPLITUDE))


class Problem(eqx.Module):
    """A preparation, and the sizes of windows. `columns` are those of the series that are forecast."""

    prepared: Preparation
    criterion: Loss = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)
    gap: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    direct: bool = eqx.field(static=True)

    @property
    def outputs(self) -> int:
        """How many numbers a network gives."""
        return len(self.columns) * self.criterion.outputs * (self.horizon if self.direct else 1)

    def examples(self, part: Windows, rows: np.ndarray, beside: Beside | None = None) -> tuple[Array, Array]:
        """Histories (n, history, D + F), and what a network is to give: (n, horizon, K), or the next row (n, 1, D)."""
        if self.direct:
            wanted = self.prepared.targets(part.inputs, part.targets, part.starts, self.columns)
        else:
            wanted = self.prepared.scaler.transform(rows[part.starts + part.inputs.shape[1]][:, None])
        return self.histories(part.inputs, part.starts, beside), jnp.asarray(_AMPLITUDE * wanted)

    def histories(self, inputs: np.ndarray, starts: np.ndarray, beside: Beside | None = None) -> Array:
        """What the networks see of histories (n, history, D) that begin at these rows."""
        seen = _AMPLITUDE * self.prepared.inputs(inputs, starts)
        return jnp.asarray(seen if beside is None else np.concatenate([seen, beside(starts)], axis=2))

    @property
    def loss(self) -> "MeanLoss":
        """The mean loss of all members, in standard deviations: `loss(ensemble, batch)`."""
        return MeanLoss(self.criterion)

    def given(self, ensemble: Ensemble, histories: Array) -> Float[np.ndarray, "members n horizon K outputs"]:
        """What every member gives for what it sees of histories, in standard deviations."""
        return np.asarray(_outputs(self, ensemble, histories), float) / _AMPLITUDE

    def given_by_one(self, member: Any, history: Array) -> Array:
        """What one network gives for one history (horizon, K, outputs)."""
        if self.direct:
            return member(history).reshape(self.horizon, len(self.columns), self.criterion.outputs)
        return rollout(member, history, self.gap + self.horizon)[self.gap :, :, None]


@eqx.filter_jit
def _outputs(problem: Problem, ensemble: Ensemble, histories: Array) -> Array:
    def of_all(member: Any) -> Array:
        return jax.vmap(lambda history: problem.given_by_one(member, history))(histories)

    return eqx.filter_vmap(of_all)(ensemble.stacked)
