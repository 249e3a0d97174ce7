"""Full and read-only disks: the file is named, the old one stays, nothing half-written is left."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_ode import learn
from rnn_ode._files.arrays import write_arrays
from rnn_ode._files.atomic import written_beside


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB, and a function that makes it read-only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    if not sys.platform.startswith("linux") or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield disk, lambda: subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    subprocess.run(["umount", disk], check=True)


LARGE = {"w": np.random.default_rng(0).normal(size=(200, 200))}


def train(path):
    def loss(model, batch):
        return jnp.mean((model - batch) ** 2)

    way = {"optimiser": optax.sgd(0.1), "steps": 2, "key": jax.random.key(0), "progress": False}
    learn.fit(jnp.ones(200 * 200), loss, [jnp.zeros(())], checkpoint=path, resume=False, **way)


def draw(path):
    """As the command writes a picture: by a library that opens the file itself."""
    with written_beside(path) as beside:
        np.save(beside, LARGE["w"])


WRITERS = {
    "model.ckpt": lambda path: learn.save(path, LARGE),
    "training.ckpt": train,
    "arrays.npz": lambda path: write_arrays(path, LARGE),
    "arrays.json": lambda path: write_arrays(path, LARGE),
    "arrays.safetensors": lambda path: write_arrays(path, LARGE),
    "picture.npy": draw,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_and_the_old_file_stays(name, small_disk):
    path = small_disk[0] / name
    path.write_bytes(b"old")
    with pytest.raises(OSError, match=f"{name}: the disk is full. Nothing there has changed: make room"):
        WRITERS[name](path)
    assert path.read_bytes() == b"old" and [file.name for file in path.parent.iterdir()] == [name]


def test_a_full_disk_is_named_where_a_library_for_sound_says_system_error(small_disk):
    audio = pytest.importorskip("soundfile") and __import__("rnn_ode.audio").audio
    path = small_disk[0] / "out.flac"
    noise = np.random.default_rng(0).uniform(-1, 1, (100_000, 1))
    told = pytest.raises(OSError, match=r"out\.flac: the disk is full\. Nothing there has changed")
    with told, written_beside(path) as beside, audio.recording_writer(beside, 8000, 1, "pcm16") as write:
        write(noise)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk_is_named_by_the_file_that_was_asked_for(name, small_disk):
    path = small_disk[0] / name
    path.write_bytes(b"old")
    small_disk[1]()
    with pytest.raises(OSError) as raised:
        WRITERS[name](path)
    assert str(path) in str(raised.value) and "Read-only" in str(raised.value)
    assert "/." not in str(raised.value), "the name beside is nothing to a reader"
    assert path.read_bytes() == b"old"


def test_a_study_is_refused_before_its_first_trial_where_its_file_cannot_be_written(small_disk):
    small_disk[1]()
    told = pytest.raises(OSError, match=r"^path .*study\.json: the folder .* cannot be written to \(Read-only")
    with told:
        learn.study(
            learn.TemporalOrder(),
            ["tanh"],
            [10],
            path=small_disk[0] / "study.json",
            progress=lambda *_: pytest.fail("it trained"),
        )


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits the sizes of files")
def test_a_file_that_a_limit_cuts_short_is_named(tmp_path):
    import resource
    import signal

    path, (soft, hard) = tmp_path / "a.npz", resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        with pytest.raises(OSError, match=r"File too large: '.*a\.npz'"):
            write_arrays(path, LARGE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.iterdir())
