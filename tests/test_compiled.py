"""Everything that computes can be differentiated, compiled and batched, keeps its precision, and lowers everywhere."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

AFFINE = (
    ro.Textbook(),
    ro.Forward(2),
    ro.Backward(1),
    ro.Backward(2),
    ro.Tustin(),
    ro.Exact(),
    ro.Exact(complex=True),
)
NONLINEAR = (ro.Textbook(), ro.Forward(2), ro.Backward(1), ro.Tustin(), ro.Exact(), ro.Exact(anchored=True))
# every method once, and those whose field is another one for a nonlinear network twice
EVERY = [(None, m) for m in (*AFFINE[:2], *AFFINE[3:])] + [(jnp.tanh, m) for m in NONLINEAR[2:]]
SCHEMES = (ro.Euler(), ro.BackwardEuler(), ro.Trapezoidal(), ro.ExponentialEuler(), ro.RungeKutta(substeps=2))


def label(case) -> str:
    activation, method = case
    return f"{'affine' if activation is None else 'tanh'}-{method.label}"


def parameters(seed=0, dtype=None):
    """W_h with multipliers near 0.8, W_x, b, xs, h0 of a network with three units, two inputs and three samples."""
    rng = np.random.default_rng(seed)
    W_h = 0.8 * np.eye(3) + 0.15 * rng.standard_normal((3, 3))
    values = (W_h, 0.5 * rng.standard_normal((3, 2)), *(0.5 * rng.standard_normal(s) for s in (3, (3, 2), 3)))
    return tuple(jnp.asarray(v, dtype) for v in values)


def run(activation, W_h, W_x, b, xs, h0):
    return ro.iterate(ro.VanillaCell(W_h, W_x, b, activation), xs, h0, throw=False).states


def flow(activation, method, W_h, W_x, b, xs, h0, **options):
    field = ro.to_ode(ro.VanillaCell(W_h, W_x, b, activation), method)
    return jnp.real(ro.integrate(field, ro.Hold(xs), h0, throw=False, **options).states)


def assert_gradients_agree(forward, reverse, values, tolerance):
    """A directional derivative in every argument at once: jvp, reverse mode, and a five-point difference.

    `forward` and `reverse` compute the same number, with the adjoint that each mode needs.
    """
    rng = np.random.default_rng(1)
    direction = jax.tree.map(lambda v: jnp.asarray(rng.standard_normal(v.shape)), values)
    value, tangent = jax.jit(lambda *v: jax.jvp(forward, v, direction))(*values)
    both = jax.jit(jax.value_and_grad(reverse, argnums=tuple(range(len(values)))))
    slope = sum(jnp.vdot(g, d) for g, d in zip(both(*values)[1], direction, strict=True))

    def at(s):
        return both(*(v + s * d for v, d in zip(values, direction, strict=True)))[0]

    e = 1e-3
    difference = (8 * (at(e) - at(-e)) - (at(2 * e) - at(-2 * e))) / (12 * e)
    assert np.isclose(value, at(0.0), rtol=1e-9)
    assert np.isclose(tangent, slope, rtol=tolerance) and np.isclose(slope, difference, rtol=max(tolerance, 1e-8))


def number(states):
    """One number that depends on every state, smoothly."""
    return jnp.sum(jnp.sin(states + jnp.arange(states.size).reshape(states.shape)))


# --- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("activation", [None, jnp.tanh], ids=["affine", "tanh"])
def test_gradients_of_iterate(activation):
    def loss(*values):
        return number(run(activation, *values))

    assert_gradients_agree(loss, loss, parameters(), 1e-10)


@pytest.mark.gate
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            marks=pytest.mark.thorough
            if label(case) in ("affine-forward:2", "affine-backward:2", "tanh-tustin")
            else (),
        )
        for case in EVERY
    ],
    ids=label,
)
def test_gradients_through_every_method(case):
    """A field of every method at one state: weights, input and state."""

    def loss(W_h, W_x, b, xs, h0):
        field = ro.to_ode(ro.VanillaCell(W_h, W_x, b, case[0]), case[1])
        rates = field(0.0, h0, ro.Hold(xs))
        return number(jnp.concatenate([jnp.real(rates), jnp.imag(rates)]))

    assert_gradients_agree(loss, loss, parameters(), 1e-9)


def _gradients_of_a_flow(case, tolerance=1e-6, **options):
    def forward(*values):
        return number(flow(*case, *values, adjoint=diffrax.ForwardMode(), **options))

    def reverse(*values):
        return number(flow(*case, *values, **options))

    assert_gradients_agree(forward, reverse, parameters(), tolerance)


@pytest.mark.gate
def test_gradients_of_integrate():
    _gradients_of_a_flow((None, ro.Forward(1)))


@pytest.mark.gate
@pytest.mark.parametrize("case", [(None, ro.Exact(complex=True)), (jnp.tanh, ro.Exact(anchored=True))], ids=label)
def test_gradients_of_integrate_with_every_kind_of_field(case):
    _gradients_of_a_flow(case)


@pytest.mark.gate
def test_gradients_of_logm():
    def loss(W):
        return number(ro.logm(W))

    assert_gradients_agree(loss, loss, parameters()[:1], 1e-9)


@pytest.mark.gate
def test_gradients_of_rates():
    W = parameters(seed=3)[0]
    for method in (None, ro.Textbook(), ro.Forward(3), ro.Backward(2), ro.Tustin(), ro.Exact()):

        def rate(W, method=method):
            return ro.spectrum(W).rate(method)

        assert_gradients_agree(rate, rate, (W,), 1e-8)


# --- compiled, batched, traced once ----------------------------------------------------------------------------------


def cell_of(values, activation=jnp.tanh):
    return ro.VanillaCell(*values[:3], activation)


def plain_run(cell, xs, h0):
    return ro.iterate(cell, xs, h0, throw=False)


def plain_flow(cell, xs, h0):
    return ro.integrate(ro.to_ode(cell, ro.Forward(2)), ro.Hold(xs), h0, throw=False)


@pytest.mark.gate
@pytest.mark.parametrize("job", [plain_run, plain_flow])
def test_jitted_equals_eager_and_vmapped_equals_a_loop(job):
    many = [parameters(seed) for seed in range(3)]
    cells = [cell_of(values) for values in many]
    eager = [job(cell, *values[3:]) for cell, values in zip(cells, many, strict=True)]
    # plain jax: cells are pytrees of arrays alone
    jitted = jax.jit(job)(cells[0], *many[0][3:])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cells)
    xs, h0 = (jnp.stack([values[i] for values in many]) for i in (3, 4))
    batch = jax.jit(jax.vmap(job))(stacked, xs, h0)
    same = {"rtol": 1e-12, "atol": 1e-14}
    assert np.allclose(jitted.states, eager[0].states, **same) and jitted.result == eager[0].result
    for i, one in enumerate(eager):
        assert np.allclose(batch.states[i], one.states, **same) and np.array_equal(batch.ts[i], one.ts)


@pytest.mark.slow
def test_cells_made_by_filter_vmap():
    values = parameters()

    @eqx.filter_vmap
    def make(W_h):
        return ro.VanillaCell(W_h, *values[1:3], jnp.tanh)

    cells = make(jnp.stack([values[0], 0.5 * values[0]]))
    batch = eqx.filter_vmap(lambda cell: plain_run(cell, *values[3:]).states)(cells)
    assert np.allclose(batch[0], run(jnp.tanh, *values), rtol=1e-12)


class Counting(eqx.Module):
    """A cell and a field that counts how often Python runs it."""

    gain: jax.Array
    log: list = eqx.field(static=True)

    def __call__(self, *arguments):
        self.log.append(1)
        if len(arguments) == 2:
            x, h = arguments
            return jnp.tanh(self.gain * h + x)
        t, h, path = arguments
        return self.gain * (path(t) - h)


class Log(list):
    """A list that is one key: a static field must hash."""

    def __hash__(self):
        return id(self)

    def __eq__(self, other):
        return self is other


@pytest.mark.slow
def test_repeated_shapes_trace_once():
    cell_log, field_log = Log(), Log()

    def both(scale):
        xs, h0 = scale * jnp.ones((4, 2)), scale * jnp.ones(2)
        ro.iterate(Counting(jnp.asarray(scale), cell_log), xs, h0)
        ro.integrate(Counting(jnp.asarray(scale), field_log), ro.Hold(xs), h0)

    both(0.5)
    first = len(cell_log), len(field_log)
    both(0.7)
    both(0.9)
    assert (len(cell_log), len(field_log)) == first and min(first) > 0


@pytest.mark.slow
def test_verdicts_compile_once():
    traces = []

    @jax.jit
    def rate(s):
        traces.append(1)
        return s.rate(), s.exists(ro.Tustin())

    for seed in range(3):
        rate(ro.spectrum(parameters(seed)[0]))
    assert len(traces) == 1


@pytest.mark.gate
def test_plain_jax_takes_every_cell_and_path():
    values = parameters()
    piecewise = ro.PiecewiseLinearCell(0.5 * jnp.eye(3), values[0] / 4, *values[1:3])
    for cell in (cell_of(values), piecewise):
        states = jax.jit(plain_run)(cell, *values[3:]).states
        assert np.allclose(states, plain_run(cell, *values[3:]).states, rtol=1e-12)
        gradient = jax.grad(lambda cell: number(plain_run(cell, *values[3:]).states))(cell)
        assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(gradient))
    xs = values[3]
    for path in (ro.Hold(xs), ro.Linear(xs), ro.Cubic(xs), ro.BandLimited(xs)):
        assert np.allclose(jax.jit(lambda p, t: p(t))(path, 1.3), path(1.3), rtol=1e-12), path
        assert jax.grad(lambda p: number(p(1.3)))(path).xs.shape == xs.shape


@pytest.mark.gate
def test_plain_jax_takes_every_field_and_method():
    values = parameters()
    xs = values[3]
    for method in AFFINE:
        field = ro.to_ode(cell_of(values, None), method)
        rates = jax.jit(lambda f, m, h: (f(0.0, h, ro.Hold(xs)), m.exponent(h)))(field, method, values[4])
        assert np.allclose(rates[0], field(0.0, values[4], ro.Hold(xs)), rtol=1e-10), method
        assert np.allclose(rates[1], method.exponent(values[4]), rtol=1e-12), method
        batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), field)
        both = jax.vmap(lambda f, h: f(0.0, h, ro.Hold(xs)), in_axes=(0, None))(batch, values[4])
        assert np.allclose(both, rates[0], rtol=1e-10), method


# --- precision -------------------------------------------------------------------------------------------------------


def everything(W_h, W_x, b, xs, h0):
    """Each kind of result, by name."""
    affine, tanh = (ro.VanillaCell(W_h, W_x, b, f) for f in (None, jnp.tanh))
    s = ro.spectrum(W_h)
    found = {
        "run": plain_run(tanh, xs, h0).states,
        "exact": ro.to_ode(tanh, ro.Exact())(0.0, h0, ro.Hold(xs)),
        "complex": ro.to_ode(affine, ro.Exact(complex=True))(0.0, h0, ro.Hold(xs)),
        "logm": ro.logm(W_h),
        "multipliers": s.multipliers,
        "condition": s.condition,
        "rate": s.rate(ro.Tustin()),
        "exponent": ro.Backward(3).exponent(W_h),
    }
    for path in (ro.Linear(xs), ro.Cubic(xs), ro.BandLimited(xs)):
        found[type(path).__name__] = path(1.25)
    for scheme in SCHEMES:
        found[type(scheme).__name__] = ro.to_rnn(ro.to_ode(tanh, ro.Forward(1)), scheme)(xs[0], h0)
    return found


@pytest.mark.gate
@pytest.mark.parametrize("x64", [True, False], ids=["x64 on", "x64 off"])
def test_float32_stays_float32(x64):
    with jax.enable_x64(x64):
        found = jax.eval_shape(everything, *parameters(dtype=jnp.float32))
        kinds = {key: leaf.dtype for key, leaf in found.items()}
    assert {key for key, kind in kinds.items() if kind not in (jnp.float32, jnp.complex64)} == set()


@pytest.mark.gate
def test_float32_results_are_near_those_of_float64(float32):
    """A few hundred roundings of 2⁻²⁴, times the condition of what is computed."""
    single = jax.tree.map(np.asarray, jax.jit(everything)(*parameters(dtype=np.float32)))
    rounded = [np.asarray(v, np.float64) for v in parameters(dtype=np.float32)]
    with jax.enable_x64(True):
        double = jax.tree.map(np.asarray, jax.jit(everything)(*(jnp.asarray(v) for v in rounded)))
    worst = float(np.max(double.pop("condition")))
    single.pop("condition")
    for key, value in double.items():
        tolerance = 300 * 2.0**-24 * worst
        if key == "multipliers":
            value, single[key] = np.sort_complex(value), np.sort_complex(single[key])
        assert np.max(np.abs(value - single[key])) <= tolerance * max(1, np.max(np.abs(value))), key


@pytest.mark.slow
@pytest.mark.parametrize("x64", [True, False], ids=["x64 on", "x64 off"])
@pytest.mark.parametrize("job", ["integrate", "RungeKutta"])
def test_solves_of_float32_stay_float32(job, x64):
    def solve(*values):
        if job == "integrate":
            return plain_flow(cell_of(values), *values[3:]).states
        cell = ro.to_rnn(ro.to_ode(cell_of(values), ro.Forward(1)), ro.RungeKutta())
        return cell(values[3][0], values[4])

    with jax.enable_x64(x64):
        assert jax.eval_shape(solve, *parameters(dtype=jnp.float32)).dtype == jnp.float32


@pytest.mark.slow
def test_integrate_of_float32_is_near_that_of_float64(float32):
    """Within its tolerance of 1e-5 a step, over three samples of a contraction."""
    single = plain_flow(cell_of(parameters(dtype=np.float32)), *parameters(dtype=np.float32)[3:]).states
    rounded = [np.asarray(v, np.float64) for v in parameters(dtype=np.float32)]
    with jax.enable_x64(True):
        values = [jnp.asarray(v) for v in rounded]
        double = plain_flow(cell_of(values), *values[3:]).states
    assert np.max(np.abs(np.asarray(double) - np.asarray(single))) <= 1e-4


# --- lowering --------------------------------------------------------------------------------------------------------


def case_of(activation, method):
    return lambda W_h, W_x, b, xs, h0: flow(activation, method, W_h, W_x, b, xs, h0)


def smooth(W_h, W_x, b, xs, h0):
    field = ro.to_ode(ro.VanillaCell(W_h, W_x, b, jnp.tanh), ro.Forward(2))
    return ro.integrate(field, ro.Linear(xs), h0, throw=True).states


def cells(W_h, W_x, b, xs, h0):
    affine = ro.VanillaCell(W_h, W_x, b, None)
    pairs = zip(SCHEMES, (ro.Forward(1), ro.Backward(1), ro.Tustin(), ro.Exact(), ro.Forward(1)), strict=True)
    return [ro.iterate(ro.to_rnn(ro.to_ode(affine, method), scheme), xs, h0).states for scheme, method in pairs]


def verdict(method):
    def ask(W_h, *_):
        s = ro.spectrum(W_h)
        answer = s.discrete if method is None else s.continuous(method)
        exists = True if method is None else s.exists(method)
        return answer == ro.Verdict.DECAYS, exists, s.rate(method), s.timescales

    return ask


def in_parallel(*v):
    return ro.iterate(cell_of(v), v[3], v[4], parallel=True).states


def gradient(f):
    return lambda *values: jax.grad(lambda *v: number(f(*v)), argnums=(0, 1, 2, 3, 4))(*values)


def batched(f):
    return lambda *values: jax.vmap(f)(*(jnp.stack([v, v]) for v in values))


LOWERED = {
    "iterate": lambda *v: ro.iterate(cell_of(v), v[3], v[4]).states,
    **{f"flow {label(case)}": case_of(*case) for case in EVERY},
    "flow smooth": smooth,
    "cells of every scheme": cells,
    "logm": lambda W_h, *_: ro.logm(W_h),
    **{f"verdict {m and m.label}": verdict(m) for m in (None, *AFFINE[:6])},
    "gradient of iterate": gradient(lambda *v: run(jnp.tanh, *v)),
    "gradient of a flow": gradient(case_of(jnp.tanh, ro.Exact())),
    "gradient of logm": jax.grad(lambda W_h, *_: number(ro.logm(W_h))),
    "gradient of a rate": jax.grad(lambda W_h, *_: ro.spectrum(W_h).rate(ro.Exact())),
    "iterate in parallel": in_parallel,
    "gradient of iterate in parallel": gradient(in_parallel),
    "batch of gradients of iterate in parallel": batched(gradient(in_parallel)),
    "parallel_verdict": lambda *v: ro.parallel_verdict(cell_of(v), v[3], v[4]).predicted_steps,
    "batch of iterate": batched(lambda *v: run(jnp.tanh, *v)),
    "batch of flows": batched(case_of(None, ro.Exact())),
    "batch of verdicts": batched(verdict(None)),
    "batch of gradients of logm": batched(jax.grad(lambda W_h, *_: number(ro.logm(W_h)))),
}


def lower_everything():
    """What the child process does. Prints a line for each case and platform: how it went."""
    values = parameters(dtype=jnp.float32)
    for name, f in LOWERED.items():
        jitted = jax.jit(f)
        for platform in ("cpu", "cuda", "tpu"):
            try:
                traced = jitted.trace(*values)  # once for the three of them
                text = traced.lower(lowering_platforms=(platform,)).as_text()
                callback = [line for line in text.splitlines() if "callback" in line.split("loc(")[0]]
                print(f"{name}|{platform}|{'host callback' if callback else 'ok'}", flush=True)
            except Exception as error:
                print(f"{name}|{platform}|{type(error).__name__}: {str(error)[:200]!r}", flush=True)


@pytest.fixture(scope="module")
def lowered() -> dict[tuple[str, str], str]:
    # Equinox reads the switch when it is imported
    env = os.environ | {"EQX_ON_ERROR": "nan", "JAX_PLATFORMS": "cpu"}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(ro.__file__).parent.parent), str(Path(__file__).parent)])
    script = f"import gc, test_compiled; gc.set_threshold(*{gc.get_threshold()}); test_compiled.lower_everything()"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|", 2) for line in done.stdout.splitlines()]
    return {(name, platform): outcome for name, platform, outcome in rows}


@pytest.mark.gate
@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_everything_lowers(lowered, platform):
    outcomes = {name: lowered[name, platform] for name in LOWERED}
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "ok"} == {}
