"""Verdicts never contradict a computation with 120 digits, nor a long run."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from matrices import name
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro

METHODS = (ro.Textbook(), ro.Forward(1), ro.Backward(1), ro.Tustin(), ro.Exact(), ro.Forward(2))
g_exact = {  # with mpmath's numbers
    "textbook": lambda z: z,
    "forward:1": lambda z: z - 1,
    "forward:2": lambda z: (z - 1) - (z - 1) ** 2 / 2,
    "backward:1": lambda z: 1 - 1 / z,
    "tustin": lambda z: 2 * (z - 1) / (z + 1),
    "exact": mpmath.log,
}


def near_the_boundary(most=3):
    """Matrices whose radius is 1 up to 1e-16 … 1, by scaling; or whose abscissa is 0 … by a shift; in odd units."""
    return _near_the_boundary(draw.matrices(most=most))


@st.composite
def _near_the_boundary(draw_, Ws):
    W = draw_(Ws)
    offset = draw_(st.sampled_from([0.0, 1.0, -1.0])) * 10.0 ** draw_(st.floats(-16, 0))
    values = np.linalg.eigvals(W)
    match draw_(st.sampled_from(["as it is", "scaled", "shifted to 1", "shifted to 0"])):
        case "scaled":
            W = W * ((1 + offset) / max(np.abs(values).max(), 1e-10))
        case "shifted to 1":
            W = W + (1 + offset - values.real.max()) * np.eye(len(W))
        case "shifted to 0":
            W = W + (offset - values.real.max()) * np.eye(len(W))
    d = 2.0 ** draw_(draw.rngs()).integers(-30, 31, len(W))
    return d[:, None] * W / d[None] if draw_(st.booleans()) else W


@functools.partial(jax.jit)
def _verdicts(W):
    return ro.spectrum(W).verdicts(*METHODS)


@prop(60, 4000, W=near_the_boundary(), dtype=draw.dtypes())
def test_a_verdict_is_never_wrong(W, dtype):
    W = W.astype(dtype)
    assume(np.isfinite(W).all())
    verdicts = [name(v) for v in _verdicts(W)]
    with mpmath.workdps(120):
        values = mpmath.eig(mpmath.matrix(W.astype(float).tolist()), left=False, right=True)[0]
        size = max(float(np.abs(W).max()), 1e-30)
        growths = [max(abs(z) for z in values) - 1]
        for method in METHODS:
            of = g_exact[method.label]
            at_pole = any(method.pole is not None and abs(z - method.pole) < mpmath.mpf(10) ** -25 for z in values)
            growths.append(None if at_pole else max(mpmath.re(of(z)) for z in values))
    for label, verdict, growth in zip(("network", *(m.label for m in METHODS)), verdicts, growths, strict=True):
        said = f"{label}: {verdict}, and the growth is {growth}"
        if growth is None:
            assert verdict in ("UNDETERMINED", "GROWS"), said
        elif verdict == "DECAYS":
            assert growth < -1e-25, said
        elif verdict == "GROWS":
            assert growth > 1e-25, said
        elif verdict == "PERSISTS":
            assert abs(growth) < 1e-4 * max(1, size), said


@prop(
    30,
    3000,
    W=draw.matrices(most=17, kinds=("Gaussian", "symmetric", "normal", "triangular", "near-singular", "Toeplitz")),
)
def test_an_eigenvalue_far_from_the_boundary_is_decided(W):
    """A verdict may be left open near the boundary only."""
    s = ro.spectrum(W)
    assume(np.max(s.condition) < 1e4)
    margin = float(s.radius) - 1
    assume(abs(margin) > 1e-8 * max(np.linalg.norm(W), 1))
    assert name(s.discrete) == ("GROWS" if margin > 0 else "DECAYS")


@prop(30, 2000, W=near_the_boundary(most=5), rng=draw.rngs())
def test_verdicts_do_not_depend_on_units_or_on_the_order_of_the_units(W, rng):
    """Units are powers of two, which round nothing. Only openness may change, never the sign."""
    d, order = 2.0 ** rng.integers(-40, 41, len(W)), rng.permutation(len(W))
    there = (d[:, None] * W / d[None])[order][:, order]
    assume(np.isfinite(there).all() and np.all((there[np.argsort(order)][:, np.argsort(order)] == 0) == (W == 0)))
    for one, other in zip(_verdicts(W), _verdicts(there), strict=True):
        assert {name(one), name(other)} != {"GROWS", "DECAYS"}
    for one, other in zip(_verdicts(W), _verdicts(W.T), strict=True):
        assert {name(one), name(other)} != {"GROWS", "DECAYS"}


@jax.jit
def _long(W, h):
    """log ‖W^(2^k) h‖ with rescaling, by squaring: 2^30 steps."""

    def square(carry, _):
        P, log = carry
        P = P @ P
        size = jnp.linalg.norm(P)
        return (P / jnp.where(size > 0, size, 1), 2 * log + jnp.log(size)), None

    (P, log), _ = jax.lax.scan(square, (W, 0.0), None, length=30)
    return log + jnp.log(jnp.linalg.norm(P @ h))


@prop(30, 2000, W=near_the_boundary(most=8), rng=draw.rngs())
def test_a_verdict_agrees_with_a_run_of_a_billion_steps(W, rng):
    verdict = name(_verdicts(W)[0])
    assume(verdict in ("GROWS", "DECAYS") and np.linalg.norm(W) < 1e6)
    size = float(_long(W, rng.normal(size=len(W))))
    # squaring rounds: a relative error of eps at each of the 30 levels, doubled each time, is a rate of 30 eps ‖W‖
    unclear = 2.0**30 * 1e-13 * len(W) * np.linalg.cond(np.eye(len(W)) + W / (2 * max(np.linalg.norm(W), 1)))
    if verdict == "GROWS":
        assert size > -unclear - 50
    else:
        assert size < unclear + 50


@jax.jit
def _of_a_point(W, h):
    b = jnp.arctanh(h) - W @ h
    cell = ro.VanillaCell(W, jnp.zeros((len(W), 1)), b, jnp.tanh)
    found = ro.fixed_points(ro.Map(cell, jnp.zeros(1)), h[None])
    near = found.points[0] + 1e-5 * jnp.cos(jnp.arange(1.0, len(W) + 1))
    moved = jax.lax.fori_loop(0, 3000, lambda _, h: cell(jnp.zeros(1), h), near)
    return found, jnp.linalg.norm(moved - found.points[0])


@prop(
    25,
    1500,
    W=draw.matrices(least=draw.SLOW, most=5, kinds=("Gaussian", "symmetric", "normal", "triangular", "orthogonal")),
    rng=draw.rngs(),
)
def test_the_verdict_of_a_fixed_point_agrees_with_a_run_that_starts_near_it(W, rng):
    found, distance = _of_a_point(W, rng.uniform(-0.8, 0.8, len(W)))
    assume(bool(found.converged[0]))
    rate = float(np.log(np.maximum(np.abs(found.eigenvalues[0]).max(), 1e-300)))
    assume(abs(rate) > 0.02)
    if name(jax.tree.map(lambda leaf: leaf[0], found.verdicts)) == "DECAYS":
        assert rate < 0 and distance < 1e-3
    else:
        assert rate > 0
        assert distance > 1e-6 or rate < 0.03
