"""Files that are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnn_ode._files.atomic import check_readable, check_writable, written_beside


def test_a_file_that_cannot_be_read_is_named_with_its_option(tmp_path, monkeypatch):
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.write_text("-")
    empty.touch()
    check_readable("--input", good)
    if os.path.exists("/dev/null"):
        check_readable("--input", Path("/dev/null"))  # what is no ordinary file has no size
    cases = [
        (tmp_path, IsADirectoryError, "a file is wanted; that is a folder"),
        (tmp_path / "missing", FileNotFoundError, "there is no such file"),
        (empty, ValueError, "the file is empty"),
    ]
    for path, error, words in cases:
        with pytest.raises(error) as raised:
            check_readable("--input", path)
        assert str(raised.value) == f"--input {path}: {words}."
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    with pytest.raises(PermissionError, match="you are not permitted to read this file"):
        check_readable("--input", good)


def test_a_file_that_cannot_be_written_is_named_with_its_option(tmp_path):
    check_writable("--out", tmp_path / "new")
    assert not list(tmp_path.iterdir())
    with pytest.raises(IsADirectoryError, match=f"^--out {tmp_path}: a file is wanted"):
        check_writable("--out", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^--out .*new: the folder .*nowhere does not exist"):
        check_writable("--out", tmp_path / "nowhere" / "new")


def test_a_file_is_the_old_one_until_the_block_ends(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with written_beside(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old" and beside.parent == tmp_path and beside.suffix == ".csv"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(RuntimeError, match="half-way"), written_beside(path) as beside:
        beside.write_text("half")
        raise RuntimeError("half-way")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_into_a_missing_folder_or_over_a_folder(tmp_path):
    for path, error in ((tmp_path / "no" / "a", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error, match=f"^{path}: "), written_beside(path):
            pytest.fail("the block ran all the same")


def test_unfinished_files_of_dead_processes_are_removed_and_no_others(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path = tmp_path / "a[1].wav"
    with written_beside(path) as beside:
        host = beside.name.rsplit("-", 2)[0]
        leftover = tmp_path / f"{host}-{dead.pid}-00000000.wav"
        kept = (f"{host}-{os.getpid()}-00000000.wav", leftover.name.replace("a[1]", "a1"), ".a[1].wav", "b.wav")
        others = [tmp_path / name for name in kept]
        for other in (leftover, *others):
            other.write_bytes(b"-")
        beside.write_bytes(b"live")
        with written_beside(path) as second:
            second.write_bytes(b"second")
        assert not leftover.exists() and beside.exists()
    assert path.read_bytes() == b"live"
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
