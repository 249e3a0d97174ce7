"""Sweeps on several devices and in several processes, and those that are killed."""

import random
import signal
import time

import pytest
from sweep_runs import arrays, begin, contents, end

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The store and the results of a sweep on one device in one process that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    counts = end(begin(folder, store=folder / "a.zarr", out=folder / "a"))
    assert counts == [{"computed": 600, "reused": 0}]
    return contents(folder / "a.zarr"), arrays(folder / "a.0.npz")


def test_eight_devices_write_the_same_bytes_as_one(whole, tmp_path):
    (counts,) = end(begin(tmp_path, devices=8, store=tmp_path / "a.zarr"))
    assert counts["computed"] == 600 and contents(tmp_path / "a.zarr") == whole[0]


def test_two_processes_of_four_devices_write_the_same_bytes_and_gather_them(whole, tmp_path):
    one, two = end(begin(tmp_path, devices=8, processes=2, store=tmp_path / "a.zarr", out=tmp_path / "b"))
    assert one["computed"] == two["computed"] == 300 and contents(tmp_path / "a.zarr") == whole[0]
    assert arrays(tmp_path / "b.0.npz") == arrays(tmp_path / "b.1.npz") == whole[1]


def killed(folder, draw, processes):
    """Kill a sweep at a random moment, one of its processes if there are several, and return how many members were done."""
    started = begin(folder, devices=2, processes=processes, store=folder / "a.zarr", told=True)
    victim = draw.choice(started)
    for _ in range(draw.randrange(1, 20)):  # as many chunks as it says are done
        victim.stdout.readline()
    time.sleep(draw.random() / 20)
    victim.send_signal(signal.SIGKILL)
    for process in started:
        process.communicate(timeout=120)
    assert victim.returncode in (0, -signal.SIGKILL)
    return victim.returncode != 0


def rerun(folder, processes, whole):
    """Run it again to its end, and compare the bytes."""
    counts = end(begin(folder, devices=2, processes=processes, store=folder / "a.zarr"))
    assert contents(folder / "a.zarr") == whole[0]
    assert sum(count["computed"] + count["reused"] for count in counts) == 600
    return sum(count["reused"] for count in counts)


@pytest.mark.thorough
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_sweep_goes_on_and_ends_with_the_same_bytes(whole, tmp_path, processes):
    assert killed(tmp_path, random.Random(processes), processes)
    assert 0 < rerun(tmp_path, processes, whole) < 600


@pytest.mark.thorough
@pytest.mark.parametrize("processes", [1, 2])
def test_a_sweep_that_is_killed_fifteen_times_ends_with_the_same_bytes(whole, tmp_path, processes):
    draw, stopped = random.Random(processes), 0
    for k in range(15):
        folder = tmp_path / str(k)
        folder.mkdir()
        stopped += killed(folder, draw, processes)
        rerun(folder, draw.choice((1, 2)), whole)
    assert stopped > 10, "the moments were too late"
