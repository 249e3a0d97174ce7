"""What every part promises, asked of each part of each kind, ours and a stranger's (tests/parts.py)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.flatten_util import ravel_pytree
from oracles import assert_close, derivative, equal, jacobian, loop
from parts import CELLS, FIELDS, HELD, METHODS, PATHS, SCHEMES, STATES, SYSTEMS, XS, N, T

import rnn_ode as ro
from rnn_ode import learn

H = np.linspace(-0.6, 0.8, N)
PATH = ro.Hold(XS)


def each(argument, items, quick=None, thorough=()):
    """A test of each of the items. With `quick` the others are for the full run, since each takes a second to compile, and
    those of `thorough`, which resemble another of the items, for `-m thorough`. What is new is thereby in the full run."""

    def mark(item):
        name = getattr(item, "label", item)
        if name in thorough:
            return pytest.mark.thorough
        return () if quick is None or name in quick else pytest.mark.slow

    return pytest.mark.parametrize(argument, [pytest.param(item, marks=mark(item)) for item in items])


def single(tree):
    """The same in float32."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32) if eqx.is_inexact_array_like(leaf) else leaf, tree)


def state_of(field):
    """A state of a field that is not zero."""
    zeros, unravel = ravel_pytree(field.initial_state())
    return unravel(jnp.linspace(-0.6, 0.8, len(zeros)))


# --- cells -------------------------------------------------------------------------------------------------------------


@each("name", CELLS)
def test_a_run_of_a_cell_is_the_loop(name):
    cell, h0 = CELLS[name], jax.tree.map(jnp.asarray, STATES[name])
    run = ro.iterate(cell, XS, h0)
    assert_close(run.states, loop(eqx.filter_jit(cell), XS, h0), rtol=1e-12, atol=1e-13)
    zeros = jax.tree.map(np.zeros_like, STATES[name])
    assert_close(jax.tree.map(lambda rows: rows[0], ro.iterate(cell, XS).states), zeros, rtol=0)


ALIKE = ("tanh", "affine", "piecewise", "gru", "behind an input layer", "projected")


@each("name", CELLS, quick=(), thorough=ALIKE)
def test_a_run_of_a_cell_in_parallel_is_the_loop(name):
    cell, h0 = CELLS[name], jax.tree.map(jnp.asarray, STATES[name])
    run = ro.iterate(cell, XS, h0, parallel=True)
    assert_close(run.states, loop(eqx.filter_jit(cell), XS, h0), rtol=1e-12, atol=1e-12)
    assert run.stats["parallel"] == ro.ParallelChoice.NEWTON


@each("name", CELLS, quick=(), thorough=("relu", "of a field", "stranger in pieces", *ALIKE))
def test_a_run_of_a_cell_in_parallel_is_its_run_in_float32(name):
    cell, xs, h0 = single((CELLS[name], XS, STATES[name]))
    with jax.enable_x64(False):
        runs = [ro.iterate(cell, xs, h0, parallel=parallel) for parallel in (True, False)]
    assert {leaf.dtype for leaf in jax.tree.leaves(runs[0].states)} == {jnp.dtype(jnp.float32)}
    assert_close(runs[0].states, runs[1].states, rtol=1e-5, atol=1e-5)


@each("name", CELLS, quick=())
def test_a_batch_of_a_cell_s_runs_is_its_runs(name):
    cell = CELLS[name]
    batch = np.stack([XS, -XS])
    states = eqx.filter_jit(jax.vmap(lambda xs: ro.iterate(cell, xs, STATES[name]).states))(batch)
    for k, xs in enumerate(batch):
        wanted = loop(eqx.filter_jit(cell), xs, jax.tree.map(jnp.asarray, STATES[name]))
        assert_close(jax.tree.map(lambda rows, k=k: rows[k], states), wanted, rtol=1e-12, atol=1e-13)


