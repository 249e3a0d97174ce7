"""The compiled block, and its run on every device of this process.

Each device gets chunks of its own, and has a loop of its own over the blocks of a chunk. There are no collectives, so that no
device waits for another, and an adaptive solve waits for the slowest of its block alone. Results under `vmap` differ in the
last digits with the number of members; therefore a block always has the same number, and the last one is padded. Blocks of
nothing but padding are not computed.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._base.compiled import read_by
from .fingerprint import fingerprint_of
from .outputs import OUTCOME, Output, code_of, named

Given = dict[str, np.ndarray]
"""The parameters of some members by name, (n,) each."""
Found = dict[str, np.ndarray]
"""The outputs of some members by name, (n, …) each."""

_AHEAD = 2  # rounds that the devices are given before the first of them is waited for


Fixed = tuple[tuple[str, Any], ...]
"""Arguments by name that a function gets as Python numbers."""


class Program:
    """A function of one member, compiled for `blocks` blocks of `width` members on each device of this process."""

    def __init__(self, function: Callable[..., Any], fixed: Fixed, outputs: Sequence[Output], blocks: int, width: int):
        self.outputs, self.blocks, self.width = tuple(outputs), blocks, width
        self._mesh, (_, self._block, self._run) = _mesh(), _compiled(function, fixed)

    def fingerprint(self, given: Given) -> str:
        """A fingerprint of the program of a block: of the function, the arrays that it reads, the types and the width."""
        block = {name: jax.ShapeDtypeStruct((self.width,), values.dtype) for name, values in given.items()}
        return fingerprint_of(self._block.trace(block).jaxpr)

    def run(self, chunks: Sequence[Given]) -> Iterator[Found]:
        """Yield the outputs of the chunks, each of at most `blocks` × `width` members, in their order."""
        rounds = [chunks[k : k + self._mesh.size] for k in range(0, len(chunks), self._mesh.size)]
        running = [self._start(one) for one in rounds[:_AHEAD]]
        for k, one in enumerate(rounds):
            started = running.pop(0)
            if k + _AHEAD < len(rounds):
                running.append(self._start(rounds[k + _AHEAD]))
            yield from self._results(one, started)

    def _start(self, chunks: Sequence[Given]) -> Any:
        """Give each device its chunk. This returns before the results are there, or returns the error of a member."""
        counts = np.zeros(self._mesh.size, np.int32)
        counts[: len(chunks)] = [_size(chunk) for chunk in chunks]
        rows = [_padded(chunk, self.blocks * self.width) for chunk in chunks]
        rows += [rows[-1]] * (self._mesh.size - len(rows))
        given = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        given = {name: rows.reshape(-1, self.blocks, self.width) for name, rows in given.items()}
        try:
            return self._run(*jax.device_put((counts, given), NamedSharding(self._mesh, PartitionSpec("device"))))
        except jax.errors.JaxRuntimeError as error:
            return error

    def _results(self, chunks: Sequence[Given], started: Any) -> list[Found]:
        """The results of a round. If a member raised an error, the members are run again in ever smaller groups until it is
        alone. It then has an outcome that says so."""
        try:
            if isinstance(started, Exception):
                raise started
            read = {name: np.asarray(rows) for name, rows in started.items()}
        except jax.errors.JaxRuntimeError as error:
            if "callback" not in str(error).lower():  # such as a device without memory: not the fault of a member
                raise
            if len(chunks) > 1:
                return [found for chunk in chunks for found in self._results([chunk], self._start([chunk]))]
            if (size := _size(chunks[0])) > 1:
                parts = [
                    {name: values[half] for name, values in chunks[0].items()}
                    for half in (slice(0, size // 2), slice(size // 2, size))
                ]
                halves = [self._results([part], self._start([part]))[0] for part in parts]
                return [{name: np.concatenate([half[name] for half in halves]) for name in halves[0]}]
            return [self._failed(code_of(str(error)))]
        # (devices, blocks, width, …)
        return [
            {name: rows[k].reshape(-1, *rows.shape[3:])[: _size(chunk)] for name, rows in read.items()}
            for k, chunk in enumerate(chunks)
        ]

    def _failed(self, code: int) -> Found:
        """The outputs of one member whose function raised an error."""
        missing = {output.name: np.full((1, *output.shape), output.missing, output.dtype) for output in self.outputs}
        return missing | {OUTCOME: np.full(1, code, missing[OUTCOME].dtype)}


def of_member(function: Callable[..., Any], fixed: Fixed) -> Callable[[Any], Any]:
    """The function, of the parameters of one member in a dictionary. It is traced once for this and for the program."""
    return _compiled(function, fixed)[0]


def _compiled(function: Callable[..., Any], fixed: Fixed) -> tuple[Any, Any, Any]:
    """One member, a block, and the loop on every device, as jitted functions: the same for the same function, as long as
    what it reads is the same."""
    given = function, fixed, read_by(function), _mesh()
    try:
        hash(given)
    except TypeError:  # a module that holds arrays
        return _made(*given)
    return _kept(*given)


def _mesh() -> Mesh:
    return Mesh(np.array(jax.local_devices()), ("device",))


def _made(function: Callable[..., Any], fixed: Fixed, read: Any, mesh: Mesh) -> tuple[Any, Any, Any]:
    @jax.jit
    def member(given: dict[str, Any]) -> Any:
        return function(**given, **dict(fixed))

    @jax.jit
    def block(given: dict[str, Any]) -> dict[str, Any]:
        return jax.vmap(lambda given: named(member(given)))(given)

    def on_a_device(counts: Any, given: dict[str, Any]) -> dict[str, Any]:
        blocks = {name: rows[0] for name, rows in given.items()}
        width = next(iter(blocks.values())).shape[1]

        def body(k: Any, found: dict[str, Any]) -> dict[str, Any]:
            its = block({name: rows[k] for name, rows in blocks.items()})
            return {name: rows.at[k].set(its[name]) for name, rows in found.items()}

        first = jax.eval_shape(block, {name: rows[0] for name, rows in blocks.items()})
        count = next(iter(blocks.values())).shape[0]
        empty = {name: jnp.zeros((count, *leaf.shape), leaf.dtype) for name, leaf in first.items()}
        found = jax.lax.fori_loop(0, (counts[0] + width - 1) // width, body, empty)
        return {name: rows[None] for name, rows in found.items()}

    across = PartitionSpec("device")
    return (
        member,
        block,
        jax.jit(jax.shard_map(on_a_device, mesh=mesh, in_specs=across, out_specs=across, check_vma=False)),
    )


_kept = functools.lru_cache(maxsize=16)(_made)


def _size(given: Given) -> int:
    return len(next(iter(given.values())))


def _padded(given: Given, size: int) -> Given:
    """The parameters of so many members: the last one again in the places that are left."""
    return {name: np.pad(values, (0, size - len(values)), mode="edge") for name, values in given.items()}
