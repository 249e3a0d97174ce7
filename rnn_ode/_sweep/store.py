"""A Zarr store into which finished chunks land.

The store is a folder on a file system, in Zarr's format 3, which `xarray.open_zarr` opens. Its metadata and coordinates are
written at once: a folder beside it is filled and renamed. Then every chunk is a file of each variable. Zarr writes such a
file under another name and renames it. It has a checksum, and is forced to the disk before the chunk counts as done. What a
killed run or a crashed machine has left half written is not found, or fails its checksum, and is computed anew.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._files.atomic import filled_beside
from .grid import Chunk, Grid
from .outputs import Output

FUNCTION = "function"
"""The entry of a configuration that has fingerprints of the function."""

_CONFIGURATION = "rnn_ode_sweep"


class Store:
    """The variables of a sweep in a folder. It is made if it is not there.

    **Raises:** `ValueError` for the store of another sweep and for a folder that holds something else; `OSError` if the
    folder cannot be written to.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        box: tuple[int, ...],
        outputs: Sequence[Output],
        configuration: dict[str, Any],
    ):
        import zarr
        from zarr.storage import MemoryStore

        self.path, self._grid, self._box = path, grid, box
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            with _full_disk_told(path), filled_beside(path) as folder:
                _make(folder, grid, box, outputs, configuration)
        check_same(path, configuration)
        with damage_told(path):
            group: Any = zarr.open_group(path, mode="r+")
            self._arrays: dict[str, Any] = {output.name: group[output.name] for output in outputs}
            for name, (_, values) in grid.parameters.items():
                _check(np.array_equal(group[name][:], np.asarray(values)))
            sound = _described(MemoryStore(), grid, box, outputs, configuration)
            for output in outputs:
                array = self._arrays[output.name]
                _check(_places(array) == _places(sound[output.name]))
                _check(array.shape == grid.shape + output.shape and array.chunks == box + output.shape)
                _check(array.dtype == np.dtype(output.dtype))

    def holds(self, chunk: Chunk) -> bool:
        """Whether the chunk is there, whole, in every variable."""
        for name in self._arrays:
            self._remove_leftovers(name, chunk)
            if not self._file(name, chunk).exists():
                return False
            try:
                self._arrays[name][self._grid.region(chunk, self._box)]
            except (ValueError, OSError, RuntimeError, IndexError):  # its checksum, or its length, is wrong
                return False
        return True

    def write(self, chunk: Chunk, found: dict[str, np.ndarray]) -> None:
        """Write the results of a chunk, and force them to the disk."""
        region = self._grid.region(chunk, self._box)
        shape = tuple(part.stop - part.start for part in region)
        with _full_disk_told(self.path):
            for name, array in self._arrays.items():
                array[region] = found[name].reshape(shape + found[name].shape[1:])
                _force(self._file(name, chunk))

    def _file(self, name: str, chunk: Chunk) -> Path:
        """The file of a chunk of a variable, whose own axes are in one piece."""
        array = self._arrays[name]
        return self.path.joinpath(name, "c", *map(str, chunk), *["0"] * (array.ndim - len(chunk)))

    def _remove_leftovers(self, name: str, chunk: Chunk) -> None:
        """Remove what a killed run has left of the file under Zarr's other names for it."""
        file = self._file(name, chunk)
        for left in file.parent.glob(f"{file.name}.*.partial"):
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def _full_disk_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            f"store {path}: the disk is full. Finished chunks are kept: make room, and run the same sweep again."
        ) from None


@contextlib.contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Raise `ValueError`, which names the store, for what Zarr happens to raise for damaged files."""
    try:
        yield
    except Exception:
        raise ValueError(f"store {path}: not the store of a sweep, or damaged; remove it or give another.") from None


def _check(holds: bool) -> None:
    if not holds:
        raise ValueError


def check_same(path: Path, configuration: dict[str, Any]) -> None:
    """Raise `ValueError` if the folder is not the store of this sweep, with the first difference in words."""
    import zarr

    with damage_told(path):
        theirs: Any = zarr.open_group(path, mode="r").attrs.asdict()[_CONFIGURATION]
    for name in {**configuration, **theirs}:
        if theirs.get(name) != configuration.get(name):
            if name == FUNCTION:  # its fingerprint says nothing to a reader
                raise ValueError(
                    f"store {path}: the sweep there is of another function, or of one that reads other arrays or has another "
                    "precision. Give another store."
                )
            raise ValueError(
                f"store {path}: the sweep there has another {name}: {theirs.get(name)} there, {configuration.get(name)} "
                "here. Give another store."
            )


def _make(
    folder: Path, grid: Grid, box: tuple[int, ...], outputs: Sequence[Output], configuration: dict[str, Any]
) -> None:
    """Write the metadata and the coordinates of a store, and force them to the disk."""
    _described(folder, grid, box, outputs, configuration)
    for file in folder.rglob("*"):
        _force(file)


def _described(
    store: Any, grid: Grid, box: tuple[int, ...], outputs: Sequence[Output], configuration: dict[str, Any]
) -> Any:
    """Return Zarr's group with the metadata and the coordinates of a sweep, in a folder or a store of Zarr's."""
    import zarr
    from zarr.codecs import Crc32cCodec

    codec: Any = {"compressors": [Crc32cCodec()], "config": {"write_empty_chunks": True}}
    group = zarr.create_group(store, attributes={_CONFIGURATION: configuration})
    for name, (axis, values) in grid.parameters.items():
        group.create_array(name, data=values, dimension_names=[grid.names[axis]], **codec)
    for output in outputs:
        group.create_array(
            output.name,
            shape=grid.shape + output.shape,
            chunks=box + output.shape,
            dtype=output.dtype,
            fill_value=output.missing,
            dimension_names=[*grid.names, *output.axes],
            attributes=output.attributes,
            **codec,
        )
    return group


def _places(array: Any) -> str:
    """Where the chunks of an array are, and how they are written: damage there would make finished chunks empty ones."""
    return str((array.metadata.chunk_key_encoding, array.metadata.codecs))


def _force(path: Path) -> None:
    """Force a file, and its name in its folder, to the disk."""
    for one in (path, path.parent):
        if os.name == "posix" or one.is_file():
            opened = os.open(one, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
