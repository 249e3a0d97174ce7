"""Examples that are made when a test first asks for them: to make them all compiles for seconds, in every worker."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax


class Lazy(Mapping):
    """Names and the functions that make what they stand for. Each is called at most once, in float64 and outside any trace,
    as if a module made it."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]):
        self.makers, self.made = dict(makers), {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            with jax.enable_x64(True), jax.ensure_compile_time_eval():
                self.made[name] = self.makers[name]()
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)
