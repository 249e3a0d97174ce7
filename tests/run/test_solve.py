"""The steps of a solver from interval to interval: how many, and what is kept of them."""

import itertools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

T, DT = 8, 0.5
RNG = np.random.default_rng(0)
XS = RNG.normal(size=(T, 1))
A = np.array([[-0.4, 1.0], [-0.8, -0.1]])
B = np.array([[1.0], [0.5]])
C = np.array([0.2, -0.3])
H0 = np.array([1.0, -0.5])
STAMPS = DT * np.arange(1, T + 1)
# `Textbook` at dt = 1 is dh/dt = W h + W⁻¹ (W_x x + b): any linear system, its input read at t
LINEAR = ro.to_ode(ro.VanillaCell(A, A @ B, A @ C, activation=None), ro.Textbook())
SAMPLES = np.concatenate([[0.0], STAMPS])
TIMES = {  # nine of them each: one compilation
    "the samples": SAMPLES,
    "between them": np.linspace(0.0, 4.0, 9) ** 2 / 4,
    "from the middle of a step": 1.3 + np.linspace(0.0, 1.4, 9),
    "inside one step": 1.6 + np.linspace(0.0, 0.35, 9),
    "from one sample": np.concatenate([[1.5], 1.5 + np.geomspace(1e-3, 2.3, 8)]),
    "before and beyond the samples": np.linspace(-2.3, 7.9, 9),
    "before only": np.linspace(-5.0, -1.1, 9),
    "beyond only": np.linspace(4.2, 11.0, 9),
    "a hair to either side of a sample": np.array([0.0, 1 - 1e-9, 1.0, 1 + 1e-9, 2.0, 3.0, 3.5, 4 - 1e-9, 4 + 1e-9]),
}


def held(t):
    return XS[np.clip(int(np.floor(t / DT)), 0, T - 1)]


@pytest.mark.slow
def test_an_implicit_solver():
    stiff = jnp.array([-1000.0, -1.0])
    run = ro.integrate(
        lambda t, h, path: stiff * (h - path(t)), ro.Hold(XS, DT), H0, solver=diffrax.Kvaerno5(), rtol=1e-7, atol=1e-9
    )
    h = H0
    for row, x in zip(run.states[1:], XS, strict=True):
        h = x + (h - x) * np.exp(np.asarray(stiff) * DT)
        np.testing.assert_allclose(row, h, atol=1e-6)
    assert run.stats["num_steps"] < 1000


def euler(**options):
    return ro.integrate(LINEAR, ro.Hold(XS, DT), H0, solver=diffrax.Euler(), **options)


def euler_by_hand(points):
    h = [H0]
    for a, b in itertools.pairwise(points):
        h.append(h[-1] + (b - a) * (A @ h[-1] + B @ held((a + b) / 2) + C))
    return np.array(h)


@pytest.mark.slow
def test_a_fixed_step_solver_takes_one_step_a_sample_and_save_keeps_what_it_returns():
    run = euler(save=lambda h: {"all": h, "sum": h.sum(), "up": h[0] > 0})
    wanted = euler_by_hand(SAMPLES)
    np.testing.assert_allclose(run.states["all"], wanted, rtol=1e-12)
    np.testing.assert_allclose(run.states["sum"], wanted.sum(axis=1), rtol=1e-12)
    assert np.array_equal(run.states["up"], wanted[:, 0] > 0)
    assert run.stats["num_steps"] == run.stats["num_accepted_steps"] == T
    assert run.stats["num_rejected_steps"] == 0


@pytest.mark.slow
def test_a_fixed_step_solver_stops_at_samples_and_times_alike():
    ts = TIMES["from the middle of a step"]
    run = euler(ts=ts)
    points = np.unique(np.concatenate([ts, [1.5, 2.0, 2.5]]))
    np.testing.assert_allclose(run.states[-1], euler_by_hand(points)[-1], rtol=1e-12)
    assert run.stats["num_steps"] == len(points) - 1


@pytest.mark.slow
def test_steps_run_out_in_total():
    run = euler(max_steps=T - 2, throw=False)
    assert run.result == ro.RESULTS.max_steps_reached
    assert run.stats["max_steps"] == T - 2
    np.testing.assert_allclose(run.states[: T - 1], euler_by_hand(SAMPLES)[: T - 1], rtol=1e-12)
    assert np.all(np.isinf(run.states[T - 1 :]))
    with pytest.raises(eqx.EquinoxRuntimeError, match=r"maximum number of solver steps"):
        euler(max_steps=T - 2)


@pytest.mark.slow
def test_steps_may_be_used_up():
    assert euler(max_steps=T).result == ro.RESULTS.successful


@pytest.mark.slow
def test_an_adaptive_run_ends_where_its_steps_do():
    path = ro.Hold(XS, DT)
    whole = ro.integrate(LINEAR, path, H0)
    run = ro.integrate(LINEAR, path, H0, max_steps=int(whole.stats["num_steps"]) // 2, throw=False)
    assert run.result == ro.RESULTS.max_steps_reached
    finite = np.isfinite(run.states).all(axis=1)
    assert 1 < finite.sum() < T
    np.testing.assert_array_equal(run.states[finite], whole.states[finite])
    assert np.all(np.isinf(run.states[~finite]))


@pytest.mark.slow
@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.sigmoid], ids=lambda f: f.__name__)
def test_trial_steps_to_where_the_field_is_undefined_leave_the_gradient_alone(activation):
    """The first trial step of these runs ends where the activation is saturated and its Jacobian zero; it is refused."""

    @jax.jit
    def last(w):
        cell = ro.VanillaCell(w[None, None], jnp.ones((1, 1)), jnp.zeros(1), activation=activation)
        run = ro.integrate(ro.to_ode(cell, ro.Backward(1)), ro.Hold(jnp.ones((4, 1))), jnp.zeros(1), throw=False)
        return run.states[-1, 0]

    step = 1e-5
    for w in (0.3, 0.5):
        wanted = (last(w + step) - last(w - step)) / (2 * step)
        np.testing.assert_allclose(jax.grad(last)(w), wanted, rtol=1e-5)


class Sum(eqx.Module):
    """dh/dt = a h + b h² + c log(d − t) + e sign(h) + f (h₂, −h₁): one field, compiled once, for every way to end."""

    a: jax.Array
    b: jax.Array
    c: jax.Array
    d: jax.Array
    e: jax.Array
    f: jax.Array

    def __call__(self, t, h, path):
        logs = jnp.log(jnp.where(self.c == 0, 1, self.d - t))
        turned = jnp.stack([h[1], -h[0]])
        return self.a * h + self.b * h**2 + self.c * logs + self.e * jnp.sign(h) + self.f * turned


def summed(**terms):
    return Sum(*(jnp.asarray(terms.get(name, 0.0), float) for name in "abcdef"))


def test_a_zero_field_from_zero_stays_there():
    run = ro.integrate(summed(), None, np.zeros(2), ts=np.arange(3.0))
    np.testing.assert_array_equal(run.states, 0)
