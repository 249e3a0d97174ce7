"""Bifurcations and orbits that MatCont, BifurcationKit and books publish.

Printed output has six digits after the point: a unit of the last one is allowed. BifurcationKit's values stand in its tests,
with the tolerance that its authors give, which is what is allowed. Where a published value and ours differ, `exact`
calculates it in 40 digits by other equations. MatCont prints ω l₁ where Kuznetsov's book has l₁.
"""

import jax.numpy as jnp
import mpmath as mp
import numpy as np

import rnn_ode as ro

from . import exact
from .rows import row, told

PART = "Bifurcations and orbits of other programs and of books"
MATCONT = "MatCont manual"
KIT = "BifurcationKit tests"


def slow_rows() -> list[dict]:
    return [
        *morris_lecar(),
        *catalytic_oscillator(),
        *lorenz_84(),
        *adaptive_control(),
        *lorenz_63(),
        *van_der_pol(),
        *cascades(),
    ]


def flow(rate):
    return ro.Flow(lambda t, h, path: jnp.stack(rate(h)))


def of_kind(branch, kind):
    return [one for one in branch.bifurcations if one.kind == kind]


def at(curve, kind):
    """A curve's points of one kind, by the first parameter."""
    return sorted((one for one in curve.events if one.kind == kind), key=lambda one: one.parameters[0])


def near(found, parameter):
    return min(found, key=lambda one: abs(one.parameter - parameter))


def compare(subject, published, source, ours, within, referee=None):
    """A row. `referee`: a function that calculates the value in 40 digits, called where the two differ."""
    made = row(PART, subject, published, source, ours, within=within)
    if referee is None or made["status"] == "agrees":
        return made
    true = np.array([float(value) for value in np.ravel(referee())]).reshape(np.shape(ours))
    if np.abs(true - ours).max() <= 1e-3 * np.abs(true - published).max():
        made["status"] = "published value is inexact: 40 digits give ours"
    return made


def morris_lecar():
    """The fast Morris–Lecar equations in y, z = 0.1."""

    def rate(h, p, tanh, cosh):
        v, w = h
        m, s = (1 + tanh((v + 0.01) / 0.15)) / 2, (1 + tanh((v - 0.1) / 0.145)) / 2
        return [p[0] - 0.5 * (v + 0.5) - 2 * w * (v + 0.7) - m * (v - 1), 1.15 * (s - w) * cosh((v - 0.1) / 0.29)]

    def exactly(h, p):
        return rate(h, p, mp.tanh, mp.cosh)

    start = np.array([0.0472, 0.3256])
    branch = ro.continue_branch(lambda y: flow(lambda h: rate(h, [y], jnp.tanh, jnp.cosh)), start, (0.11047, -0.05))
    yield from hopf_point("Morris–Lecar", "y", branch, exactly, 0.075658, 8.238955)
    for y, a in ((-0.020727, 10.36700), (0.083257, 2.697425)):
        yield from fold_point("Morris–Lecar", "y", branch, exactly, y, a, 1e-5 if a > 10 else 1e-6)


def hopf_point(name, parameter, branch, exactly, value, coefficient):
    """What MatCont prints of a Hopf point."""
    ours = near(of_kind(branch, "hopf"), value)
    omega = branch.critical[branch.bifurcations.index(ours)].imag
    yield compare(f"{name}: Hopf point, {parameter}", value, MATCONT, ours.parameter, 1e-6)

    def referee():
        product = exact.lyapunov_coefficient(exactly, *exact.bifurcation("hopf", exactly, ours.point, [ours.parameter]))
        return product[0] * product[1]

    within = 1e-5 if coefficient > 10 else 1e-6
    yield compare(
        f"{name}: ω l₁ of the Hopf point {parameter} = {value:g}",
        coefficient,
        MATCONT,
        ours.coefficient * abs(omega),
        within,
        referee,
    )


def fold_point(name, parameter, branch, exactly, value, size, within):
    """What MatCont prints of a fold. The sign of its coefficient depends on that of a vector."""
    ours = near(of_kind(branch, "fold"), value)
    yield compare(f"{name}: fold, {parameter}", value, MATCONT, ours.parameter, 1e-6)

    def referee():
        return abs(exact.fold_coefficient(exactly, *exact.bifurcation("fold", exactly, ours.point, [ours.parameter])))

    yield compare(
        f"{name}: coefficient of the fold {parameter} = {value:g}",
        size,
        MATCONT,
        abs(ours.coefficient),
        within,
        referee,
    )