@each("name", CELLS, quick=(), thorough=("tanh", "affine", "piecewise", "gru", "behind an input layer"))
def test_the_gradient_of_a_batch_s_runs_is_the_slope_of_its_loss(name):
    """Along a random direction of all weights, against a difference of two losses."""
    weights, static = eqx.partition(CELLS[name], eqx.is_inexact_array)
    flat, unravel = ravel_pytree(weights)
    batch = np.stack([XS[:4], -XS[:4]])

    def loss(flat):
        cell = eqx.combine(unravel(flat), static)
        states = jax.vmap(lambda xs: ro.iterate(cell, xs, STATES[name], throw=False).states)(batch)
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(states))

    direction = np.random.default_rng(1).normal(size=flat.shape)
    slope = jax.grad(loss)(flat) @ direction
    # the difference has an error of about step² times the third derivative, and of eps/step
    assert float(slope) == pytest.approx(float(derivative(jax.jit(loss), flat, direction)), rel=1e-5, abs=1e-6)


@each("name", CELLS, quick=())
def test_a_cell_in_float32_stays_in_float32(name):
    cell, xs, h0 = single((CELLS[name], XS, STATES[name]))
    with jax.enable_x64(False):
        run = ro.iterate(cell, xs, h0)
    assert {leaf.dtype for leaf in jax.tree.leaves(run.states)} == {jnp.dtype(jnp.float32)}
    # seven steps of units of order 1: some tens of roundings
    assert_close(run.states, ro.iterate(CELLS[name], XS, STATES[name]).states, rtol=1e-4, atol=1e-5)


@each("name", CELLS)
def test_a_cell_comes_back_from_its_file(name, tmp_path):
    file = tmp_path / "cell"
    learn.save(file, CELLS[name])
    known = (type(CELLS[name]),) if name.startswith("stranger") else ()
    assert equal(learn.load(file, known=known), CELLS[name])


@pytest.mark.slow
@each("name", CELLS)
def test_forward_and_euler_give_the_cell_back(name):
    cell, x, h = CELLS[name], jnp.asarray(XS[0]), jax.tree.map(jnp.asarray, STATES[name])
    again = ro.to_rnn(ro.to_ode(cell, ro.Forward(1)), ro.Euler())
    assert_close(eqx.filter_jit(again)(x, h), eqx.filter_jit(cell)(x, h), rtol=1e-13, atol=1e-14)


# --- fields ------------------------------------------------------------------------------------------------------------


@each("name", FIELDS, quick=())
def test_a_field_has_the_shape_of_its_state_and_one_rate_under_jit_and_vmap(name):
    field = FIELDS[name]
    h = state_of(field) if hasattr(field, "initial_state") else jnp.asarray(H)
    rate = field(0.5, h, PATH)
    assert jax.tree.map(jnp.shape, rate) == jax.tree.map(jnp.shape, h)
    assert_close(eqx.filter_jit(field)(0.5, h, PATH), rate, rtol=1e-12, atol=1e-13)
    rows = jax.vmap(lambda t: field(t, h, PATH))(jnp.array([0.5, 2.5]))
    assert_close(jax.tree.map(lambda leaf: leaf[0], rows), rate, rtol=1e-12, atol=1e-13)
    assert_close(jax.tree.map(lambda leaf: leaf[1], rows), field(2.5, h, PATH), rtol=1e-12, atol=1e-13)


@each("name", FIELDS, quick=(), thorough=("CTRNN", "AntisymmetricRNN", "forward:2", "backward:1"))
def test_a_field_is_integrated_as_by_small_steps(name):
    """Against 200 steps of the classical Runge–Kutta method for each of two samples, whose inputs are constants."""
    field = FIELDS[name]
    h0 = state_of(field) if hasattr(field, "initial_state") else jnp.asarray(H)
    flat, unravel = ravel_pytree(h0)

    @jax.jit
    def after_a_sample(k, x, h):
        def rate(s, v):
            return ravel_pytree(field(k + s, unravel(v), lambda t, after=0.0: x))[0]

        def step(j, h):
            s, d = j / 200, 1 / 200
            first = rate(s, h)
            second = rate(s + d / 2, h + d / 2 * first)
            third = rate(s + d / 2, h + d / 2 * second)
            return h + d / 6 * (first + 2 * second + 2 * third + rate(s + d, h + d * third))

        return jax.lax.fori_loop(0, 200, step, h)

    h = flat
    for k in range(2):
        h = after_a_sample(float(k), jnp.asarray(XS[k]), h)
    run = ro.integrate(field, PATH, h0, ts=np.array([0.0, 2.0]))
    last = ravel_pytree(jax.tree.map(lambda rows: rows[-1], run.states))[0]
    # the default rtol in float64 is 1e-8 of states of order 1; the oracle's error is 200^-4 times a constant
    np.testing.assert_allclose(last, h, rtol=1e-6, atol=1e-7)


