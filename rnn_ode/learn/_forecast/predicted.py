"""What networks forecast for windows, before it becomes intervals."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Predicted:
    """The forecasts of some windows by every network, in the units of the series.

    **Fields:** `found` (members, n, horizon, K); `spread`, how uncertain the networks say they are, in the same shape, or
    `None` if their loss does not make them say it; `scale` (n, 1, K), the size of errors by the histories, relative to the
    usual one, or `None` if it is the same for all.
    """

    found: Float[np.ndarray, "members n horizon K"]
    spread: Float[np.ndarray, "members n horizon K"] | None = None
    scale: Float[np.ndarray, "n 1 K"] | None = None

    def __getitem__(self, windows: slice) -> "Predicted":
        spread = None if self.spread is None else self.spread[:, windows]
        return Predicted(self.found[:, windows], spread, None if self.scale is None else self.scale[windows])

    def followed_by(self, others: "Predicted") -> "Predicted":
        """The forecasts of these windows and of others of the same networks."""
        spread, scale = None, None
        if self.spread is not None and others.spread is not None:
            spread = np.concatenate([self.spread, others.spread], axis=1)
        if self.scale is not None and others.scale is not None:
            scale = np.concatenate([self.scale, others.scale])
        return Predicted(np.concatenate([self.found, others.found], axis=1), spread, scale)
