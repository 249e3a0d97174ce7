"""The suite runs in float64 unless a test asks for float32, with silent rank promotion refused."""

import atexit
import gc
import json
import os
from collections import Counter
from pathlib import Path

import jaxlib.version

# threads of LAPACK's that spin while XLA's work slow small matrices down twentyfold on two cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# almost all of the suite's time is compiling programs that run once or twice; jaxlib 0.11 and later know no emitters but
# the slow ones, and XLA ends at a flag that it does not know
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_parallel_codegen_split_count=1"
    + (" --xla_cpu_use_fusion_emitters=false" if jaxlib.version.__version_info__ < (0, 11) else ""),
)

import equinox as eqx
import jax
import jaxtyping
import numpy as np
import pytest
from jaxtyping import install_import_hook

# tracing makes millions of small objects that live on, and looking through them again and again takes 8 % of the time
gc.set_threshold(200_000, 20, 100)

# nobody reads in a compiled program where each of its operations was called, and writing it down takes 3 %
jax.config.update("jax_include_full_tracebacks_in_locations", False)
jax.config.update("jax_traceback_in_locations_limit", 0)

# errors with their whole traceback: to leave JAX's own lines out of it takes 1 %
jax.config.update("jax_traceback_filtering", "off")

# without a folder to keep programs in, JAX would still write each of them down to make its key, in 2 % of the time
jax.config.update("jax_enable_compilation_cache", "JAX_COMPILATION_CACHE_DIR" in os.environ)

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    """Import the package so that the shapes and types of every call are checked. A process that only hands tests to workers
    runs none, and the workers would wait for it."""
    if getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput"):
        return
    if hasattr(config, "workerinput"):
        # a worker that has told its results frees no program: that takes 2 ms each, thousands of times, while all wait
        atexit.register(os._exit, 0)
    with install_import_hook("rnn_ode", "beartype.beartype"):
        import rnn_ode

        for name in rnn_ode.__all__:
            getattr(rnn_ode, name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A module's tests run in one worker, as far as no other is asked for: they share what is compiled, a tenth of all."""
    if config.option.dist == "load":
        from xdist.scheduler import LoadFileScheduling

        config.option.loadscopereorder = False
        return LoadFileScheduling(config, log)


def run_by_name(item):
    """The marker by which a test must be asked for, `None` for a test of the suite."""
    return next((mark for mark in ("thorough", "gate") if item.get_closest_marker(mark)), None)


def pytest_collection_modifyitems(config, items):
    """Tests of the gate and thorough ones run where `-m` names them, and nowhere else. Workers begin with the longest files,
    so that none of them has a long one left at the end."""
    left_out = {item for item in items if (mark := run_by_name(item)) and mark not in config.option.markexpr}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    if hasattr(config, "workerinput"):
        lengths = Counter()
        for item in items:
            lengths[item.path] += 20 if any(map(item.get_closest_marker, ("slow", "gate"))) else 1
        items.sort(key=lambda item: -lengths[item.path])


@pytest.fixture(autouse=True, scope="module")
def few_mappings():
    """Compiled programs are let go of in time: each holds memory mappings, of which Linux allows a process 65,530, and with
    none left XLA crashes. Until then what a module leaves behind is not looked through again by every later collection."""
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_bytes().count(b"\n") > 25_000:
        gc.unfreeze()
        eqx.clear_caches()
        jax.clear_caches()
        gc.collect()
    else:
        gc.freeze()


@pytest.fixture
def float32():
    """The default precision of JAX, for tests that must hold in it."""
    with jax.enable_x64(False):
        yield


@pytest.fixture
def as_user():
    """Without jaxtyping's checks, as a user runs: for tests of what our own checks say of bad input."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def save(tmp_path):
    """Write arrays to a file of the format that its name says, without the package."""

    def save(name, arrays):
        path = tmp_path / name
        if path.suffix == ".npz":
            np.savez(path, **arrays)
        elif path.suffix == ".json":
            path.write_text(json.dumps({key: np.asarray(value).tolist() for key, value in arrays.items()}))
        elif path.suffix == ".safetensors":
            pytest.importorskip("safetensors.numpy").save_file(arrays, path)
        return path

    return save
