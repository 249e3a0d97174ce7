"""Two runs that would write to one file."""

import pytest

from rnn_ode._files.lock import held, only_run


def test_a_second_run_on_a_file_is_refused_while_the_first_one_runs(tmp_path):
    path = tmp_path / "run.ckpt"
    with only_run("checkpoint", path):
        with (
            pytest.raises(BlockingIOError, match=r"^checkpoint .*run\.ckpt: another run is writing to it\. Wait until"),
            only_run("checkpoint", path),
        ):
            pytest.fail("both ran")
        with only_run("checkpoint", tmp_path / "other.ckpt"), only_run("checkpoint", path, process=1):
            pass
    with only_run("checkpoint", path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_refused_and_no_folder_is_made(tmp_path):
    told = pytest.raises(FileNotFoundError, match=r"^checkpoint .*: the folder .*nowhere does not exist")
    with told, only_run("checkpoint", tmp_path / "nowhere" / "run.ckpt"):
        pytest.fail("it ran all the same")
    assert not list(tmp_path.iterdir())


def test_where_there_are_no_locks_a_run_goes_on_unless_it_needs_one(tmp_path, monkeypatch):
    def without_locks(self, timeout):
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", without_locks)
    with only_run("checkpoint", tmp_path / "run.ckpt"):
        pass
    with (
        pytest.raises(OSError, match=r"^store .*a: its file system has no locks"),
        held("store", tmp_path / "a", needed=True),
    ):
        pytest.fail("it ran all the same")
