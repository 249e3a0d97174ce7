"""Examples that are made when a test first asks for them: to make them all compiles for seconds, in every worker."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp


def _outside_any_trace():
    """`jax.ensure_compile_time_eval` takes compiled functions apart, so it is only entered where something is traced."""
    is_tracing = isinstance(jnp.asarray(0.0), jax.core.Tracer)
    return jax.ensure_compile_time_eval() if is_tracing else nullcontext()


class Lazy(Mapping):
    """Names and the functions that make what they stand for. Each is called at most once, in float64 and outside any trace,
    as if a module made it."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]):
        self.makers, self.made = dict(makers), {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            with jax.enable_x64(True), _outside_any_trace():
                self.made[name] = self.makers[name]()
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)
