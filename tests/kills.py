"""`python kills.py JOB COUNT SEED FOLDER`: a job that is killed so many times at random moments, and goes on each time.

It prints how often the job was killed and how often it ended before that. It fails where something is lost that was reported
done, where a file is half-written, and where the end has other bytes than that of a job that nobody kills. Jobs are forked
from a process that has imported everything and computed nothing: JAX has no threads then.
"""

import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np

WAVE = 0.3 * np.sin(0.05 * np.arange(40_000))[:, None]


def training(folder, tell):
    """Its steps are reported at every check."""
    import jax
    import jax.numpy as jnp
    import optax

    from rnn_ode import learn

    def loss(model, batch, key):
        return jnp.mean((model - batch - 0.1 * jax.random.normal(key, (50,))) ** 2)

    way = {"optimiser": optax.adam(0.01), "steps": 3000, "every": 10, "key": jax.random.key(0), "progress": False}
    kept = {"checkpoint": folder / "run.ckpt", "callback": lambda step, metrics: tell(step)}
    done = learn.fit(jnp.zeros(50), loss, lambda key: jax.random.normal(key, (50,)), validate=jnp.sum, **way, **kept)
    learn.save(folder / "out", done.model)


def resampling(folder, tell):
    """Nothing is reported before its end."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import rnn_ode as ro
    from rnn_ode import audio
    from rnn_ode._resampling.files import resample_file
    from rnn_ode._resampling.files_scheme import Scheme
    from rnn_ode.interop import Network

    source = folder.parent / "wave.wav"
    if not source.exists():
        with audio.wav_writer(source, 8000, 1, "pcm16") as write:
            write(WAVE)
    network = Network(ro.VanillaCell(0.2 * np.eye(3), np.ones((3, 1)), np.zeros(3)))
    resample_file(network, audio.read_wav(source), folder / "out.wav", 9600, 8000, scheme=Scheme(1, 1))


def sweep(folder, tell):
    """Members are reported as they are done."""
    import jax
    import jax.numpy as jnp

    import rnn_ode as ro

    def f(gain):
        return jax.lax.fori_loop(0, 1000, lambda _, h: jnp.tanh(gain * h), gain)

    store = folder / "out.zarr"
    ro.sweep(f, {"gain": np.linspace(0.5, 2, 200)}, store=store, chunk=2, progress=lambda done, total: tell(done))


def benchmark(folder, tell):
    """Its parts are reported as they are measured, first those that the file has."""
    from rnn_ode import bench

    kept, size = folder / "rows.json", {"hidden": [2, 3, 4], "steps": 2, "repeats": 1, "peers": False}
    count = len(json.loads(kept.read_text())["parts"]) if kept.exists() else 0
    tell(count)
    done = []

    def each(rows):
        done.append(rows)
        tell(max(count, len(done)))

    bench.run(cases=["iterate"], keep=kept, each=each, **size)


def study(folder, tell):
    """Its trials are reported before each next one."""
    from rnn_ode import learn

    size = {"seeds": 40, "hidden": 3, "steps": 2, "size": 2}
    learn.study(learn.TemporalOrder(), ["tanh"], [10], path=folder / "out.json", progress=lambda k, *_: tell(k), **size)


JOBS = {job.__name__: job for job in (training, resampling, sweep, benchmark, study)}


def import_all():
    """Import what the jobs use, so that they need not. Nothing may be computed: a process with threads cannot be forked."""
    import optax  # noqa: F401
    import xarray  # noqa: F401

    import rnn_ode as ro
    from rnn_ode import audio, bench, interop, learn
    from rnn_ode._resampling import files, files_scheme  # noqa: F401

    for module in (ro, audio, bench, interop, learn):
        for name in module.__all__:
            getattr(module, name)
    threads = Path("/proc/self/task")
    assert not threads.exists() or len(list(threads.iterdir())) == 1, "an import has started a thread"
    gc.freeze()  # nor need they look through what was imported, again and again


def attempt(job, folder, moment=None):
    """Run the job in a process of its own, killed after so many seconds. Returns its reports, and whether it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            job(folder, lambda number: os.write(writer, b"%d\n" % number))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    if moment is not None:
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"the job failed, with status {status}"
    with open(reader) as told:
        return [int(line) for line in told], status != 0


def contents(folder):
    """The files that a job has made, but locks and what it writes under other names until it is whole."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.endswith(".partial"))
    paths = {file.relative_to(folder): file for file in files}
    return {str(path): file.read_bytes() for path, file in paths.items() if "." not in (path.parts[0][0], path.name[0])}


def check_whole(name, folder, whole):
    """Whatever a killed job has left under its names is complete."""
    for path, found in contents(folder).items():
        if path.endswith(".ckpt"):
            header, _, body = found.partition(b"\n")
            assert json.loads(header)["sha256"] and body
        elif path.endswith(".json"):
            json.loads(found)
        else:
            assert found == whole[path], f"{path} is half-written"


def check_end(name, folder, whole, before):
    """The end has the bytes of an unbroken one; of a benchmark, whose times differ, those of what was kept before."""
    found = contents(folder)
    if name == "benchmark":
        parts = json.loads(found["rows.json"])["parts"]
        assert parts.keys() == json.loads(whole["rows.json"])["parts"].keys()
        assert all(parts[part] == rows for part, rows in before.items()), "kept rows have changed"
    else:
        assert found == whole, f"other bytes in {[path for path in whole if found.get(path) != whole[path]]}"
    assert not [file.name for file in folder.iterdir() if file.name.startswith(".")], "something unfinished is left"


def killed(name, count, folder, seed=0):
    """What this file says as a script. Compiled programs are kept from one attempt to the next."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    env = os.environ | cache | {"PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, name, str(count), str(seed), folder]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def main(name, count, seed, top):
    job, draw, kills, ends = JOBS[name], random.Random(seed), 0, 0
    import_all()
    unbroken, folder = top / "unbroken", top / "broken"
    unbroken.mkdir()
    attempt(job, unbroken)  # compiles
    shutil.rmtree(unbroken)
    unbroken.mkdir()
    began = time.monotonic()
    attempt(job, unbroken)
    seconds, whole = time.monotonic() - began, contents(unbroken)
    while kills < count:
        assert ends <= 2 * count, "the moments are too late"
        folder.mkdir(exist_ok=True)
        reports, killed = [], True
        while killed:
            before = json.loads((folder / "rows.json").read_text())["parts"] if (folder / "rows.json").exists() else {}
            moment = draw.uniform(0, seconds) if kills < count else None
            told, killed = attempt(job, folder, moment)
            assert sorted(reports + told) == reports + told, f"lost: {reports} was reported, and then {told}"
            reports = told[-1:] or reports
            kills += killed
            if killed:
                check_whole(name, folder, whole)
        ends += 1
        check_end(name, folder, whole, before)
        shutil.rmtree(folder)
    print(json.dumps({"kills": kills, "ends": ends, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
