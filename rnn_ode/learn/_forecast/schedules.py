"""How the rate of a training goes on, by name."""

from functools import lru_cache

import optax

from ..._base.checks import check_choice

SCHEDULES = ("cosine", "constant", "exponential", "warmup")


def check_schedule(name: str) -> None:
    """`ValueError` for a name that no schedule has."""
    check_choice("schedule", name, SCHEDULES)


def schedule_of(name: str, rate: float, steps: int) -> optax.Schedule:
    """The rate at each step: from `rate` to zero as a cosine, or as the name says."""
    if name == "constant":
        return optax.constant_schedule(rate)
    if name == "exponential":
        return optax.exponential_decay(rate, steps, 0.01)
    if name == "warmup":
        return optax.warmup_cosine_decay_schedule(0.0, rate, max(1, steps // 10), max(2, steps))
    return optax.cosine_decay_schedule(rate, steps)


@lru_cache(maxsize=64)
def adam(schedule: str, rate: float, steps: int) -> optax.GradientTransformation:
    """Adam with a rate that goes on so. It is the same object for the same arguments: a step of training is compiled anew for
    every optimiser."""
    return optax.adam(schedule_of(schedule, rate, steps))
