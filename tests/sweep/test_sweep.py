"""Sweeps on one device in one process: what is computed, what is stored, and what is refused."""

import errno
import shutil

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filelock import FileLock

import rnn_ode as ro
from rnn_ode._sweep import store as stores
from rnn_ode._sweep.outputs import outputs_of
from rnn_ode._sweep.program import Program, of_member

AXES = {"gain": np.linspace(0.5, 2.0, 4), "seed": range(5)}
GAIN, SEED = np.meshgrid(AXES["gain"], np.arange(5), indexing="ij")


def product(gain, seed):
    return {"product": gain * seed, "powers": gain ** jnp.arange(3)}


def sweep(f, axes, **options):
    return ro.sweep(f, axes, progress=False, **options)


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [None, 1, 3, 20])
def test_every_member_of_a_grid_is_computed_and_has_its_place(chunk):
    found = sweep(product, AXES, chunk=chunk)
    assert found["product"].dims == ("gain", "seed") and found["powers"].dims == ("gain", "seed", "powers_0")
    np.testing.assert_allclose(found["product"], GAIN * SEED)
    np.testing.assert_allclose(found["powers"], GAIN[..., None] ** np.arange(3))
    np.testing.assert_array_equal(found["gain"], AXES["gain"])
    assert (found["outcome"] == "successful").all() and found.attrs == {"computed": 20, "reused": 0}


def test_the_members_of_a_list_are_computed_in_its_order():
    members = [{"gain": 0.5, "seed": 3}, {"gain": 2.0, "seed": 1}, {"gain": 1.5, "seed": 1}]
    found = sweep(product, members, chunk=2)
    assert found["product"].dims == ("member",)
    np.testing.assert_allclose(found["product"], [1.5, 2.0, 1.5])
    np.testing.assert_array_equal(found.coords["seed"], [3, 1, 1])


def test_a_static_parameter_is_a_python_number_in_the_function():
    def norm(units, gain):
        assert isinstance(units, int)
        return gain * jnp.sqrt(jnp.sum(jnp.ones(units)))

    found = sweep(norm, {"gain": [1.0, 2.0, 3.0], "units": [4, 9]}, static=("units",), chunk=2)
    np.testing.assert_allclose(found["value"], [[2, 3], [4, 6], [6, 9]])
    with pytest.raises(ValueError, match=r"value float64\[4\] for units = 4 and value float64\[9\] for units = 9"):
        sweep(lambda units, gain: gain * jnp.ones(units), {"gain": [1.0], "units": [4, 9]}, static=("units",))


def scaled(gain):
    """A run that leaves the float range for a gain above 1, and its last state."""
    run = ro.iterate(lambda x, h: jnp.where(gain > 1, 1e200, 0.5) * h, jnp.zeros((4, 1)), jnp.ones(()), throw=False)
    return {"last": run.states[-1], "how": run.result}


def raising(gain):
    run = ro.iterate(lambda x, h: jnp.where(gain > 1, 1e200, 0.5) * h, jnp.zeros((4, 1)), jnp.ones(()))
    return run.states[-1]


def undefined(gain):
    return {"log": jnp.log(1 - gain), "below": gain < 1}


def unsolved(gain):
    term = diffrax.ODETerm(lambda t, h, args: -gain * h)
    steps = diffrax.PIDController(1e-8, 1e-8)
    run = diffrax.diffeqsolve(
        term, diffrax.Tsit5(), 0, 1, None, 1.0, stepsize_controller=steps, throw=False, max_steps=64
    )
    return run.result, run.stats["num_steps"]


FAILS = {
    "a run that says so": (scaled, "The state left the float range (overflow to infinity)"),
    "a run that raises": (raising, "The state left the float range (overflow to infinity)"),
    "not a number": (undefined, "a result is NaN"),
    "a solve out of steps": (unsolved, "The maximum number of solver steps was reached"),
}


@pytest.mark.parametrize(
    ("f", "words"),
    [pytest.param(*case, id=name, marks=[pytest.mark.slow] * (case[0] is unsolved)) for name, case in FAILS.items()],
)
def test_a_member_that_fails_is_labelled_and_stops_nobody_else(f, words):
    gains = np.array([0.5, 0.25, 1e5, 0.75, 0.1, 2e5, 0.3])
    found = sweep(f, {"gain": gains}, chunk=3)
    assert found["outcome"].values.tolist() == [words if gain > 1 else "successful" for gain in gains]
    if "last" in found or "value" in found:
        last = found["last" if "last" in found else "value"]
        np.testing.assert_array_equal(last[gains < 1], 0.0625)
        assert not np.isfinite(last[gains > 1]).any()


