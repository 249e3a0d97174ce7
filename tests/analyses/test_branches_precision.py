"""Branches in float32 and in float64, in any unit of time and state: one list of bifurcations, against closed forms,
published values and float64.

Bifurcations are located to eps^0.75 of the interval's length, 6e-6 in float32, and the eigenvalue that crosses is known to a
few units in the last place times its condition; `WITHIN` allows twice to three times the former for both.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from telling import telling

import rnn_ode as ro
import rnn_ode.plot

WITHIN = {np.float32: 2e-5, np.float64: 1e-8}
PRECISIONS = pytest.mark.parametrize("dtype", telling([np.float32, np.float64], np.float32))


class Scaled(eqx.Module):
    """dh/dt = (s/c) f(h/s, p), or h ↦ s f(h/s, p): one program for every unit of time c and of states s, (N,) or a number."""

    f: object = eqx.field(static=True)
    flow: bool = eqx.field(static=True)
    time: jax.Array
    size: jax.Array

    def __call__(self, p):
        if self.flow:
            return ro.Flow(lambda t, h, path: self.size / self.time * self.f(h / self.size, p))
        return ro.Map(lambda x, h: self.size * self.f(h / self.size, p))


def follow(f, start, interval, dtype, flow=True, time=1.0, size=1.0):
    """The branch of such a system, computed in that precision; its parameters, kinds and critical eigenvalues."""
    with jax.enable_x64(dtype == np.float64):
        size = np.broadcast_to(np.asarray(size, dtype), np.shape(start))
        make_system = Scaled(f, flow, jnp.asarray(time, dtype), jnp.asarray(size))
        branch = ro.continue_branch(make_system, jnp.asarray(size * start, dtype), interval)
    assert branch.points.dtype == dtype and branch.complete, ro.RESULTS[branch.result]
    return branch


def kinds(branch):
    return [kind for kind, _, _ in branch.bifurcations]


def parameters(branch):
    return np.array([parameter for _, parameter, _ in branch.bifurcations])


def turn(p, h, angle):
    return p * jnp.stack([jnp.cos(angle) * h[0] - jnp.sin(angle) * h[1], jnp.sin(angle) * h[0] + jnp.cos(angle) * h[1]])


# --- one pair, and modes that are not coupled to it --------------------------------------------------------------------


def hopf_beside(h, q):
    """The Hopf normal form at p = 0, and a unit of rate −c that a share k of it is coupled to. q = (p, c, k)."""
    p, c, k = q
    (x, y, u), r = h, h[0] ** 2 + h[1] ** 2
    return jnp.stack([p * x - y - x * r + k * u, x + p * y - y * r, -c * u + k * c * x])


class Beside(eqx.Module):
    """A system with two more numbers, of which one is traced for all."""

    f: object = eqx.field(static=True)
    flow: bool = eqx.field(static=True)
    more: jax.Array

    def __call__(self, p):
        q = jnp.append(p[None], self.more)
        return ro.Flow(lambda t, h, path: self.f(h, q)) if self.flow else ro.Map(lambda x, h: self.f(h, q))


@pytest.mark.gate
@PRECISIONS
def test_a_hopf_pair_is_found_beside_a_unit_of_any_rate(dtype):
    """J = [[p, −1, k], [1, p, 0], [k c, 0, −c]]: uncoupled, the pair is p ± i whatever c."""

    def real_part(p, c, k):
        values = np.linalg.eigvals(np.array([[p, -1, k], [1, p, 0], [k * c, 0, -c]]))
        return np.max(values[values.imag > 0].real)

    for c, k in ((30.0, 0.0), (1e12, 0.0), (1e-6, 0.0), (1e4, 0.3)):
        low, high = -1.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if real_part(middle, c, k) < 0 else (low, middle)
        with jax.enable_x64(dtype == np.float64):
            make_system = Beside(hopf_beside, True, jnp.asarray([c, k], dtype))
            branch = ro.continue_branch(make_system, jnp.zeros(3, dtype), (-1.0, 1.3))
        assert branch.complete and kinds(branch) == ["hopf"], (c, k, branch.bifurcations)
        np.testing.assert_allclose(parameters(branch), high, atol=2.3 * WITHIN[dtype])
        np.testing.assert_allclose(branch.critical[0].real, 0, atol=4 * WITHIN[dtype])
        np.testing.assert_allclose(branch.critical[0].imag, 1, atol=0.01 if k else 4 * WITHIN[dtype])


def ring_beside(h, q):
    return jnp.append(jnp.tanh(turn(q[0], h[:2], q[2])), q[1] * h[2])


@pytest.mark.gate
@PRECISIONS
def test_a_neimark_sacker_pair_is_found_beside_any_multiplier(dtype):
    """tanh(g R(θ) h) at g = 1, and h ↦ c h."""
    for c, angle in ((1e6, np.pi / 3), (-1e10, 1.0), (1e-8, 0.01)):
        with jax.enable_x64(dtype == np.float64):
            make_system = Beside(ring_beside, False, jnp.asarray([c, angle], dtype))
            branch = ro.continue_branch(make_system, jnp.zeros(3, dtype), (0.5, 1.6))
        assert branch.complete and kinds(branch) == ["neimark-sacker"], (c, angle, branch.bifurcations)
        np.testing.assert_allclose(parameters(branch), 1, atol=1.1 * WITHIN[dtype])
        np.testing.assert_allclose(branch.critical, np.exp(1j * angle), atol=4 * WITHIN[dtype])


# --- neurons, in millivolts or volts, milliseconds or seconds ----------------------------------------------------------


def hodgkin_huxley(h, current):
    """Hodgkin and Huxley (1952), rest at 0 mV, E_L = 10.613 mV."""
    V, m, n, k = h

    def ratio(u):
        return u / jnp.expm1(u)

    rates = (
        (ratio((25 - V) / 10), 4 * jnp.exp(-V / 18), m),
        (ratio((10 - V) / 10) / 10, jnp.exp(-V / 80) / 8, n),
        (0.07 * jnp.exp(-V / 20), 1 / (jnp.exp((30 - V) / 10) + 1), k),
    )
    flowing = 120 * m**3 * k * (V - 115) + 36 * n**4 * (V + 12) + 0.3 * (V - 10.613)
    return jnp.stack([current - flowing, *(opening * (1 - x) - closing * x for opening, closing, x in rates)])


def morris_lecar(h, current):
    """Rinzel and Ermentrout's set with two Hopf points."""
    V, w = h
    calcium, potassium = (1 + jnp.tanh((V + 1.2) / 18)) / 2, (1 + jnp.tanh((V - 2) / 30)) / 2
    flowing = 2 * (V + 60) + 4.4 * calcium * (V - 120) + 8 * w * (V + 84)
    return jnp.stack([(current - flowing) / 20, 0.04 * jnp.cosh((V - 2) / 60) * (potassium - w)])


