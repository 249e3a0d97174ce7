"""One counterpart of a network, compared with it: a row of `compare`."""

import dataclasses
import math
from typing import Any

import numpy as np

from .._base.text import plain
from .._methods.base import AbstractMethod
from .._run.trajectory import Trajectory

ERROR_LIMIT = 0.1
"""The relative error above which a counterpart and the network have parted."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One counterpart, compared with the network.

    Errors are relative: ‖difference of the states‖ over the network's largest ‖state‖. Rates are of the linear part, in nats
    per step. `reason` is empty, or says why the counterpart does not exist here or where its run ended.
    """

    method: AbstractMethod
    trajectory: Trajectory | None
    errors: np.ndarray
    """(T + 1,) relative error at the samples; NaN past the end of a run that ended early."""
    network_verdict: str
    verdict: str
    predicted_rate: float
    measured_rate: float | None
    series_converges: bool
    neglected: float
    parted_at: float | None
    """The first time at which the error exceeds a tenth, or `None`."""
    reason: str

    @property
    def agrees(self) -> bool:
        """Whether the eigenvalues say the same of the network's linear part and of the counterpart's."""
        return self.verdict == self.network_verdict

    @property
    def error_max(self) -> float | None:
        """Largest relative error at a sample that both reached."""
        return float(np.nanmax(self.errors[1:])) if np.any(np.isfinite(self.errors[1:])) else None

    @property
    def error_rms(self) -> float | None:
        """Root-mean-square relative error over the samples that both reached."""
        largest = self.error_max
        if largest is None or largest == 0 or not math.isfinite(largest):
            return largest
        return largest * float(np.sqrt(np.nanmean((self.errors[1:] / largest) ** 2)))

    def to_dict(self) -> dict[str, Any]:
        """The row as plain numbers and strings, ready for json (no NaN, no infinity)."""
        numbers = ("error_max", "error_rms", "parted_at", "predicted_rate", "measured_rate", "neglected")
        return {
            "method": self.method.label,
            "network_verdict": self.network_verdict,
            "verdict": self.verdict,
            "agrees": self.agrees,
            "series_converges": self.series_converges,
            "reason": self.reason,
            **{name: plain(getattr(self, name)) for name in numbers},
        }