def test_verdicts_are_words():
    decays, grows = ro.Verdict.DECAYS, ro.Verdict.GROWS
    found = sweep(lambda gain: {"of": [ro.Verdict.where(gain < 1, decays, grows)]}, {"gain": [0.5, 1.0, 2.0]})
    assert found["of.0"].values.tolist() == ["DECAYS", "GROWS", "GROWS"]


def test_float32_is_computed_where_it_is_the_precision(float32):
    found = sweep(lambda gain, seed: gain / 3 + 0 * seed, {"gain": [0.1, 0.7], "seed": [1]})
    assert found["value"].dtype == np.float32
    np.testing.assert_array_equal(found["value"].values[:, 0], np.float32([0.1, 0.7]) / np.float32(3))


@pytest.mark.slow
def test_a_store_is_read_by_xarray_alone_and_holds_what_the_sweep_returns(tmp_path):
    import xarray

    found = sweep(product, AXES, store=tmp_path / "a.zarr", chunk=3)
    read = xarray.open_zarr(tmp_path / "a.zarr", consolidated=False, chunks=None)
    np.testing.assert_allclose(read["product"], GAIN * SEED)
    assert (read["outcome"] == 0).all() and read["outcome"].attrs["meanings"]["0"] == "successful"
    in_memory = sweep(product, AXES, chunk=3)
    assert found.equals(in_memory) and found.attrs == in_memory.attrs


def test_a_sweep_goes_on_from_what_its_store_holds_and_ends_with_the_same_bytes(tmp_path):
    whole, broken = tmp_path / "whole.zarr", tmp_path / "broken.zarr"
    sweep(product, AXES, store=whole, chunk=3)
    wanted = contents(whole)
    shutil.copytree(whole, broken)
    (broken / "product" / "c" / "0" / "0").unlink()
    (broken / "powers" / "c" / "1" / "1" / "0").write_bytes(b"")
    damaged = broken / "outcome" / "c" / "2" / "0"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    flipped = broken / "product" / "c" / "3" / "1"
    flipped.write_bytes(bytes([flipped.read_bytes()[0] ^ 1]) + flipped.read_bytes()[1:])
    (broken / "product" / "c" / "3" / "0.0123456789abcdef.partial").write_bytes(b"half")
    seen = []
    again = ro.sweep(product, AXES, store=broken, chunk=3, progress=lambda done, total: seen.append((done, total)))
    assert again.attrs == {"computed": 10, "reused": 10} and contents(broken) == wanted
    assert seen[0] == (10, 20) and seen[-1] == (20, 20)
    assert sweep(product, AXES, store=broken, chunk=3).attrs == {"computed": 0, "reused": 20}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.zarr", "whole.zarr"]


@pytest.mark.parametrize(
    ("f", "axes", "chunk", "words"),
    [
        (lambda gain, seed: {**product(gain, seed), "more": gain}, AXES, 3, "another results"),
        (lambda gain, seed: product(gain, seed + 1), AXES, 3, "of another function"),
        (product, AXES, 4, r"another chunk: \[1, 3\] there, \[1, 4\] here"),
        (product, {**AXES, "seed": range(6)}, 3, "another axis seed: 5 values from 0 to 4"),
        (product, {**AXES, "gain": AXES["gain"] * [1, 2, 1, 1]}, 3, "another axis gain"),
    ],
)
def test_the_store_of_another_sweep_is_refused_and_left_alone(tmp_path, f, axes, chunk, words):
    sweep(product, AXES, store=tmp_path / "a.zarr", chunk=3)
    before = contents(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match=f"the sweep there (has|is) {words}"):
        sweep(f, axes, store=tmp_path / "a.zarr", chunk=chunk)
    assert contents(tmp_path / "a.zarr") == before


@pytest.mark.slow
def test_a_function_that_reads_other_arrays_is_another_function(tmp_path):
    weights = np.arange(4000.0)

    def f(gain):
        return jnp.sum(gain * weights)

    sweep(f, {"gain": [1.0, 2.0]}, store=tmp_path / "a.zarr")
    assert sweep(f, {"gain": [1.0, 2.0]}, store=tmp_path / "a.zarr").attrs["reused"] == 2
    weights = weights + (np.arange(4000) == 2000)
    np.testing.assert_allclose(sweep(f, {"gain": [1.0, 2.0]})["value"], [weights.sum(), 2 * weights.sum()])
    with pytest.raises(ValueError, match="of another function, or of one that reads other arrays"):
        sweep(f, {"gain": [1.0, 2.0]}, store=tmp_path / "a.zarr")