# --- methods -----------------------------------------------------------------------------------------------------------


@each("method", METHODS, quick=())
def test_a_method_s_matrix_has_the_exponents_of_its_multipliers(method):
    W = np.array([[0.9, 0.3, 0.0], [-0.3, 0.9, 0.1], [0.0, 0.0, 0.6]])
    multipliers = np.linalg.eigvals(W)
    wanted = np.asarray(method.exponent(multipliers))
    came = np.linalg.eigvals(np.asarray(method.generator(W)))
    # each has its partner: to sort complex numbers would compare roundings of equal real parts
    distances = np.abs(came[:, None] - wanted[None, :])
    assert distances.min(axis=0).max() < 1e-10 and distances.min(axis=1).max() < 1e-10
    assert method.obstacle(W) is None and bool(ro.spectrum(W).exists(method))


@each("method", METHODS)
def test_a_method_is_found_by_its_label(method):
    from rnn_ode._methods.catalogue import from_label

    assert from_label("method", method.label) == method


@each("method", METHODS, quick=())
def test_a_method_s_exponent_is_that_of_its_flow(method):
    """An affine network of one unit: its flow leaves h as exp(g(λ)) does, with λ = 0.8 and without input."""
    cell = ro.VanillaCell([[0.8]], [[0.0]], [0.0], activation=None)
    field = ro.to_ode(cell, method)
    run = ro.integrate(
        field, ro.Hold(np.zeros((1, 1))), np.ones(1) * (1 + 0j if method.label == "exact:complex" else 1)
    )
    wanted = np.exp(complex(method.exponent(0.8)))
    np.testing.assert_allclose(np.asarray(run.states)[-1, 0], wanted.real, rtol=1e-7)


# --- paths -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@each("name", PATHS)
def test_a_path_meets_its_samples_and_holds_the_last_one(name):
    path = PATHS[name](XS, dt=0.25)
    # a held sample is read during its step, before its stamp
    times = path.stamps - 0.125 if name in HELD else path.stamps
    np.testing.assert_allclose(jax.vmap(path)(times), XS, rtol=0, atol=1e-12)
    np.testing.assert_allclose(path(100.0), XS[-1], rtol=0, atol=1e-12)


@pytest.mark.slow
@each("name", PATHS)
def test_a_path_says_whether_it_is_held(name):
    from rnn_ode._paths.base import is_held

    path = PATHS[name](XS)
    assert is_held(path) == (name in HELD)
    held = np.allclose(path(1.25), XS[1])  # sample 1 drives the step from 1 to 2
    assert held == (name in HELD)


@pytest.mark.slow
@each("name", PATHS)
def test_a_path_finds_float32_times(name):
    """At 44.1 kHz float32 does not hold the stamps; the samples are found all the same."""
    xs = np.tile(XS, (2000, 1))
    path = PATHS[name](xs, dt=1 / 44_100)
    times = np.asarray(path.stamps)[-50:].astype(np.float32)
    # a held path asked at the end of a step reads the next sample
    wanted = np.append(xs, xs[-1:], axis=0)[-50:] if name in HELD else xs[-50:]
    np.testing.assert_allclose(jax.vmap(path)(jnp.asarray(times)), wanted, rtol=0, atol=1e-9)


