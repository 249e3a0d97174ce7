"""The machine: what it is, how fast it multiplies matrices and copies memory, and how much memory a call takes."""

import ctypes
import functools
import gc
import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PRODUCT = {"cpu": 1024}  # rows of the square matrices that are multiplied; 8192 on an accelerator
COPIED = 2**27  # bytes, beyond what caches hold
TRIALS = 7
PACKAGES = ("jax", "jaxlib", "equinox", "diffrax", "numpy", "torch", "torchdiffeq", "flax", "scipy", "lyapax", "optax")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def description() -> str:
    """The machine in one line: cores, processor, system, and the accelerator if JAX uses one."""
    count, device = cores(), jax.devices()[0]
    text = f"{count} core{'s' * (count > 1)}, {_processor()}, {platform.system()} {platform.machine()}"
    return text if device.platform == "cpu" else f"{device.device_kind} ({device.platform}), {text}"


def _processor() -> str:
    """The name of the processor, if the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def versions() -> dict[str, str]:
    """The versions of Python and of the contenders' packages, as far as they are installed."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class Rates:
    """The largest rates of the machine. Each is measured when it is first asked for, anew in every run."""

    @functools.cache  # noqa: B019 (a run has one of these)
    def product(self, dtype: str) -> float:
        """Operations per second in a large matrix product: n³ multiplications and n³ additions. The best of a few."""
        n = PRODUCT.get(jax.default_backend(), 8192)
        matrix = jnp.ones((n, n), dtype)
        multiply = jax.jit(jnp.matmul)
        return 2 * n**3 / _best(lambda: jax.block_until_ready(multiply(matrix, matrix)))

    @functools.cache  # noqa: B019
    def bandwidth(self) -> float:
        """Bytes per second, read and written, in a large copy on all cores. The best of a few."""
        if jax.default_backend() != "cpu":
            source, copy = jnp.ones(COPIED // 4, jnp.float32), jax.jit(lambda a: a + 1)
            return 2 * COPIED / _best(lambda: jax.block_until_ready(copy(source)))
        parts = [(np.ones(COPIED // cores(), np.int8), np.ones(COPIED // cores(), np.int8)) for _ in range(cores())]
        with ThreadPoolExecutor(cores()) as pool:
            seconds = _best(lambda: list(pool.map(lambda pair: np.copyto(*pair), parts)))
        return 2 * COPIED / seconds


class Others:
    """What other programs compute from when this is made, on the cores that this process may use. Time that a host takes from
    a virtual machine counts too."""

    def __init__(self):
        self.start, self.busy, self.own = time.perf_counter(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """The mean number of cores that they have kept busy so far; `None` if the system does not tell it."""
        busy, passed = _busy_seconds(), time.perf_counter() - self.start
        if busy is None or self.busy is None:
            return None
        return max(0.0, (busy - self.busy - (_own_seconds() - self.own)) / passed)


def _busy_seconds() -> float | None:
    """The seconds for which the cores that this process may use have been busy, of all programs."""
    try:
        lines = [line.split() for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()]
        ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    except (OSError, AttributeError):
        return None
    # user, nice, system, idle, waiting, interrupts, soft interrupts, stolen; the rest is contained in the first two
    ticks = [int(field) for name, *fields in lines if name in ours for field in (*fields[:3], *fields[5:8])]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])


def _best(call: Callable[[], Any]) -> float:
    """The fewest seconds of several calls after a first one."""
    call()
    seconds = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak_memory(call: Callable[[], Any]) -> int | None:
    """The most bytes of memory that the process held during the call, above what it held before.

    The kernel counts them: free memory is given back, the kernel's high-water mark is reset, and it is read again after the
    call. `None` if the system has no such mark, and on an accelerator, whose memory it does not count.
    """
    if jax.default_backend() != "cpu":
        return None
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        if trim is not None:
            trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
        jax.block_until_ready(call())
        return max(_status("VmHWM") - before, 0)
    except (OSError, KeyError):
        return None


def _status(name: str) -> int:
    """An entry of the kernel's report on this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields[name].split()[0]) * 1024
