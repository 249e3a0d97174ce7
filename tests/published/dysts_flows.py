"""The flows of `dysts` (Gilpin, NeurIPS 2021) in JAX, and their Lyapunov exponents beside the published ones.

`dysts` is no dependency: `pip install --no-deps dysts` anywhere, put that folder on PYTHONPATH, then
`python tests/published/dysts_flows.py` measures all flows that it has not yet measured and keeps them in `dysts.json`, beside
this file. Only its table of parameters and its right-hand sides are read; `jax.numpy` stands in for its NumPy.

A flow is measured over 500 periods, or 50 where this takes too long. Where our two measurements of the largest exponent
differ, it is measured once more over 2000 periods after as long a transient, and where the sum of the exponents is not the
mean divergence, with steps that are 16 times shorter.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flows import is_mean_divergence, same_twice

KEPT = Path(__file__).parent / "dysts.json"
# periods, those of the transient, and the seconds of processor time after which it ends
USUAL, SHORT, LONG = (500, 100, 25), (50, 100, 900), (2000, 2000, 900)
FINER = 16  # times shorter steps
PARTS = 20  # of the run over which the divergence is averaged
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
DELAYED = "a delay equation: its state is a function, and no vector"
OWN = {"Lorenz96": lambda p: lambda h: (jnp.roll(h, -1) - jnp.roll(h, 2)) * jnp.roll(h, 1) - h + p["f"]}


def load() -> tuple[dict, types.ModuleType]:
    """The published table, and the module of right-hand sides."""
    spec = importlib.util.find_spec("dysts")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("dysts is not installed: pip install --no-deps dysts")
    folder = Path(spec.submodule_search_locations[0])
    table = json.loads((folder / "data" / "chaotic_attractors.json").read_text(encoding="utf-8"))
    text = (folder / "flows.py").read_text(encoding="utf-8")
    head = "import numpy as np\n\nfrom .base import DynSys, DynSysDelay, staticjit\n"
    if head not in text:
        sys.exit("this version of dysts begins otherwise than 0.96")
    module = types.ModuleType("dysts_flows")
    plain = {"np": jnp, "DynSys": type("DynSys", (), {}), "DynSysDelay": type("DynSysDelay", (), {})}
    module.__dict__.update(plain, staticjit=staticmethod, max=jnp.maximum)
    exec(compile(text.replace(head, ""), str(folder / "flows.py"), "exec"), module.__dict__)
    return table, module


def right_hand_side(name: str, entry: dict, module: types.ModuleType):
    """h ↦ dh/dt of a flow, or a text that says why there is none."""
    kind = getattr(module, name)
    if issubclass(kind, module.DynSysDelay):
        return DELAYED
    parameters = {key: np.asarray(value, float) if isinstance(value, list) else value
                  for key, value in entry["parameters"].items()}  # fmt: skip
    one = kind()
    vars(one).update(parameters)
    ordered = [parameters[key] for key in sorted(parameters)]
    if name in OWN:  # theirs writes into an array
        return OWN[name](parameters)
    if hasattr(kind, "rhs"):
        return lambda h: jnp.stack([jnp.asarray(part, h.dtype) for part in one.rhs(h, 0.0)])
    return lambda h: jnp.stack([jnp.asarray(part, h.dtype) for part in kind._rhs(*h, 0.0, *ordered)])


def measure(name: str, length: int, transient: int, step: float | None) -> dict:
    """Exponents over `length` periods, and the mean divergence over the same stretch of the orbit."""
    import rnn_ode as ro

    table, module = load()
    entry = table[name]
    rate = right_hand_side(name, entry, module)
    if isinstance(rate, str):
        return {"not run": rate}
    period, h0 = entry["period"], jnp.asarray(np.ravel(entry["initial_conditions"]), float)
    times, flow = (length * period, transient * period), ro.Flow(lambda t, h, path: rate(h))
    run = ro.lyapunov(flow, h0, times[0], transient=times[1], step=step)
    chosen, step = step is None, float(run.step)
    divergence = mean_divergence(rate, h0, *times, step)
    second = tangent_growth(rate, h0, *times, step / 2)
    return rest(rate, run.state) | {
        "periods": length,
        "finer": 1 if chosen else FINER,
        "result": str(ro.RESULTS[run.result]) if run.result != ro.RESULTS.successful else "",
        "step": step,
        "exponents": plain(run.exponents),
        "stderr": plain(run.stderr),
        "divergence": plain(divergence.mean()),
        "divergence_stderr": plain(divergence.std(ddof=1) / PARTS**0.5),
        "second": plain(second.mean()),
        "second_stderr": plain(second.std(ddof=1) / PARTS**0.5),
        "published": entry.get("lyapunov_spectrum_estimated"),
        "published_largest": entry.get("maximum_lyapunov_estimated"),
    }


def rest(rate, h) -> dict:
    """The rates of the fixed point at which a run has ended, from NumPy's eigenvalues."""
    J = np.asarray(jax.jacfwd(rate)(h))
    if not np.linalg.norm(rate(h)) <= 1e-9 * np.linalg.norm(J) * np.linalg.norm(h):
        return {}
    return {"rest": plain(np.sort(np.linalg.eigvals(J).real)[::-1])}


