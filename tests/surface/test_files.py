"""Files that are cut, changed, of another kind or no files: each ends in an error that names the file, or in its content."""

import resource
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from surface import judge
from surface.files import FORMATS, STORED, damaged, no_files, sweep_in

from rnn_ode import datasets, interop

QUICK = ("weights.npz", "series.csv", "cell.ckpt")
EACH = 40  # damages of each format in the suite


def faults(path: Path, count: int | None = None) -> tuple[int, list[str]]:
    """How many damages of a format were tried, and what was wrong with how the package took them."""
    form = FORMATS[path.name]
    form.write(path)
    data = path.read_bytes()
    form.read(path)
    every = list(damaged(data))
    some = every if count is None else every[:: max(1, len(every) // count)]
    found = []
    for label, content in some:
        path.write_bytes(content)
        found += _fault(form.read, path, label)
    places = list(no_files(path.parent, path.name))
    for label, place in places:
        found += _fault(form.read, place, label)
    return len(some) + len(places), found


def _fault(read, path: Path, label: str) -> list[str]:
    try:
        read(path)
    except (ValueError, OSError) as error:
        named = str(path) in str(error) or str(path) == str(error.filename if isinstance(error, OSError) else "")
        return [] if named else [f"{label}: does not name the file: {error}"]
    except Exception as error:  # what the test looks for
        return [f"{label}: {judge.of_error(error, ()).fault}: {error!r}"]
    return []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FORMATS]
)
def test_a_damaged_file_is_refused_by_its_name(name, tmp_path, as_user):
    assert faults(tmp_path / name, EACH)[1] == []


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_cut_or_changed_at_any_byte_is_refused_by_its_name(name, tmp_path, as_user):
    assert faults(tmp_path / name)[1] == []


def store_faults(folder: Path, inner: str, count: int | None = None) -> tuple[int, list[str]]:
    """How many damages of a file in the store of a sweep were tried, and what was wrong with how the sweep went on.

    It must compute again what is damaged, or refuse the store by its name.
    """
    store, whole = folder / "sweep.zarr", folder / "whole"
    sweep_in(store)
    shutil.copytree(store, whole)
    every = list(damaged((whole / inner).read_bytes()))
    some = every if count is None else every[:: max(1, len(every) // count)]
    found = []
    for label, content in some:
        shutil.rmtree(store)
        shutil.copytree(whole, store)
        (store / inner).write_bytes(content)
        try:
            if sweep_in(store) != [2.0, 4.0, 6.0, 8.0]:
                found.append(f"{label}: other results")
        except (ValueError, OSError) as error:
            found += [] if str(store) in str(error) else [f"{label}: does not name the store: {error}"]
        except Exception as error:  # what the test looks for
            found.append(f"{label}: {judge.of_error(error, ()).fault}: {error!r}")
    return len(some), found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("inner", STORED[::2])
def test_a_damaged_store_is_refused_by_its_name_or_computed_again(inner, tmp_path, as_user):
    assert store_faults(tmp_path, inner, 10)[1] == []


def test_a_store_whose_chunks_have_other_names_is_refused(tmp_path, as_user):
    """One bit of the metadata, of a separator, let finished chunks be read as empty ones: all results were NaN."""
    sweep_in(store := tmp_path / "sweep.zarr")
    metadata = store / "value" / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"separator": "/"', '"separator": "."'))
    with pytest.raises(ValueError, match=r"sweep\.zarr: not the store of a sweep, or damaged"):
        sweep_in(store)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("inner", STORED)
def test_a_store_that_is_damaged_at_any_byte_is_refused_by_its_name_or_computed_again(inner, tmp_path, as_user):
    assert store_faults(tmp_path, inner)[1] == []


def peak() -> int:
    """The most memory that this process has taken, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def test_an_archive_that_unpacks_to_gigabytes_is_refused_by_the_size_that_it_declares(tmp_path):
    path, size = tmp_path / "bomb.npz", 5 << 30
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("W.npy", b"")
        archive.filelist[0].file_size = size  # as a bomb of 5 MB would say it, truly
    before = peak()
    with pytest.raises(ValueError, match=r"bomb\.npz: arrays of at most 4 GiB are read; the archive holds more"):
        interop.read_arrays(path)
    assert peak() - before < 100


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6), (10**30,)])
def test_an_array_that_its_header_only_promises_is_refused(shape, tmp_path):
    path = tmp_path / "promise.npy"
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        file.write(bytes(80))
    with pytest.raises(ValueError, match=r"promise\.npy: not a file of arrays"):
        interop.read_matrix(path)


def test_a_table_of_a_million_columns_is_refused(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(["1"] * 10**6) + "\n")
    with pytest.raises(ValueError, match=r"wide\.csv, line 1: at most 10,000 columns are read"):
        datasets.load_csv(path)


def test_a_line_without_an_end_is_refused(tmp_path):
    path = tmp_path / "line.csv"
    with open(path, "wb") as file:
        file.write(b"1" * 512)  # a file that begins with zeros is refused as a binary one
        file.truncate(1 << 40)  # a terabyte of zeros that takes no place on the disk
    before = peak()
    with pytest.raises(ValueError, match=r"line\.csv, line 1: a line of at most 64 MiB is read"):
        datasets.load_csv(path)
    assert peak() - before < 500


@pytest.mark.parametrize("name", ["large.npz", "large.json", "large.csv", "large.safetensors"])
def test_a_file_larger_than_any_weights_is_not_read(name, tmp_path):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match=rf"{name}: a file of at most (1|4) GiB is read"):
        interop.read_arrays(path)