def catalytic_oscillator():
    """CO oxidation (Bykov, Yablonskii & Kim 1978) in q₂ and k."""

    def rate(h, p, k=0.4):
        x, y, s = h
        k = p[1] if len(p) == 2 else k
        z = 1 - x - y - s
        return [5 * z**2 - 2 * x**2 - 10 * x * y, p[0] * z - 0.1 * y - 10 * x * y, 0.0675 * (z - k * s)]

    def system(p):
        return flow(lambda h: rate(h, p))

    start = np.array([0.0012, 0.89, 0.062])
    branch = ro.continue_branch(lambda q: flow(lambda h: rate(h, [q])), start, (2.0, 0.5))
    for q, coefficient in ((1.051558, 10.70259), (1.040991, 4.332247)):
        yield from hopf_point("CO oxidation", "q₂", branch, rate, q, coefficient)
    for q, coefficient in ((1.042049, 0.1166509), (1.052200, 0.1346534)):
        yield from fold_point("CO oxidation", "q₂", branch, rate, q, coefficient, 1e-7)
    for kind, q in (("hopf", 1.04099606), ("fold", 1.05220029), ("fold", 1.04204851), ("hopf", 1.05158367)):
        ours = near(of_kind(branch, kind), q)
        referee = located(kind, rate, ours.point, [ours.parameter])
        # ≈ of Julia is 1.5e-8 of the value
        yield compare(f"CO oxidation: {kind}, q₂", q, KIT, ours.parameter, 1.6e-8, referee)
    yield from catalytic_curves(rate, system, branch)


def catalytic_curves(rate, system, branch):
    fold, box = near(of_kind(branch, "fold"), 1.0522), ((0.5, 2.0), (0.1, 2.0))
    curve = ro.continue_bifurcation(system, fold, (fold.parameter, 0.4), box)
    wanted = ([1.161199, 0.722339], [1.417628, 0.971398])
    for ours, pair in zip(at(curve, "bogdanov-takens"), wanted, strict=True):
        yield compare("CO oxidation: Bogdanov–Takens, (q₂, k)", pair, MATCONT, ours.parameters, 1e-6)
    (cusp,) = at(curve, "cusp")

    def referee():
        return exact.cusp(rate, cusp.point, cusp.parameters)[1][1]

    yield compare("CO oxidation: cusp, (q₂, k)", [1.006408, 0.355991], MATCONT, cusp.parameters, 1e-6)
    yield compare("CO oxidation: cusp, k", 0.35665351, KIT, cusp.parameters[1], 3.6e-5, referee)
    hopf = near(of_kind(branch, "hopf"), 1.04099)
    curve = ro.continue_bifurcation(system, hopf, (hopf.parameter, 0.4), box)
    lower, upper = at(curve, "generalised hopf")
    yield compare("CO oxidation: generalised Hopf, (q₂, k)", [0.891319, 0.232487], MATCONT, lower.parameters, 1e-6)
    yield compare("CO oxidation: generalised Hopf, (q₂, k)", [0.924255, 0.305879], MATCONT, upper.parameters, 1e-6)
    yield compare("CO oxidation: generalised Hopf, (q₂, k)", [0.896099, 0.232], KIT, lower.parameters, 0.009)


def located(kind, rate, point, parameters):
    """The referee of a bifurcation's last parameter."""
    return lambda: exact.bifurcation(kind, rate, point, parameters)[1][-1]


def lorenz_84():
    """The extended Lorenz-84 system in F and T: α = ¼, β = 1, G = ¼, δ = 1.04, γ = 0.987."""

    def rate(h, p):
        x, y, z, u = h
        return [
            -(y**2) - z**2 - x / 4 + p[0] / 4 - 0.987 * u**2,
            x * y - x * z - y + 0.25,
            x * y + x * z - z,
            -1.04 * u + 0.987 * u * x + p[1],
        ]

    start = np.array([2.9787, -0.03868, 0.05823, -0.02105])
    branch = ro.continue_branch(lambda F: flow(lambda h: rate(h, [F, 0.04])), start, (3.0, 1.2))
    for kind, low, high in (
        ("hopf", 2.859863413561998, 2.859897757930758),
        ("hopf", 2.467211879219629, 2.467246154619121),
        ("hopf", 1.619657484413436, 1.6196654620692468),
        ("fold", 1.546648372620807, 1.5466483727182652),
    ):
        found = near(of_kind(branch, kind), low).parameter
        yield compare(f"Lorenz 84: {kind}, F", (low + high) / 2, f"{KIT}: an interval", found, (high - low) / 2 + 1e-9)
    fold = near(of_kind(branch, "fold"), 1.5466)
    box = ((1.0, 3.5), (-0.1, 0.1))
    curve = ro.continue_bifurcation(lambda p: flow(lambda h: rate(h, p)), fold, (fold.parameter, 0.04), box)
    for kind, wanted in (("bogdanov-takens", (-0.02135893, 0.02058724)), ("zero-hopf", (-0.00045281, 0.00004983))):
        found = sorted(at(curve, kind), key=lambda one: one.parameters[1])
        for theirs, ours in zip(wanted, found, strict=True):
            referee = located(kind, rate, ours.point, ours.parameters)
            within = max(1e-8, 1e-5 * abs(theirs))
            yield compare(f"Lorenz 84: {kind}, T", theirs, KIT, ours.parameters[1], within, referee)


