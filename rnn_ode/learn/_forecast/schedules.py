"""How the rate of a training goes on, by name."""

from functools import lru_cache

import optax

SCHEDULES = ("cosine", "constant", "exponential", "warmup")


# kept, since a training whose optimiser is another object is compiled anew
@lru_cache(maxsize=64)
def schedule_of(name: str, rate: float, steps: int) -> optax.Schedule:
    """The rate at each step: from `rate` to zero as a cosine, or as the name says."""
    if name not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}; got {name!r}.")
    if name == "constant":
        return optax.constant_schedule(rate)
    if name == "exponential":
        return optax.exponential_decay(rate, steps, 0.01)
    if name == "warmup":
        return optax.warmup_cosine_decay_schedule(0.0, rate, max(1, steps // 10), max(2, steps))
    return optax.cosine_decay_schedule(rate, steps)


@lru_cache(maxsize=64)
def optimiser_of(rates: optax.Schedule) -> optax.GradientTransformation:
    """Adam at these rates."""
    return optax.adam(rates)
