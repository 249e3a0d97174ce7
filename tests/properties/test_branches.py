"""Branches and curves of bifurcations in normal forms that a random change of basis hides."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro


class Hidden(eqx.Module):
    """One of four normal forms in the first two coordinates, decay at a rate of 1 in the third, all in the basis S and from
    the origin o; time runs `rate` times as fast, and the bifurcation is at p0."""

    S: jax.Array
    o: jax.Array
    rate: jax.Array
    p0: jax.Array
    form: jax.Array

    def field(self, p):
        def of(t, h, path):
            v = jnp.linalg.solve(self.S, h - self.o)
            q, x, y = p - self.p0, v[0], v[1]
            fold = jnp.stack([q - x**2, -y, -v[2]])
            pitchfork = jnp.stack([q * x - x**3, -y, -v[2]])
            transcritical = jnp.stack([q * x - x**2, -y, -v[2]])
            square = x**2 + y**2
            hopf = jnp.stack([q * x - 2 * y - x * square, 2 * x + q * y - y * square, -v[2]])
            return self.rate * (self.S @ (jnp.stack([fold, pitchfork, transcritical, hopf])[self.form]))

        return of

    def __call__(self, p):
        return ro.Flow(Of(self, p))


class Of(eqx.Module):
    hidden: Hidden
    p: jax.Array

    def __call__(self, t, h, path):
        return self.hidden.field(self.p)(t, h, path)


FORMS = ("fold", "branch point", "branch point", "hopf")


@prop(
    0,
    300,
    rng=draw.rngs(),
    form=st.integers(0, 3),
    p0=st.floats(-1, 1),
    unit=st.integers(-10, 10),
    time=st.integers(-10, 10),
)
def test_a_bifurcation_is_found_where_it_is_hidden(rng, form, p0, unit, time):
    S = (np.eye(3) + 0.3 * rng.normal(size=(3, 3))) * 2.0**unit
    assume(np.linalg.cond(S) < 30)
    o = S @ rng.normal(size=3)
    hidden = Hidden(*map(jnp.asarray, (S, o, 2.0**time, p0, form)))
    start = np.array([1.0 if form == 0 else 0.0, 0.0, 0.0])  # the stable branch of the fold at p0 + 1
    ends = (p0 + 1, p0 - 0.7) if form == 0 else (p0 - 0.93, p0 + 1.1)
    branch = ro.continue_branch(hidden, S @ start + o, ends)
    kinds = [found.kind for found in branch.bifurcations]
    assert kinds == [FORMS[form]] or (form in (1, 2) and len(kinds) == 1), kinds
    found = branch.bifurcations[0]
    assert abs(float(found.parameter) - p0) < 1e-6
    at = np.linalg.solve(S, np.asarray(found.point) - o)
    assert np.abs(at).max() < (1e-3 if form == 0 else 1e-5)
    v = np.linalg.solve(S, (np.asarray(branch.points) - o).T).T
    q = np.asarray(branch.parameters) - p0
    off = q - v[:, 0] ** 2 if form == 0 else v[:, 0]
    assert np.abs(off).max() < 1e-6


class Cusp(eqx.Module):
    """dx/dt = p + q x − x³ in the basis S, with folds at 27 p² = 4 q³."""

    S: jax.Array

    def __call__(self, p):
        return ro.Flow(CuspField(self.S, p))


class CuspField(eqx.Module):
    S: jax.Array
    p: jax.Array

    def __call__(self, t, h, path):
        v = jnp.linalg.solve(self.S, h)
        return self.S @ jnp.stack([self.p[0] + self.p[1] * v[0] - v[0] ** 3, -v[1]])


@prop(0, 150, rng=draw.rngs(), x=st.floats(0.2, 0.8), unit=st.integers(-8, 8))
def test_a_curve_of_folds_goes_through_the_cusp(rng, x, unit):
    S = (np.eye(2) + 0.3 * rng.normal(size=(2, 2))) * 2.0**unit
    assume(np.linalg.cond(S) < 20)
    at = (2 * x**3 * -1, 3 * x**2)
    found = ro.Bifurcation("fold", 0.0, S @ np.array([x, 0.0]))
    curve = ro.continue_bifurcation(Cusp(jnp.asarray(S)), found, at, ((-2, 2), (-0.5, 2.2)))
    p, q = np.asarray(curve.parameters).T
    np.testing.assert_allclose(27 * p**2, 4 * q**3, atol=1e-6)
    assert q.min() < 0.05 and p.min() < -0.5 and p.max() > 0.5  # both arms
    cusps = [event for event in curve.events if event.kind == "cusp"]
    assert len(cusps) == 1 and np.abs(np.asarray(cusps[0].parameters)).max() < 1e-4, curve.events


class Net(eqx.Module):
    W: jax.Array
    V: jax.Array
    b: jax.Array

    def __call__(self, p):
        n = len(self.b)
        return ro.Map(ro.VanillaCell(self.W + p * self.V, jnp.zeros((n, 1)), self.b, jnp.tanh), jnp.zeros(1))


@prop(6, 250, rng=draw.rngs(), gain=st.floats(0.3, 2))
def test_every_point_of_a_branch_is_a_fixed_point_with_its_eigenvalues(rng, gain):
    """And the way back finds the same bifurcations."""
    n = 3
    W, V, b = 0.3 * rng.normal(size=(n, n)), gain * rng.normal(size=(n, n)), 0.5 * rng.normal(size=n)
    net, h = Net(*map(jnp.asarray, (W, V, b))), np.zeros(n)
    for _ in range(400):
        h = np.tanh(W @ h + b)
    assume(np.abs(np.tanh(W @ h + b) - h).max() < 1e-12)
    there = ro.continue_branch(net, h, (0.0, 1.0))
    p, points = np.asarray(there.parameters), np.asarray(there.points)
    moved = np.tanh(np.einsum("mij,mj->mi", W + p[:, None, None] * V, points) + b)
    np.testing.assert_allclose(moved, points, atol=1e-9)
    for k in range(0, len(p), max(len(p) // 5, 1)):
        J = (1 - points[k][:, None] ** 2) * (W + p[k] * V)
        np.testing.assert_allclose(np.sum(there.eigenvalues[k]), np.trace(J), atol=1e-8)
    for found in there.bifurcations:
        J = (1 - np.asarray(found.point)[:, None] ** 2) * (W + float(found.parameter) * V)
        values = np.linalg.eigvals(J)
        wanted = {"flip": np.abs(values + 1), "neimark-sacker": np.abs(np.abs(values) - 1)}.get(
            found.kind, np.abs(values - 1)
        )
        assert wanted.min() < 1e-4, (found, values)
    if abs(p[-1] - 1) < 1e-12:
        back = ro.continue_branch(net, points[-1], (1.0, 0.0))
        forth = [(found.kind, round(float(found.parameter), 4)) for found in there.bifurcations]
        again = [(found.kind, round(float(found.parameter), 4)) for found in back.bifurcations][::-1]
        assert len(forth) == len(again)
        for one, other in zip(forth, again, strict=True):
            assert one[0] == other[0] and abs(one[1] - other[1]) < 1e-3
