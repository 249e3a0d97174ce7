"""Sweeps in processes of their own: on forced host devices, and on processes that `jax.distributed` joins over loopback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

import rnn_ode

PACKAGE = Path(rnn_ode.__file__).parents[1]
HEARTBEAT = 10  # seconds, the shortest that is allowed, after which a process that lost another ends

# the exponents of tanh networks by a loop of a length that differs between members, as adaptive solves do
SCRIPT = """
import json, os, sys
import jax, jax.numpy as jnp, numpy as np
given = json.loads(sys.argv[1])
if given["processes"] > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        f"localhost:{given['port']}", given["processes"], given["index"], heartbeat_timeout_seconds=given["heartbeat"]
    )
import rnn_ode as ro


def f(gain, seed):
    W = gain * jax.random.normal(jax.random.key(seed), (4, 4)) / 2
    steps = jnp.where(seed % 7 == 0, 10, 1) * given["steps"]

    def body(state):
        k, h, v, total = state
        h, v = jax.jvp(lambda h: jnp.tanh(W @ h), (h,), (v,))
        size = jnp.linalg.norm(v)
        return k + 1, h, v / size, total + jnp.log(size)

    start = (0, jnp.ones(4), jnp.ones(4), 0.0)
    _, h, _, total = jax.lax.while_loop(lambda state: state[0] < steps, body, start)
    return {"exponent": total / steps, "state": h}


axes = {"gain": np.linspace(0.5, 2.0, 20), "seed": range(30)}
told = (lambda *counts: print(*counts, flush=True)) if given["told"] else False
print(json.dumps(ro.sweep(f, axes, store=given["store"], chunk=15, progress=told).attrs))
if given["out"]:
    found = ro.sweep(f, axes, chunk=15, progress=False)
    np.savez(given["out"], **{name: found[name].values.astype("U" if name == "outcome" else None) for name in found})
"""


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def begin(folder, *, devices=1, processes=1, store=None, out=None, steps=10, told=False):
    """Start the processes of a sweep of 600 members in 40 chunks, whose devices are so many in all.

    With `out` they sweep a second time, without the store, and write what that returns to files.
    """
    env = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    env |= {"PYTHONPATH": str(PACKAGE), "JAX_PLATFORMS": "cpu"}
    env |= {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices // processes}"}
    given = {"processes": processes, "port": free_port(), "heartbeat": HEARTBEAT, "steps": steps, "told": told}
    given |= {"store": store and str(store), "out": None}
    started = []
    for index in range(processes):
        its = given | {"index": index, "out": out and str(out.with_suffix(f".{index}.npz"))}
        command = [sys.executable, "-c", SCRIPT, json.dumps(its)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=folder, env=env, **pipes))
    return started


def end(started, limit=120):
    """Wait for processes, and return what they say of the members that were computed and reused."""
    outputs = [process.communicate(timeout=limit) for process in started]
    assert all(process.returncode == 0 for process in started), "\n".join(err[-3000:] for _, err in outputs)
    return [json.loads(next(line for line in out.splitlines() if line.startswith("{"))) for out, _ in outputs]


def contents(folder):
    """All files of a store."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def arrays(file):
    """What a process returned, as bytes."""
    with np.load(file) as found:
        return {name: found[name].tobytes() for name in found}