def adaptive_control():
    """x‴ + α x″ + β x′ + x = x² (Kuznetsov, 5.4)."""

    def system(beta):
        return lambda alpha: flow(lambda h: (h[1], h[2], -alpha * h[2] - beta * h[1] - h[0] + h[0] ** 2))

    for beta, value in ((1.0, -0.3), (2.0, -0.08843086)):
        branch = ro.continue_branch(system(beta), np.zeros(3), (1.4 / beta, 0.5 / beta))
        (hopf,) = of_kind(branch, "hopf")
        yield compare(
            f"adaptive control, β = {beta:g}: Hopf point, α", 1 / beta, "on paper: α β = 1", hopf.parameter, 1e-8
        )
        yield compare(
            f"adaptive control, β = {beta:g}: l₁ of the Hopf point",
            value,
            "Kuznetsov 2004, 5.4",
            hopf.coefficient,
            5e-9,
        )
    branch = ro.continue_branch(system(1.0), np.zeros(3), (1.2, 0.5))
    orbits = ro.switch_branch(system(1.0), branch, branch.bifurcations[0])
    (flip,) = of_kind(orbits, "flip")
    yield compare("adaptive control: its orbit doubles, α", 0.6303020, "MatCont tutorial", flip.parameter, 1e-7)
    yield compare(
        "adaptive control: period of the orbit that doubles",
        6.364071,
        "MatCont tutorial",
        orbits.periods[orbits.indices[0]],
        1e-6,
    )
    yield compare("adaptive control: its orbit doubles, α", 0.63031334, KIT, flip.parameter, 6.3e-5)


def lorenz_63():
    def system(rho):
        return flow(lambda h: (10 * (h[1] - h[0]), h[0] * (rho - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]))

    branch = ro.continue_branch(system, np.array([8.0, 8.0, 27.0]), (28.0, 5.0))
    hopf = of_kind(branch, "hopf")[0]
    yield compare("Lorenz: Hopf point, ρ", 470 / 19, "on paper: σ(σ + β + 3)/(σ − β − 1)", hopf.parameter, 1e-8)
    yield told(PART, "Lorenz: kind of the Hopf point", "subcritical", "Marsden & McCracken 1976", hopf.criticality)
    cycles = ro.switch_branch(system, branch, hopf)
    yield compare("Lorenz: homoclinic orbit, ρ", 13.926, "Sparrow 1982", cycles.parameters[-1], 1e-3)


def van_der_pol():
    """Periods and amplitude: Andersen & Geer, SIAM J. Appl. Math. 42 (1982) 678; Urabe (1960) for μ = 10."""
    for mu, period in ((1.0, 6.66328686), (10.0, 19.07836957)):
        system = flow(lambda h, mu=mu: (h[1], mu * (1 - h[0] ** 2) * h[1] - h[0]))
        orbit = ro.periodic_orbit(system, *ro.orbit_guess(system, np.array([2.0, 0.0]), 6 * period))
        yield compare(f"van der Pol, μ = {mu:g}: period", period, "Andersen & Geer 1982", float(orbit.period), 2e-8)
        yield told(
            PART, f"van der Pol, μ = {mu:g}: verdict of the orbit", "DECAYS", "Liénard's theorem", orbit.verdict_name
        )


def cascades():
    """Period doublings: OEIS A086181 and A091517 for the logistic map, Derrida, Gervois & Pomeau (1979) for Hénon's."""
    logistic = [3, 1 + 6**0.5, 3.5440903596, 3.5644072661, 3.5687594195]
    yield from cascade("logistic map", lambda r: ro.Map(lambda x, h: r * h * (1 - h)), [0.5], (2.0, 3.9), logistic)
    henon = [0.3675, 0.9125, 1.02585541, 1.05112566]
    yield from cascade(
        "Hénon map, b = 0.3",
        lambda a: ro.Map(lambda x, h: jnp.stack([1 - a * h[0] ** 2 + h[1], 0.3 * h[0]])),
        [0.6, 0.2],
        (0.1, 1.4),
        henon,
    )


def cascade(name, system, start, interval, wanted):
    branch = ro.continue_branch(system, np.array(start), interval)
    for k, value in enumerate(wanted):
        flip = of_kind(branch, "flip")[-1]
        source = "on paper" if k < 2 else "Feigenbaum's cascade"
        yield compare(f"{name}: period {2 ** (k + 1)} is born", value, source, flip.parameter, 5e-9)
        if k + 1 < len(wanted):
            branch = ro.switch_branch(system, branch, flip)