@each("name", PATHS, quick=("Hold", "stranger, smooth"))
def test_evolve_at_whole_steps_is_the_network_for_every_path(name):
    cell, path = CELLS["tanh"], PATHS[name](XS)
    states = ro.evolve(cell, path, np.arange(T + 1.0)).states
    np.testing.assert_allclose(states, ro.iterate(cell, XS).states, atol=1e-12)


# --- schemes -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@each("name", SCHEMES)
def test_a_scheme_has_its_order_on_a_linear_field(name):
    scheme, order = SCHEMES[name]
    A = np.array([[-0.4, 1.0, 0.0], [-1.0, -0.4, 0.3], [0.0, 0.0, -0.9]])

    def error(dt):
        step = ro.to_rnn(lambda t, h, path: jnp.asarray(A) @ h + path(t).sum(), scheme, dt)
        exact = scipy.linalg.expm(np.block([[A * dt, np.full((3, 1), 3.0 * dt)], [np.zeros((1, 4))]])) @ [*H, 1.0]
        return np.linalg.norm(step(jnp.array([1.0, 2.0]), jnp.asarray(H)) - exact[:3])

    if order == 0:
        assert error(0.5) < 1e-13
    else:
        # the error of one step is of order p + 1; from 0.1 to 0.05 the next term changes the exponent by less than 0.3
        assert np.log2(error(0.1) / error(0.05)) == pytest.approx(order + 1, abs=0.3)


# --- systems -----------------------------------------------------------------------------------------------------------


def point(system):
    """A state with the size of the system's own, near 0.1."""
    sizes = {"stranger in steps": 2, "map of an LSTM": 2 * N}
    name = next(name for name, other in SYSTEMS.items() if other is system)
    return 0.1 * (1 + np.arange(sizes.get(name, N)))


@each("name", SYSTEMS, quick=())
def test_a_system_s_jacobian_is_the_derivative_of_its_residual(name):
    system = SYSTEMS[name]
    h = point(system)
    identity = np.eye(len(h)) * (isinstance(system.time, ro.Discrete))
    wanted = jacobian(eqx.filter_jit(system.residual), jnp.asarray(h)) + identity
    np.testing.assert_allclose(system.jacobian(jnp.asarray(h)), wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.gate
@each("name", ["map of an LSTM", "flow of a stranger"])  # for systems of their own see systems/test_base.py
def test_every_analysis_takes_a_system_of_any_kind(name):
    system = SYSTEMS[name]
    found = ro.fixed_points(system, np.stack([point(system), -point(system)]))
    assert int(found.count) >= 1
    rest = np.asarray(found.points[0])
    np.testing.assert_allclose(system.residual(jnp.asarray(rest)), 0, atol=1e-9)
    values = np.linalg.eigvals(jacobian(eqx.filter_jit(system.residual), jnp.asarray(rest)))
    values = values + 1 if isinstance(system.time, ro.Discrete) else values
    largest = np.max(np.asarray(system.time.growth(jnp.asarray(values))))
    growth = ro.transient(system, rest)
    assert float(growth.rate) == pytest.approx(largest, rel=1e-4, abs=1e-6)
    exponents = ro.lyapunov(system, rest, 40.0, count=1)
    # at a fixed point the largest exponent is the largest rate of its eigenvalues, to the first direction's share in it
    assert float(exponents.exponents[0]) == pytest.approx(largest, abs=0.15)


def test_every_kind_of_part_is_there():
    """A part that the package exports is in the lists above."""
    shown = {*map(type, CELLS.values()), *map(type, FIELDS.values()), *map(type, METHODS), *map(type, SYSTEMS.values())}
    shown |= {*PATHS.values(), *(type(scheme) for scheme, _ in SCHEMES.values())}
    bases = (
        ro.AbstractCell,
        ro.AbstractField,
        ro.AbstractMethod,
        ro.AbstractPath,
        ro.AbstractScheme,
        ro.AbstractSystem,
    )
    public = [getattr(ro, name) for name in ro.__all__]
    ours = {thing for thing in public if isinstance(thing, type) and issubclass(thing, bases) and thing not in bases}
    filters = {ro.HalfBand}  # does not meet its samples: tests/paths/test_half_band.py
    assert ours - filters <= shown