def test_two_runs_on_one_store_refuse_each_other(tmp_path):
    held = FileLock(tmp_path / ".a.zarr.process-0.lock")
    with held, pytest.raises(BlockingIOError, match=r"a\.zarr: another run is writing to it"):
        sweep(product, AXES, store=tmp_path / "a.zarr")
    assert sweep(product, AXES, store=tmp_path / "a.zarr").attrs["computed"] == 20


def test_a_full_disk_is_said_and_the_sweep_goes_on_when_there_is_room(tmp_path, monkeypatch):
    force, written = stores._force, []

    def full(path):
        written.append(path)
        if len(written) > 45:
            raise OSError(errno.ENOSPC, "No space left on device")
        force(path)

    monkeypatch.setattr(stores, "_force", full)
    with pytest.raises(OSError, match=r"a\.zarr: the disk is full\. Finished chunks are kept"):
        sweep(product, AXES, store=tmp_path / "a.zarr", chunk=1)
    monkeypatch.undo()
    found = sweep(product, AXES, store=tmp_path / "a.zarr", chunk=1)
    assert 0 < found.attrs["reused"] < 20 and found.equals(sweep(product, AXES))


@pytest.mark.parametrize(
    ("store", "error", "words"),
    [
        (3, TypeError, "store must be a folder"),
        ("s3://bucket/a.zarr", ValueError, "store must be a folder on a file system"),
        ("missing/a.zarr", FileNotFoundError, "the folder .*missing does not exist"),
        ("/proc/a.zarr", OSError, "the folder /proc cannot be written to"),
        ("file", NotADirectoryError, "a folder is wanted; that is a file"),
        ("full", ValueError, "full: not the store of a sweep, or damaged"),
    ],
)
@pytest.mark.usefixtures("as_user")
def test_a_store_that_cannot_be_written_is_refused(tmp_path, monkeypatch, store, error, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(error, match=words):
        sweep(product, AXES, store=store)
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine" and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("f", "options", "error", "words"),
    [
        ("f", {}, TypeError, r"f must be a callable f\(\*\*parameters\)"),
        (product, {"chunk": 0}, ValueError, "chunk must be at least 1"),
        (product, {"chunk": 2.5}, TypeError, "chunk must be a whole number"),
        (product, {"static": ("units",)}, ValueError, "static must name axes of a grid, out of gain, seed"),
        (product, {"static": ("gain", "seed")}, ValueError, "static must leave at least one axis"),
        (lambda gain, seed: None, {}, ValueError, "f must return at least one array"),
        (lambda gain, seed: {"gain": gain}, {}, ValueError, "the name of an axis; got 'gain'"),
        (lambda gain, seed: {"outcome": gain}, {}, ValueError, "of the name 'outcome'"),
        (lambda gain, seed: jax.random.key(seed), {}, TypeError, "value is key<fry>"),
        (lambda gain, seed: jnp.zeros((2, 0)), {}, ValueError, r"value has shape \(2, 0\)"),
        (lambda gain, seed: jnp.zeros(2, jnp.bfloat16), {}, TypeError, "value is bfloat16"),
    ],
)
@pytest.mark.usefixtures("as_user")
def test_bad_arguments_are_refused(f, options, error, words):
    with pytest.raises(error, match=words):
        ro.sweep(f, AXES, **{"progress": False, **options})


def test_a_progress_that_is_no_flag_and_no_function_is_refused(as_user):
    with pytest.raises(TypeError, match="progress must be True or False"):
        ro.sweep(product, AXES, progress="yes")


def test_seeds_that_do_not_fit_are_refused_in_float32(float32):
    with pytest.raises(ValueError, match=r"axes\['seed'\] must fit int32; got 4294967296"):
        sweep(product, {"gain": [1.0], "seed": [1, 2**32]})


def test_the_function_is_compiled_once():
    calls = []

    def f(gain):
        calls.append(gain)
        return 2 * gain

    sweep(f, {"gain": np.arange(100.0)}, chunk=7)
    first = len(calls)
    sweep(f, {"gain": np.arange(100.0) + 1}, chunk=7)
    assert len(calls) - first <= 1, "the second sweep may only look at the shapes"


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_loop_on_every_device_lowers_for_accelerators(platform):
    outputs = outputs_of(of_member(scaled, ()), {"gain": jax.ShapeDtypeStruct((), float)})
    program = Program(scaled, (), outputs, blocks=2, width=3)
    given = np.zeros(1, np.int32), {"gain": np.ones((1, 2, 3))}
    text = program._run.trace(*given).lower(lowering_platforms=(platform,)).as_text()
    assert "stablehlo.while" in text and "callback" not in text and "all_reduce" not in text
