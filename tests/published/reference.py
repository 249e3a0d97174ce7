"""Values of textbooks and of arithmetic: verdicts, exponents, transients, fixed points and cycles.

Lyapunov exponents of chaotic motion are compared within four of our standard errors and a unit of the last published digit.
"""

import jax.numpy as jnp
import numpy as np

import rnn_ode as ro

from .rows import row, told

PART = "Values of textbooks and of arithmetic"
PAPER = "on paper"
SPROTT = "Sprott 2003"


def rows() -> list[dict]:
    return [*verdicts(), *transients()]


def slow_rows() -> list[dict]:
    return [*exponents(), *networks(), *tent_map(), *fixed_points()]


def compare(subject, published, source, ours, within):
    return row(PART, subject, published, source, ours, within=within)


def verdicts():
    methods = {"network": None, "exp(W t)": ro.Textbook(), "λ − 1": ro.Forward(1), "1 − 1/λ": ro.Backward(1),
               "Tustin": ro.Tustin(), "log λ": ro.Exact()}  # fmt: skip
    known = {
        0.5: "DECAYS, GROWS, DECAYS, DECAYS, DECAYS, DECAYS",
        -2.0: "GROWS, DECAYS, DECAYS, GROWS, GROWS, GROWS",
        0.9j: "DECAYS, PERSISTS, DECAYS, GROWS, DECAYS, DECAYS",
        -1.5: "GROWS, DECAYS, DECAYS, GROWS, GROWS, GROWS",
    }
    for multiplier, wanted in known.items():
        a, b = np.real(multiplier), np.imag(multiplier)
        W = np.array([[a, -b], [b, a]]) if b else np.array([[a]])
        s = ro.spectrum(W)
        ours = [ro.verdict_name(s.discrete if method is None else s.continuous(method)) for method in methods.values()]
        told_of = ", ".join(methods)
        yield told(PART, f"multiplier {multiplier}: {told_of}", wanted, PAPER, ", ".join(ours))
    one = ro.verdict_name(ro.spectrum(np.array([[1.0, 1.0], [0.0, 1.0]])).discrete)
    yield told(PART, "(1, 1; 0, 1) grows like k, and no eigenvalue says so", "UNDETERMINED", PAPER, one)


def transients():
    found = ro.transient(np.array([[0.5, 10.0], [0.0, 0.5]]))
    yield compare("largest growth of (½, 10; 0, ½)", (101**0.5 + 10) / 2, PAPER, found.peak, 1e-9)
    yield compare("its Kreiss constant", 5.05, PAPER, found.kreiss, 1e-9)


def exponents():
    logistic = ro.lyapunov(ro.Map(lambda x, h: 4 * h * (1 - h)), jnp.array([0.3]), 100_000.0, transient=100.0)
    yield exponent("logistic map, r = 4: exponent", [np.log(2)], PAPER, logistic, 0)
    henon = ro.lyapunov(
        ro.Map(lambda x, h: jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])), jnp.zeros(2), 1e6, transient=100.0
    )
    yield exponent("Hénon map: exponents", [0.41922, -1.62319], SPROTT, henon, 1e-5)
    yield compare("Hénon map: sum of the exponents", np.log(0.3), PAPER, float(jnp.sum(henon.exponents)), 1e-9)
    yield compare("Hénon map: Kaplan–Yorke dimension", 1.25827, SPROTT, henon.kaplan_yorke, 1e-3)

    def lorenz(t, h, path):
        return jnp.stack([10 * (h[1] - h[0]), h[0] * (28 - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]])

    run = ro.lyapunov(ro.Flow(lorenz), jnp.ones(3), 5000.0, transient=20.0)
    yield exponent("Lorenz: exponents", [0.9056, 0, -14.5723], SPROTT, run, 1e-4)
    # the steps may change an exponent by 2e-7 of the fastest rate, 22
    yield compare("Lorenz: sum of the exponents", -41 / 3, PAPER, float(jnp.sum(run.exponents)), 4.4e-6)
    yield compare("Lorenz: Kaplan–Yorke dimension", 2.06215, SPROTT, run.kaplan_yorke, 1e-3)
    rossler = ro.Flow(lambda t, h, _: jnp.stack([-h[1] - h[2], h[0] + 0.2 * h[1], 0.2 + h[2] * (h[0] - 5.7)]))
    run = ro.lyapunov(rossler, jnp.ones(3), 10_000.0, transient=200.0)
    yield exponent("Rössler: exponents", [0.0714, 0, -5.3943], SPROTT, run, 1e-4)