NEURONS = {
    "hodgkin-huxley": (
        hodgkin_huxley,
        [0.0, 0.0529, 0.3177, 0.596],
        (0.0, 200.0),
        [9.77544, 154.52243],
        [0.58623, 1.06292],
    ),
    "morris-lecar": (morris_lecar, [-60.9, 0.0149], (0.0, 300.0), [93.8576, 212.0188], [0.0798, 0.1486]),
}
UNITS = [(1.0, 1.0), (1e-3, 1.0), (1.0, 1e3)]


@pytest.mark.gate
@pytest.mark.parametrize(
    ("neuron", "dtype"), [("hodgkin-huxley", np.float32), ("morris-lecar", np.float32), ("morris-lecar", np.float64)]
)
def test_hopf_points_of_neurons_do_not_depend_on_precision_and_units(neuron, dtype):
    """Published values to the digits printed; the frequencies from float64. Units of time and of the voltage alone."""
    f, start, interval, where, frequencies = NEURONS[neuron]
    for time, volt in UNITS if dtype == np.float32 else UNITS[:1]:
        size = np.array([volt] + [1.0] * (len(start) - 1))
        branch = follow(f, np.array(start), interval, dtype, time=time, size=size)
        assert kinds(branch) == ["hopf", "hopf"], (time, volt, branch.bifurcations)
        np.testing.assert_allclose(parameters(branch), where, atol=interval[1] * max(WITHIN[dtype], 5e-7))
        np.testing.assert_allclose(branch.critical.imag * time, frequencies, rtol=2e-3)


# --- units of time and state -------------------------------------------------------------------------------------------

SHAPES = {
    "loop": (lambda h, p: p + h - h**3, [-1.3], (-1.0, 1.0), ["fold", "fold"]),
    "stem": (lambda h, p: p * h - h**3, [0.0], (-1.0, 1.3), ["branch point"]),
    "circle": (lambda h, p: h**2 + p**2 - 1, [0.0], (-1.0, 1.5), ["fold", "fold"]),
    "growing": (lambda h, p: p - h + 0.1 * h**2, [0.0], (0.0, 3.0), ["fold"]),
}


