"""Every public function, on a float32 and a float64 network, with x64 on and off, given the types of input that users give.

The inputs are small whole numbers, which every type holds exactly, so that the results must agree to the rounding of the
type in which they are computed.
"""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro

W = np.array([[0.5, 0.25], [-0.25, 0.5]])
W_X = np.array([[1.0], [0.5]])
B = np.array([0.125, -0.25])
XS = np.array([[1.0], [0.0], [-1.0], [2.0], [0.0], [1.0], [-2.0], [1.0]])
LONG = np.tile(XS, (16, 1))
H0 = np.array([1.0, 0.0])
TIMES = np.array([1.0, 2.0, 4.0])
GUESSES = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 2.0]])

GIVEN = {
    "arrays of the network's type": lambda array, dtype: jnp.asarray(array, dtype),
    "NumPy's float64": lambda array, dtype: np.asarray(array, np.float64),
    "NumPy's float32": lambda array, dtype: np.asarray(array, np.float32),
    "NumPy's integers": lambda array, dtype: np.asarray(array, int),
    "Python's numbers": lambda array, dtype: np.asarray(array, int).tolist(),
}


def cell(dtype, activation=jnp.tanh):
    return ro.VanillaCell(jnp.asarray(W, dtype), jnp.asarray(W_X, dtype), jnp.asarray(B, dtype), activation)


def gru(dtype):
    made = drawn(eqx.nn.GRUCell, 1, 2, dtype=jnp.float32)
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, made)


def piecewise(dtype):
    A = jnp.asarray(np.diag([0.5, 0.25]), dtype)
    return ro.PiecewiseLinearCell(A, jnp.asarray(W / 2, dtype), jnp.asarray(W_X, dtype), jnp.asarray(B, dtype))


def network(dtype, give):
    return ro.Map(cell(dtype), give(np.ones(1), dtype))


def at_rest(dtype, give):
    """A network with the fixed point 0."""
    made = ro.VanillaCell(jnp.asarray(W, dtype), jnp.asarray(W_X, dtype), jnp.zeros(2, dtype), jnp.tanh)
    return ro.Map(made, give(np.zeros(1), dtype)), give(np.zeros(2), dtype)


def flow(dtype, give):
    return ro.Flow(ro.to_ode(cell(dtype), ro.Forward(2)), give(np.ones(1), dtype))


def branch(dtype, give):
    run = ro.continue_branch(lambda p: ro.Map(cell(dtype), p[None]), give(H0, dtype), (0.0, 1.0))
    return run.points[-1]


def compared(dtype, give):
    done = ro.compare(cell(dtype), give(XS, dtype), give(H0, dtype), methods=(ro.Forward(1),))
    return done.network.states, done.rows[0].error_max


def streamed(dtype, give):
    stream = ro.Stream(cell(dtype), lambda x, h: h, 1, 2, 1)
    return np.concatenate([stream.push(np.asarray(give(XS, dtype), float)), stream.flush()])


def iterated(made):
    return lambda dtype, give: ro.iterate(made(dtype), give(XS, dtype), give(H0, dtype)).states


def integrated(method, path, activation=jnp.tanh, ts=None):
    def run(dtype, give):
        field = ro.to_ode(cell(dtype, activation), method)
        return ro.integrate(
            field, path(give(XS, dtype)), give(H0, dtype), ts=None if ts is None else give(ts, dtype)
        ).states

    return run


def resampled(run, path):
    return lambda dtype, give: run(cell(dtype), path(give(XS, dtype)), give(TIMES, dtype), give(H0, dtype)).states


def fitted(dtype, give):
    ts, weights = give(np.arange(1.0, 4.0, 0.5), dtype), {"predict": [0.5, 0.5], "correct": [0.1, 0.9]}
    return ro.fitted_feedback(cell(dtype), ro.Cubic(give(XS, dtype)), ts, give(H0, dtype), **weights).states


def returned(method, scheme):
    return iterated(lambda dtype: ro.to_rnn(ro.to_ode(cell(dtype), method), scheme))


