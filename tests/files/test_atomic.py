"""Files that are written whole or not at all."""

import os
import subprocess
import sys

from rnn_ode._files.atomic import written_beside


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
