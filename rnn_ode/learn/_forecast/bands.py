"""Prediction intervals."""

import math

import equinox as eqx
import numpy as np
from jaxtyping import Float


class Band(eqx.Module):
    """Predictions with an interval: `mean`, `lower` and `upper`, each (…, horizon, D), in the series' own units."""

    mean: Float[np.ndarray, "*n horizon D"]
    lower: Float[np.ndarray, "*n horizon D"]
    upper: Float[np.ndarray, "*n horizon D"]


class ConformalIntervals(eqx.Module):
    """Half-widths: `factor` (horizon, D) times the members' standard deviation and the error `floor` (horizon, D)."""

    factor: np.ndarray
    floor: np.ndarray

    @classmethod
    def fit(cls, predictions: np.ndarray, targets: np.ndarray, share: float) -> "ConformalIntervals":
        errors = np.abs(predictions.mean(axis=0) - targets)
        floor = np.sqrt(np.mean(errors**2, axis=0)) + np.finfo(float).tiny
        ratios = np.sort(errors / (predictions.std(axis=0) + floor), axis=0)
        place = math.ceil((len(ratios) + 1) * share * (1 - 1e-12)) - 1
        return cls(ratios[place], floor)

    def __call__(self, predictions: np.ndarray) -> Band:
        mean, half = predictions.mean(axis=0), self.factor * (predictions.std(axis=0) + self.floor)
        return Band(mean, mean - half, mean + half)
