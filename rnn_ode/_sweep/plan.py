"""How a sweep is cut into chunks and blocks, and the computation of chunks."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import jax

from .grid import Chunk, Grid, in_jax
from .outputs import Output, outputs_of
from .program import Fixed, Found, Given, Program, of_member
from .store import FUNCTION

_WIDTH = {"cpu": 128}  # members of a block, which are computed side by side; _WIDE on an accelerator
_WIDE = 1024
_MOST = 8192  # members of a chunk, at most
_PARTS = 128  # into so many chunks a sweep is cut, if its blocks allow it: enough for a node of devices
_BYTES = 2**26  # of the results of a chunk, at most


@dataclasses.dataclass(frozen=True)
class Plan:
    """A swept function, its grid and outputs, the shape `box` of its chunks, and the number and width of their blocks."""

    function: Callable[..., Any]
    grid: Grid
    static: tuple[str, ...]
    outputs: tuple[Output, ...]
    box: tuple[int, ...]
    blocks: int
    width: int

    def chunks(self) -> list[Chunk]:
        """The chunks of this process. Every process has its own."""
        return self.grid.chunks(self.box)[jax.process_index() :: jax.process_count()]

    def computed(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Found]]:
        """Yield the chunks with their results, in their order."""
        for fixed, group in itertools.groupby(chunks, self._fixed):
            its = list(group)
            given = [self._given(chunk) for chunk in its]
            yield from zip(its, self._program(fixed).run(given), strict=True)

    def size(self, chunk: Chunk) -> int:
        """The number of members of a chunk."""
        return math.prod(part.stop - part.start for part in self.grid.region(chunk, self.box))

    def configuration(self) -> dict[str, Any]:
        """What has to be the same for the same results, in JSON."""
        given = self._given(self.grid.chunks(self.box)[0])
        programs = [self._program(fixed).fingerprint(given) for fixed in combinations(self.grid, self.static)]
        return {
            **{f"axis {name}": text for name, text in self.grid.described().items()},
            "shape": list(self.grid.shape),
            "results": {one.name: f"{one.dtype}{list(one.shape)}" for one in self.outputs},
            "chunk": list(self.box),
            "block": self.width,
            "platform": jax.default_backend(),
            "jax": version("jax"),
            "jaxlib": version("jaxlib"),
            FUNCTION: programs,
        }

    def _fixed(self, chunk: Chunk) -> Fixed:
        """The values of the static parameters in a chunk, which has one of each."""
        values = self.grid.values(self.grid.region(chunk, self.box))
        return tuple((name, values[name][0].item()) for name in self.static)

    def _given(self, chunk: Chunk) -> Given:
        """The parameters that are arrays."""
        values = self.grid.values(self.grid.region(chunk, self.box))
        return {name: in_jax(name, array) for name, array in values.items() if name not in self.static}

    def _program(self, fixed: Fixed) -> Program:
        return Program(self.function, fixed, self.outputs, self.blocks, self.width)


def planned(function: Callable[..., Any], grid: Grid, chunk: int | None, static: tuple[str, ...]) -> Plan:
    """The plan of a sweep. The same on every process, and on any number of devices.

    **Raises:** `ValueError` or `TypeError` for a function that does not return arrays, or other ones for other static values.
    """
    outputs = _outputs(function, grid, static)
    width = _WIDTH.get(jax.default_backend(), _WIDE)
    if chunk is None:
        held = sum(output.dtype.itemsize * math.prod(output.shape) for output in outputs)
        chunk = max(1, min(max(grid.size // _PARTS, width), _MOST, _BYTES // held))
    box = grid.box(chunk, static)
    width = min(width, math.prod(box))
    return Plan(function, grid, static, outputs, box, math.ceil(math.prod(box) / width), width)


def _outputs(function: Callable[..., Any], grid: Grid, static: tuple[str, ...]) -> tuple[Output, ...]:
    """What the function returns, which must be the same for all static values."""
    arrays = {name: in_jax(name, values) for name, (_, values) in grid.parameters.items() if name not in static}
    example = {name: jax.ShapeDtypeStruct((), values.dtype) for name, values in arrays.items()}
    first, *others = combinations(grid, static)
    outputs = outputs_of(of_member(function, first), example)
    for fixed in others:
        other = outputs_of(of_member(function, fixed), example)
        if other != outputs:
            raise ValueError(
                f"f must return arrays of the same names, shapes and types for all values of {', '.join(static)}; it returns "
                f"{_in_words(outputs)} for {_in_words_fixed(first)} and {_in_words(other)} for {_in_words_fixed(fixed)}."
            )
    return outputs


def combinations(grid: Grid, static: tuple[str, ...]) -> list[Fixed]:
    """All combinations of the static parameters' values."""
    values = [dict.fromkeys(grid.parameters[name][1].tolist()) for name in static]
    return [tuple(zip(static, one, strict=True)) for one in itertools.product(*values)]


def _in_words(outputs: tuple[Output, ...]) -> str:
    return ", ".join(f"{one.name} {one.dtype}{list(one.shape)}" for one in outputs[:-1])


def _in_words_fixed(fixed: Fixed) -> str:
    return ", ".join(f"{name} = {value}" for name, value in fixed)
