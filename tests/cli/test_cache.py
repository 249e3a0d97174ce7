"""Compiled programs kept between runs of the command."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from rnn_ode.cli._cache import chosen_folder, keep_compiled


def test_the_setting_chooses_the_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert chosen_folder("") is None and chosen_folder("0") is None
    assert chosen_folder("1") == tmp_path / "rnn_ode"
    assert chosen_folder("~/kept") == Path.home() / "kept"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert chosen_folder("1") == Path.home() / ".cache" / "rnn_ode"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert chosen_folder("1") == Path.home() / "Library" / "Caches" / "rnn_ode"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert chosen_folder("1") == tmp_path / "rnn_ode" / "cache"


def test_a_folder_that_cannot_be_made_is_told_and_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("")
    before, told = jax.config.jax_compilation_cache_dir, []
    keep_compiled(str(tmp_path / "file" / "folder"), told.append)
    assert len(told) == 1 and "cannot be written to (Not a directory)" in told[0]
    assert jax.config.jax_compilation_cache_dir == before


def test_help_names_the_variable(invoke):
    assert "RNN_ODE_CACHE=1" in " ".join(invoke("--help").stdout.split())


@pytest.mark.slow
def test_a_second_run_reads_what_the_first_one_compiled(tmp_path):
    np.save(tmp_path / "W.npy", 0.5 * np.eye(2))
    kept = tmp_path / "kept"

    def run():
        command = [sys.executable, "-m", "rnn_ode", "spectrum", str(tmp_path / "W.npy"), "--json"]
        environment = dict(os.environ, RNN_ODE_CACHE=str(kept))
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=True)

    def files():
        return {path: path.stat().st_mtime_ns for path in kept.glob("*-cache")}

    first = run()
    compiled = files()
    assert compiled and first.stderr == ""
    second = run()
    assert files() == compiled and second.stdout == first.stdout and second.stderr == ""
    for path in compiled:
        path.write_bytes(b"damaged")
    third = run()
    assert third.stdout == first.stdout
    assert third.stderr.count("warning:") == 1 and "are damaged. Delete the folder" in " ".join(third.stderr.split())