def mean_divergence(rate, h, duration: float, transient: float, step: float) -> np.ndarray:
    """The means of div f over PARTS parts of a run after its transient, by a Runge–Kutta method of its own."""

    def both(state):
        return rate(state[0]), jnp.trace(jax.jacfwd(rate)(state[0]))

    def grown(state):
        return state, 0.0

    def ended(before, after, time):
        return (after[1] - before[1]) / time

    return averaged(both, grown, ended, (h, jnp.zeros(())), duration, transient, step)


def tangent_growth(rate, h, duration: float, transient: float, step: float) -> np.ndarray:
    """The largest exponent a second time: the growth of one tangent vector, which is scaled back after each step."""

    def both(state):
        change, tangent = jax.jvp(rate, (state[0],), (state[1],))
        return change, tangent

    def grown(state):
        size = jnp.linalg.norm(state[1])
        return (state[0], state[1] / size), jnp.log(size)

    start = h, jnp.ones(len(h)) / len(h) ** 0.5
    return averaged(both, grown, lambda before, after, time: 0.0, start, duration, transient, step)


def averaged(rates, grown, ended, state, duration, transient, step) -> np.ndarray:
    """Runge–Kutta steps of `rates`, each followed by `grown`: state ↦ (state, what to add up). Returns the means of what was
    added up over the parts of the run, plus what `ended` says of the states before and after a part."""

    def moved(state, change, size):
        return jax.tree.map(lambda a, b: a + size * b, state, change)

    def one(state, _):
        k1 = rates(state)
        k2 = rates(moved(state, k1, step / 2))
        k3 = rates(moved(state, k2, step / 2))
        k4 = rates(moved(state, k3, step))
        change = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
        return grown(moved(state, change, step))

    steps = max(1, round(duration / step / PARTS))

    @jax.jit
    def part(state):
        after, growths = jax.lax.scan(one, state, None, length=steps)
        time = steps * step
        return after, jnp.sum(growths) / time + ended(state, after, time)

    means, before = [], round(transient / duration * PARTS)
    for _ in range(before + PARTS):
        state, mean = part(state)
        means.append(float(mean))
    return np.array(means[before:])


def plain(values) -> list | float | None:
    """Numbers as JSON has them: None for what is not finite."""
    values = np.asarray(values, float)
    if values.ndim == 0:
        return float(values) if np.isfinite(values) else None
    return [plain(value) for value in values]


def measure_all(length: int, transient: int, seconds: int, step: float | None, names: list[str]) -> None:
    """Print a line for each flow. The system ends this process when one takes too much time."""
    jax.config.update("jax_enable_x64", True)
    for name in names:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            found = measure(name, length, transient, step)
        except Exception as error:
            found = {"not run": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps({name: found}), flush=True)


def in_a_process(names: list[str], length: int, transient: int, seconds: int, step: float | None = None):
    """What a process measures of these flows, one after the other, until it ends."""
    environment = os.environ | {"XLA_FLAGS": QUICK_TO_COMPILE}
    command = [sys.executable, __file__, json.dumps([length, transient, seconds, step, names])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield from map(json.loads, process.stdout)


def main() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    while todo := [name for name in load()[0] if name not in kept]:
        for found in in_a_process(todo, *USUAL):
            keep(kept, found)
        late = next((name for name in todo if name not in kept), None)
        if late is not None:  # the process was ended there
            again = list(in_a_process([late], *SHORT))
            keep(kept, again[0] if again else {late: {"not run": f"{SHORT[0]} periods take longer than {SHORT[-1]} s"}})
    for name, found in list(kept.items()):
        if "not run" in found or found["result"] or found.get("again"):
            continue
        if is_mean_divergence(found) and same_twice(found):
            continue
        way = LONG if is_mean_divergence(found) else (*USUAL[:2], LONG[-1], found["step"] / FINER)
        again = {key: one for row in in_a_process([name], *way) for key, one in row.items()}
        keep(kept, {name: again.get(name, found) | {"again": True}})


def keep(kept: dict, found: dict) -> None:
    print(found, flush=True)
    kept |= found
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_all(*json.loads(sys.argv[1]))
    else:
        main()
