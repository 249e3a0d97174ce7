"""Periodic orbits, cycles and basins: found again after a change of basis, and what a long run shows."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro


class Ring(eqx.Module):
    """In the basis S: a circle of radius r that is run through at a rate ω, attracts at a rate 2 a r², and a third state that
    decays at a rate c, or none."""

    S: jax.Array
    r: jax.Array
    omega: jax.Array
    a: jax.Array
    c: jax.Array

    def __call__(self, t, h, path):
        v = jnp.linalg.solve(self.S, h)
        plane = self.a * v[:2] * (self.r**2 - v[:2] @ v[:2]) + self.omega * jnp.stack([-v[1], v[0]])
        return self.S @ jnp.concatenate([plane, -self.c * v[2:]])


class Polynomial(eqx.Module):
    """The Hénon map in the basis S."""

    S: jax.Array
    a: jax.Array
    b: jax.Array

    def __call__(self, x, h):
        v = jnp.linalg.solve(self.S, h)
        return self.S @ jnp.stack([1 - self.a * v[0] ** 2 + v[1], self.b * v[0]])


class Tanh(eqx.Module):
    W: jax.Array
    b: jax.Array

    def __call__(self, x, h):
        return jnp.tanh(self.W @ h + self.b)


def basis(rng, n):
    S = np.eye(n) + 0.4 * rng.normal(size=(n, n)) / n**0.5
    return S * 10.0 ** rng.uniform(-3, 3)


@prop(
    0,
    300,
    n=st.just(3),
    rng=draw.rngs(),
    rates=st.tuples(st.floats(0.3, 3), st.floats(-3, 3), st.floats(0.05, 3)),
    turns=st.floats(-2, 2),
)
def test_the_multipliers_of_a_ring_are_known_in_every_basis(n, rng, rates, turns):
    """1, exp(−2 a r² T) and exp(−c T), with T = 2π/|ω|."""
    omega, c, a = rates[0], rates[1], rates[2]
    assume(abs(c) > 1e-3)
    S, scale = basis(rng, n), 2.0 ** round(3 * turns)
    assume(np.linalg.cond(S) < 50)
    field = Ring(*map(jnp.asarray, (S, 1.0, omega * scale, a * scale, c * scale)))
    T = 2 * np.pi / (omega * scale)
    assume(2 * a * scale * T < 25 and abs(c) * scale * T < 25)
    # the guess: the circle itself, a little off
    angles = np.arange(16) / 16 * 2 * np.pi
    circle = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1) * 1.03
    orbit = ro.periodic_orbit(ro.Flow(field), circle @ S.T, T * 1.02)
    assert bool(orbit.converged)
    np.testing.assert_allclose(float(orbit.period), T, rtol=1e-6)
    wanted = np.array([1.0, np.exp(-2 * a * scale * T), np.exp(-c * scale * T)])
    came = np.sort(np.asarray(orbit.multipliers).real)
    np.testing.assert_allclose(came, np.sort(wanted), rtol=1e-4, atol=1e-5 * wanted.max())
    verdict = "GROWS" if c < 0 else "DECAYS"
    assert orbit.verdict_name in (verdict, "UNDETERMINED")


@prop(12, 800, rng=draw.rngs(), a=st.floats(0.4, 1.6), b=st.sampled_from([0.3, -0.3, 0.5]))
def test_an_orbit_of_a_map_and_its_multipliers_move_with_the_basis(rng, a, b):
    """The orbit of period 2 of the Hénon map is the root of a quadratic equation."""
    assume(a > 3 * (1 - b) ** 2 / 4 + 0.02)
    # x + y = (1 − b)/a, x y = ((1 − b)² − a)/a²
    s, p = (1 - b) / a, ((1 - b) ** 2 - a) / a**2
    x, y = np.roots([1, -s, p]).real
    orbit_ = np.array([[x, b * y], [y, b * x]])
    J = [np.array([[-2 * a * u, 1], [b, 0]]) for u in (x, y)]
    wanted = np.linalg.eigvals(J[1] @ J[0])
    S = basis(rng, 2)
    assume(np.linalg.cond(S) < 50)
    cell = Polynomial(jnp.asarray(S), jnp.asarray(a), jnp.asarray(b))
    size = np.abs(orbit_ @ S.T).max()
    found = ro.periodic_orbit(ro.Map(cell), orbit_ @ S.T + 1e-3 * size * rng.normal(size=(2, 2)), 2)
    assume(abs(x - y) > 0.1)
    assert bool(found.converged)
    came = np.linalg.solve(S, np.asarray(found.points).T).T
    gap = min(np.abs(came - orbit_).max(), np.abs(came[::-1] - orbit_).max())
    assert gap < 1e-7 * np.linalg.cond(S)
    np.testing.assert_allclose(np.sum(found.multipliers), wanted.sum(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.prod(np.asarray(found.multipliers)), wanted.prod(), rtol=1e-6, atol=1e-6)
    outside = np.abs(wanted).max()
    if abs(outside - 1) > 1e-6:
        assert found.verdict_name == ("GROWS" if outside > 1 else "DECAYS")


class Linear(eqx.Module):
    A: jax.Array

    def __call__(self, t, h, path):
        return self.A @ h + jnp.concatenate([path(t), jnp.zeros(len(h) - 1)])


@prop(0, 200, rng=draw.rngs(), data=st.data())
def test_map_and_flow_have_the_same_driven_orbit_under_exact(rng, data):
    """A linear flow under periodic held samples: its orbit solves a linear equation, and its multipliers are exp(A T)."""
    A = data.draw(draw.stable(continuous=True, n=2, kinds=("Gaussian", "normal", "skew", "defective"), entries=False))
    assume(np.linalg.norm(A) < 5 and np.linalg.eigvals(A).real.max() < -0.02)
    xs = rng.normal(size=(4, 1))
    period, steps = 4.0, 4
    E = scipy.linalg.expm(A)
    input_ = np.linalg.solve(A, E - np.eye(2))[:, :1]
    total, h = np.linalg.matrix_power(E, steps), np.zeros(2)
    for x in xs:
        h = E @ h + input_ @ x
    h0 = np.linalg.solve(np.eye(2) - total, h)
    flow = ro.periodic_orbit(ro.Flow(Linear(jnp.asarray(A)), ro.Hold(xs)), jnp.asarray(h0 + 0.1), period)
    assert bool(flow.converged)
    np.testing.assert_allclose(flow.points[0], h0, atol=1e-6 * max(1, np.abs(h0).max()))
    wanted = np.linalg.eigvals(total)
    np.testing.assert_allclose(np.sum(flow.multipliers), wanted.sum(), atol=1e-6)
    network = ro.Map(ro.VanillaCell(E, input_, np.zeros(2), None), xs)
    step = ro.periodic_orbit(network, jnp.asarray(h0 + 0.1), steps)
    assert bool(step.converged)
    np.testing.assert_allclose(step.points[0], h0, atol=1e-8 * max(1, np.abs(h0).max()))
    np.testing.assert_allclose(np.sum(step.multipliers), wanted.sum(), atol=1e-9)


@prop(10, 400, rng=draw.rngs(), n=st.just(2), period=st.integers(1, 4), gain=st.floats(0.5, 2.5))
def test_a_cycle_that_a_run_settles_on_is_among_the_cycles(rng, n, period, gain):
    W, b = gain * rng.normal(size=(n, n)), rng.normal(size=n)
    cell = ro.VanillaCell(W, np.zeros((n, 1)), b)
    h = np.abs(rng.normal(size=n))
    for _ in range(3000):
        h = np.maximum(W @ h + b, 0)
        if not np.all(h < 1e12):
            break
    assume(np.all(h < 1e6))
    run = [h]
    for _ in range(period):
        run.append(np.maximum(W @ run[-1] + b, 0))
    size = max(np.abs(run).max(), 1e-3)
    closes = [np.abs(run[k] - h).max() < 1e-12 * size for k in range(1, period + 1)]
    assume(closes[-1] and not any(closes[:-1]))
    found = ro.cycles(ro.Map(cell, jnp.zeros(1)), period)
    if not found.degenerate:
        assert len(found.points) and np.abs(np.asarray(found.points) - h).max(axis=-1).min() < 1e-8 * size
        which = np.unravel_index(np.abs(np.asarray(found.points) - h).max(axis=-1).argmin(), found.points.shape[:2])[0]
        assert found.verdict_names[which] != "GROWS"
    for orbit, multipliers in zip(np.asarray(found.points), np.asarray(found.multipliers), strict=True):
        np.testing.assert_allclose(
            np.maximum(orbit @ W.T + b, 0), np.roll(orbit, -1, axis=0), atol=1e-9 * max(np.abs(orbit).max(), 1)
        )
        active = orbit @ W.T + b >= -1e-12 * max(np.abs(orbit).max(), 1)
        J = np.eye(n)
        for on in active:
            J = (on[:, None] * W) @ J
        np.testing.assert_allclose(multipliers.sum(), np.trace(J), rtol=1e-6, atol=1e-8 * max(np.abs(J).max(), 1))


@prop(6, 200, rng=draw.rngs(), gain=st.floats(0.5, 3), bias=st.sampled_from([0.0, 0.2]))
def test_basins_do_not_depend_on_order_or_chunk_and_are_where_a_run_ends(rng, gain, bias):
    W, b = gain * rng.normal(size=(2, 2)), bias * rng.normal(size=2)
    system = ro.Map(Tanh(jnp.asarray(W), jnp.asarray(b)))
    states, order = rng.normal(size=(40, 2)), rng.permutation(40)
    one, other = ro.basins(system, states), ro.basins(system, states[order], chunk=16)
    ends = states
    for _ in range(5000):
        ends = np.tanh(ends @ W.T + b)
    for k, i in enumerate(order):
        a, c = int(one.labels[i]), int(other.labels[k])
        assert (a < 0) == (c < 0) or -3 in (a, c)
        if a < 0 or c < 0:
            continue
        first, second = one.attractors[a], other.attractors[c]
        assert first.kind == second.kind
        if first.kind in ("point", "orbit"):
            assert np.isclose(first.period, second.period, equal_nan=True)
            gaps = np.linalg.norm(first.points - ends[i], axis=1)
            assert gaps.min() < 1e-3, (first, ends[i])
            assert np.linalg.norm(second.points[0] - first.points, axis=1).min() < 1e-5
    assert np.isclose(one.fractions.sum(), np.mean(one.labels >= 0))


@prop(0, 150, rng=draw.rngs(), shift=st.floats(-1, 1), power=st.integers(-20, 20))
def test_the_labels_do_not_depend_on_units_or_origin(rng, shift, power):
    """tanh memories, seen in another unit and from another place."""
    W = np.diag(rng.uniform(1.2, 3, 2)) + 0.1 * rng.normal(size=(2, 2))
    s, o = 2.0**power, shift * np.ones(2)
    states = rng.normal(size=(40, 2))
    one = ro.basins(ro.Map(Moved(*map(jnp.asarray, (W, 1.0, 0 * o)))), states)
    other = ro.basins(ro.Map(Moved(*map(jnp.asarray, (W, s, s * o)))), s * (states + o))
    assert one.kinds == other.kinds
    np.testing.assert_array_equal(one.labels, other.labels)
    for a, c in zip(one.attractors, other.attractors, strict=True):
        np.testing.assert_allclose(c.points / s - o, a.points, atol=1e-7)
        np.testing.assert_allclose(a.exponents, c.exponents, atol=1e-6)


class Moved(eqx.Module):
    W: jax.Array
    s: jax.Array
    o: jax.Array

    def __call__(self, x, h):
        return self.s * jnp.tanh(self.W @ ((h - self.o) / self.s)) + self.o