QUICK = {
    "iterate": iterated(cell),
    "spectrum": lambda dtype, give: ro.spectrum(give(np.array([[2.0, 1.0], [0.0, 3.0]]), dtype)).multipliers,
    "logm": lambda dtype, give: ro.logm(give(np.array([[2.0, 1.0], [0.0, 3.0]]), dtype)),
}
SLOW = {
    "iterate, GRU": iterated(gru),
    "draw_guesses": lambda dtype, give: jnp.sort(ro.draw_guesses(jax.random.key(0), 1, give(H0[None], dtype))),
    "root_condition": lambda dtype, give: ro.root_condition(cell(dtype), give(np.ones(1), dtype), 0.75, ahead=1).radii,
    "cycles": lambda dtype, give: ro.cycles(ro.Map(piecewise(dtype), give(np.ones(1), dtype)), 1).points,
    "integrate": integrated(ro.Forward(1), ro.Hold),
    "integrate, linear": integrated(ro.Exact(), ro.Linear, None),
    "integrate, ts": integrated(ro.Tustin(), ro.Cubic, ts=TIMES),
    "evolve": resampled(ro.evolve, ro.BandLimited),
    "evolve, held": resampled(ro.evolve, ro.Hold),
    "delayed_feedback": resampled(ro.delayed_feedback, ro.BandLimited),
    "fitted_feedback": fitted,
    "resampled": resampled(ro.resampled, ro.BandLimited),
    "state_trajectory": resampled(ro.state_trajectory, ro.BandLimited),
    "stream": streamed,
    "compare": compared,
    "fixed_points, map": lambda dtype, give: ro.fixed_points(network(dtype, give), give(GUESSES, dtype)).points[:1],
    "fixed_points, flow": lambda dtype, give: ro.fixed_points(flow(dtype, give), give(GUESSES, dtype)).points[:1],
    "continue_branch": branch,
    "periodic_orbit": lambda dtype, give: (
        ro.periodic_orbit(ro.Map(cell(dtype), give(XS, dtype)), give(H0, dtype), 8).points
    ),
    "basins": lambda dtype, give: ro.basins(network(dtype, give), give(GUESSES, dtype)).attractors[0].points,
    "lyapunov, map": lambda dtype, give: ro.lyapunov(network(dtype, give), give(H0, dtype), 100).exponents,
    "lyapunov, flow": lambda dtype, give: ro.lyapunov(flow(dtype, give), give(H0, dtype), 20, step=0.1).exponents,
    "gradient_flow": lambda dtype, give: ro.gradient_flow(cell(dtype), give(XS, dtype), give(H0, dtype)).norms,
    "transient, matrix": lambda dtype, give: ro.transient(give(np.array([[0.0, 4.0], [0.0, 0.0]]), dtype)).peak,
    "transient, system": lambda dtype, give: ro.transient(flow(dtype, give), give(H0, dtype)).peak,
    "pseudospectrum": lambda dtype, give: ro.pseudospectrum(give(np.eye(2), dtype), np.array([0.5 + 0.5j, 2.0])),
    "Exact and back": returned(ro.Exact(), ro.ExponentialEuler()),
    "Backward and back": returned(ro.Backward(1), ro.BackwardEuler()),
    "Runge-Kutta": returned(ro.Forward(2), ro.RungeKutta()),
    "iterate in parallel": lambda dtype, give: (
        ro.iterate(cell(dtype), give(XS, dtype), give(H0, dtype), parallel=True).states
    ),
    "covariance": lambda dtype, give: ro.covariance(*at_rest(dtype, give), give(np.ones(2), dtype)),
    "spectral_density": lambda dtype, give: (
        ro.spectral_density(*at_rest(dtype, give), give(np.ones(2), dtype), give(np.ones(1), dtype)).real
    ),
    "noise_to_rnn": lambda dtype, give: ro.noise_to_rnn(give(-np.eye(2), dtype), give(np.ones(2), dtype)),
    "noise_to_ode": lambda dtype, give: ro.noise_to_ode(give(2 * np.eye(2), dtype), give(np.ones(2), dtype)),
    "lyapunov_discrete": lambda dtype, give: ro.linalg.lyapunov_discrete(
        give(2 * np.eye(2), dtype), give(np.eye(2), dtype)
    ),
    "expm": lambda dtype, give: ro.linalg.expm(give(np.eye(2), dtype)),
    "funm": lambda dtype, give: ro.linalg.funm(give(2 * np.eye(2), dtype), jnp.sqrt).value,
    "stability_radius": lambda dtype, give: ro.linalg.stability_radius(give(-np.eye(2), dtype), continuous=True).radius,
    "parallel_verdict": lambda dtype, give: ro.parallel_verdict(cell(dtype), give(XS, dtype), give(H0, dtype)).growth,
}
SAME, WIDER = "arrays of the network's type", "NumPy's float64"
EVERY = [
    (dtype, x64, given)
    for given in GIVEN
    for dtype, x64 in ((jnp.float32, True), (jnp.float64, True), (jnp.float32, False))
]
# Slow calls with the gate: a float32 network given float64, where types mix. The thorough tests add float32 alone with x64
# on, and x64 off, as the examples in docstrings run.
MIXED, ALONE, OFF = (jnp.float32, True, WIDER), (jnp.float32, True, SAME), (jnp.float32, False, WIDER)
CASES = [
    *(
        pytest.param(ask, EVERY, id=name, marks=pytest.mark.slow if name == "logm" else ())
        for name, ask in QUICK.items()
    ),
    *(pytest.param(ask, [MIXED], id=name, marks=pytest.mark.slow) for name, ask in SLOW.items()),
]
MORE = [
    pytest.param(ask, [ALONE, OFF], id=f"{name}, unmixed", marks=pytest.mark.thorough) for name, ask in SLOW.items()
]