def exponent(subject, published, source, run, digit):
    return compare(subject, published, source, run.exponents, digit + 4 * float(jnp.max(run.stderr)))


def networks():
    """Random tanh networks: mean field of Sompolinsky, Crisanti & Sommers (1988), for N → ∞."""
    rng = np.random.default_rng(0)
    n, g = 1000, 2.0
    J = jnp.asarray(rng.normal(size=(n, n)) * g / n**0.5)
    run = ro.lyapunov(
        ro.Map(lambda x, h: jnp.tanh(J @ h)), jnp.asarray(rng.normal(size=n)), 500.0, count=1, transient=100.0
    )
    yield exponent("tanh network of 1000 units, g = 2: largest exponent", [0.154724], "mean field, N → ∞", run, 0.01)


def tent_map():
    """ReLU network with W = (m, −2m; m, −2m), b = (0, −½): the tent map of slope m."""
    m = 1.9
    W = jnp.asarray([[m, -2 * m], [m, -2 * m]])
    tent = ro.Map(ro.VanillaCell(W, jnp.zeros((2, 1)), jnp.asarray([0.0, -0.5])), jnp.zeros(1))
    for period, count in {1: 2, 2: 1, 3: 2, 4: 3}.items():
        found = ro.cycles(tent, period)
        yield compare(f"tent map, slope 1.9: orbits of period {period}", count, PAPER, len(found.points), 0.5)
        size = np.abs(np.asarray(found.multipliers)).max(axis=1)
        yield compare(f"… size of their multipliers, period {period}", np.full(count, m**period), PAPER, size, 1e-9)


def fixed_points():
    def henon(x, h):
        return jnp.stack([1 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])

    found = ro.fixed_points(ro.Map(henon), np.random.default_rng(0).normal(size=(16, 2)))
    x = np.sort(np.asarray(found.points[:2, 0]))
    root = (0.7**2 + 4 * 1.4) ** 0.5
    yield compare("Hénon map: fixed points, x", (-0.7 + np.array([-root, root])) / 2.8, PAPER, x, 1e-10)

    def unit(b):
        return ro.Map(lambda x, h: jnp.tanh(2 * h + b))

    branch = ro.continue_branch(unit, np.array([-1.0]), (-1.0, 1.0))
    fold = 2 * 0.5**0.5 - np.arctanh(0.5**0.5)
    yield compare(
        "h = tanh(2 h + b): folds, b", [fold, -fold], PAPER, [one.parameter for one in branch.bifurcations], 1e-9
    )
    turn = np.array([[0.5, -(0.75**0.5)], [0.75**0.5, 0.5]])

    def network(g, flow):
        cell = ro.VanillaCell(g * turn, jnp.zeros((2, 1)), jnp.zeros(2), jnp.tanh)
        return ro.Flow(ro.to_ode(cell, ro.Forward(1)), jnp.zeros(1)) if flow else ro.Map(cell, jnp.zeros(1))

    for name, flow, wanted in (("network: Neimark–Sacker point", False, 1.0), ("its flow: Hopf point", True, 2.0)):
        branch = ro.continue_branch(lambda g, flow=flow: network(g, flow), np.zeros(2), (0.5, 2.5))
        yield compare(f"tanh(g R(60°) h), {name}, g", wanted, PAPER, branch.bifurcations[0].parameter, 1e-8)