@pytest.mark.gate
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ("loop", np.float32),
        ("stem", np.float64),
        pytest.param("circle", np.float32, marks=pytest.mark.thorough),
        pytest.param("growing", np.float64, marks=pytest.mark.thorough),
    ],
)
def test_units_of_time_and_state_change_nothing_else(shape, dtype):
    """Powers of two are exact, so that the same points are visited: parameters are equal, states and eigenvalues rescaled."""
    f, start, interval, found = SHAPES[shape]
    one = follow(f, np.array(start), interval, dtype)
    assert kinds(one) == found
    for time, size in ((2.0**20, 2.0**-20), (2.0**-20, 2.0**20)):
        other = follow(f, np.array(start), interval, dtype, time=time, size=size)
        assert kinds(other) == found and other.closed == one.closed
        np.testing.assert_allclose(parameters(other), parameters(one), atol=WITHIN[dtype])
        assert len(other.parameters) == len(one.parameters)
        np.testing.assert_allclose(other.points / size, one.points, atol=1e-3)


# --- what float32 cannot tell, and what it must not invent -------------------------------------------------------------


@pytest.mark.gate
def test_a_pair_too_close_to_two_real_eigenvalues_is_undecided():
    """J = [[0, 1], [−ω², p]] has the pair ±iω at p = 0, and two real eigenvalues from |p| = 2ω on."""
    for omega, dtype, kind in (
        (3e-5, np.float32, "undecided: float64 will"),
        (3e-5, np.float64, "hopf"),
        (1e-2, np.float32, "hopf"),
        (1e-7, np.float64, "undecided"),
    ):
        with jax.enable_x64(dtype == np.float64):
            make_system = Beside(slow_pair, True, jnp.asarray([omega], dtype))
            branch = ro.continue_branch(make_system, jnp.zeros(2, dtype), (-1.0, 1.3))
        assert kinds(branch) == [kind]
        np.testing.assert_allclose(parameters(branch), 0, atol=2.3 * WITHIN[dtype])
    assert len(ro.plot.branch(branch).axes) == 1


def slow_pair(h, q):
    p, omega = q
    return jnp.stack([h[1], -(omega**2) * h[0] + p * h[1] - h[0] ** 2 * (h[0] + h[1])])


@pytest.mark.slow
@PRECISIONS
def test_eigenvalues_that_stay_on_the_boundary_are_no_bifurcations(dtype):
    """A pendulum under a torque has ±iω, and two real ones beyond its fold; a + b is conserved in a reaction a ⇌ b."""
    pendulum = follow(lambda h, p: jnp.stack([h[1], p - jnp.sin(h[0])]), np.zeros(2), (0.0, 1.5), dtype)
    assert kinds(pendulum) == ["fold"]
    np.testing.assert_allclose(parameters(pendulum), 1, atol=1.5 * WITHIN[dtype])
    reaction = follow(
        lambda h, p: (p * h[1] ** 2 - h[0]) * jnp.array([1.0, -1.0], h.dtype),
        np.array([0.11, 0.3162]),
        (1.1, 3.0),
        dtype,
    )
    assert kinds(reaction) == []


@pytest.mark.parametrize(
    "seeds", [pytest.param(2, marks=pytest.mark.gate), pytest.param(4, marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("flow", [False, True], ids=["map", "flow"])
def test_float32_finds_on_random_networks_what_float64_finds(flow, seeds):
    """Along an input and along the gain; seeds as they come."""
    size, several = 4, 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        W, b, c = 2.5 * rng.standard_normal((size, size)) / size**0.5, 0.3 * rng.standard_normal(size), np.zeros(size)
        along_input = seed % 2
        c = 2 * rng.standard_normal(size) if along_input else c
        p0 = -3.0 if along_input else 0.2
        h = np.zeros(size)
        for _ in range(3000):
            h = h + 0.1 * (np.tanh((W if along_input else p0 * W) @ h + b + p0 * c) - h)
        found = []
        for dtype in (np.float64, np.float32):
            with jax.enable_x64(dtype == np.float64):
                gains = (1.0, 0.0) if along_input else (0.0, 1.0)
                make_system = Gained(*(jnp.asarray(a, dtype) for a in (W, b, c, gains)), flow)
                found.append(ro.continue_branch(make_system, jnp.asarray(h, dtype), (p0, 3.0)))
        assert kinds(found[0]) == kinds(found[1]) and found[0].complete == found[1].complete
        np.testing.assert_allclose(parameters(found[1]), parameters(found[0]), atol=6 * WITHIN[np.float32])
        several += len(kinds(found[0]))
    assert several > 0


class Gained(eqx.Module):
    """h ↦ tanh((g₀ + g₁ p) W h + b + p c), or its flow."""

    W: jax.Array
    b: jax.Array
    c: jax.Array
    gains: jax.Array
    flow: bool = eqx.field(static=True)

    def __call__(self, p):
        gain = self.gains[0] + self.gains[1] * p

        def after(h):
            return jnp.tanh(gain * (self.W @ h) + self.b + p * self.c)

        return ro.Flow(lambda t, h, path: after(h) - h) if self.flow else ro.Map(lambda x, h: after(h))