def in_thorough(case):
    return pytest.param(*case.values, id=case.id, marks=pytest.mark.thorough)


def numbers(result):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(result)]
    return np.concatenate([leaf.ravel().astype(complex if np.iscomplexobj(leaf) else float) for leaf in leaves])


@cache
def in_float64(ask):
    return numbers(ask(jnp.float64, GIVEN[SAME]))


@pytest.mark.gate
@pytest.mark.parametrize(("ask", "ways"), CASES + MORE)
def test_all_types_give_the_same_answer(ask, ways, as_user):
    """To 1e-3: a thousand rounding errors of float32 and more, of problems whose conditions are about 10."""
    wanted = in_float64(ask)
    for dtype, x64, given in ways:
        with jax.enable_x64(x64):
            found = numbers(ask(dtype, GIVEN[given]))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3, err_msg=f"{dtype} {given} x64={x64}")


@pytest.mark.thorough
def test_recommend_takes_a_float32_network_and_float64_samples(as_user):
    """Both find the same scheme; its ratio of signal to error, of 128 samples, is the same to a decibel."""
    found = [ro.recommend(cell(dtype), LONG, 1.25, budget=1).best for dtype in (jnp.float32, jnp.float64)]
    assert found[0].label == found[1].label and abs(found[0].snr - found[1].snr) < 1


@pytest.mark.gate
@pytest.mark.parametrize(("ask", "ways"), [param if param.id in QUICK else in_thorough(param) for param in CASES])
def test_bfloat16_is_refused_by_name_or_right(ask, ways, as_user):
    """bfloat16 has a rounding error of 0.8 %, and the weights are exact in it: to 10 % of the largest entry."""
    wanted = in_float64(ask)
    for given in (SAME, WIDER) if ways is EVERY else (SAME,):
        try:
            found = numbers(ask(jnp.bfloat16, GIVEN[given]))
        except TypeError as error:
            assert "bfloat16" in str(error) and "float32" in str(error)
            continue
        np.testing.assert_allclose(found, wanted, atol=0.1 * np.max(np.abs(wanted)))
