"""`python repeats.py CPUS`: one program of the package on so many processors, and a fingerprint of each result's bytes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

# what differs from the first way of running: processors, and the environment
WAYS = {
    "the first run": (2, {}),
    "another process": (2, {}),
    "one thread": (1, {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}),
    "one thread of OpenMP and OpenBLAS": (2, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
    "two devices": (2, {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}),
    "eight devices": (2, {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}),
}


def results():
    """Runs, analyses, matrix functions and a training, in float32."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    import rnn_ode as ro
    from rnn_ode import learn

    keys = jax.random.split(jax.random.key(0), 6)
    xs = jax.random.normal(keys[0], (60, 1))
    cell = ro.VanillaCell.random(keys[1], 1, 16, activation=jnp.tanh)
    # not orthogonal: those are made by LAPACK, and everything after would inherit its rounding
    wide = ro.VanillaCell(jax.random.normal(keys[2], (256, 256)) / 16, jnp.ones((256, 1)), jnp.zeros(256), jnp.tanh)
    flow = ro.to_ode(cell, ro.Forward(1))
    yield "orthogonal weights of 16 units", cell.W_h
    yield "orthogonal weights of 256 units", ro.VanillaCell.random(keys[2], 1, 256).W_h
    yield "iterate", ro.iterate(cell, xs).states
    yield "iterate with noise", ro.iterate(cell, xs, noise=0.1, key=keys[3]).states
    yield (
        "a batch of 64, 256 units",
        jax.vmap(lambda xs: ro.iterate(wide, xs, throw=False).states[-1])(jax.random.normal(keys[4], (64, 30, 1))),
    )
    yield "integrate", ro.integrate(flow, ro.Hold(xs), jnp.zeros(16)).states
    yield "evolve", ro.evolve(cell, ro.Linear(xs), jnp.arange(20.0) * 1.3).states
    yield "linalg.eig", ro.linalg.eig(wide.W_h[:40, :40])
    yield "logm", ro.logm(jnp.eye(16) + 0.1 * cell.W_h)
    yield "lyapunov", ro.lyapunov(ro.Map(cell, jnp.zeros(1)), jnp.ones(16), 200.0, count=2).exponents
    yield "fixed_points", ro.fixed_points(ro.Map(cell, jnp.zeros(1)), jax.random.normal(keys[5], (8, 16))).points
    model = learn.ManyToOne(learn.Iterated(cell), eqx.nn.Linear(16, 1, key=keys[5]))
    series = jax.random.normal(keys[4], (64, 20, 1))

    def loss(model, batch):
        return jnp.mean((jax.vmap(model)(batch) - batch.mean(1)) ** 2)

    way = {"optimiser": optax.adam(0.01), "steps": 10, "key": keys[3], "progress": False}
    yield "fit", learn.fit(model, loss, learn.Minibatches(series, 16), **way).model


def fingerprints(way):
    """The fingerprints of a run in a process of its own."""
    cpus, own = WAYS[way]
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("XLA_", "OMP_", "OPENBLAS_NUM", "JAX_ENABLE"))
    }
    env = kept | own | {"PYTHONPATH": str(Path(__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, __file__, str(cpus)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def main(cpus):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])
    import jax
    import numpy as np

    def fingerprint(tree):
        arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]

    print(json.dumps({name: fingerprint(found) for name, found in results()}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
