"""The scan over a network's states: its derivatives against those that JAX takes of a plain scan, step by step."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lazy import Lazy
from weights import drawn

import rnn_ode as ro
from rnn_ode._base.states import is_finite
from rnn_ode._cells.protocol import recurrence
from rnn_ode._cells.vanilla import _ABSORBING
from rnn_ode._run import scan

N, D, T = 3, 2, 7
RNG = np.random.default_rng(0)
XS = jnp.asarray(RNG.normal(size=(T, D)))
W_H, W_X, B = (RNG.normal(size=shape) for shape in ((N, N), (N, D), N))
KEYS = [jax.random.key(k) for k in range(8)]


def vanilla(activation):
    return ro.VanillaCell(0.8 * W_H, W_X, B, activation)


CELLS = Lazy(
    {
        "tanh": lambda: vanilla(jnp.tanh),
        "relu": lambda: vanilla(jax.nn.relu),
        "affine": lambda: vanilla(None),
        "piecewise": lambda: ro.PiecewiseLinearCell(
            *(0.5 * jax.random.normal(KEYS[k], (N, N)) for k in (4, 5)), XS[:N], XS[3:6, 0]
        ),
        "lstm": lambda: drawn(eqx.nn.LSTMCell, D, N, seed=6),
        "gru": lambda: drawn(eqx.nn.GRUCell, D, N, seed=7),
        "lstm without bias": lambda: drawn(eqx.nn.LSTMCell, D, N, use_bias=False, seed=6),
        "gru without bias": lambda: drawn(eqx.nn.GRUCell, D, N, use_bias=False, seed=7),
    }
)
TELLING = ("tanh", "affine", "piecewise", "lstm", "gru without bias")
cells = pytest.mark.parametrize("name", CELLS)


def start(name):
    h = jnp.linspace(-0.5, 0.6, N)  # no relu at its kink, where second derivatives depend on the way
    return (h, h[::-1]) if name.startswith("lstm") else h


def plain(cell, xs, h0):
    """Every step by the cell itself, differentiated as JAX does."""

    def body(h, x):
        h = cell(x, h)
        return h, h

    return jax.lax.scan(body, h0, xs)[1]


def ours(cell, xs, h0, **options):
    return jax.tree.map(lambda leaf: leaf[1:], ro.iterate(cell, xs, h0, throw=False, **options).states)


def weighed(states):
    """A number of all states, no two of which count alike."""
    leaves = [leaf * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape) for leaf in jax.tree.leaves(states)]
    return sum(jnp.sum(leaf + leaf**2) for leaf in leaves)


def assert_close(found, wanted, tolerance=1e-12):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * float(jnp.max(jnp.abs(b))))


def derivatives(run, name):
    """Gradient by everything, a tangent along everything, and the tangent of the gradient."""
    whole = eqx.filter((CELLS[name], XS, start(name)), eqx.is_inexact_array)
    static = eqx.filter((CELLS[name], XS, start(name)), eqx.is_inexact_array, inverse=True)
    along = jax.tree.map(lambda leaf: jnp.cos(1 + jnp.arange(leaf.size)).reshape(leaf.shape), whole)

    def number(whole):
        return weighed(run(*eqx.combine(whole, static)))

    @jax.jit
    def all_three(whole, along):
        second = jax.jvp(jax.grad(number), (whole,), (along,))
        return second[0], jax.jvp(number, (whole,), (along,))[1], second[1]

    return all_three(whole, along)


@pytest.mark.gate
@cells
def test_a_cell_taken_apart_is_the_cell(name):
    apart, h = recurrence(CELLS[name]), start(name)
    assert_close(apart.step(apart.drive(XS[0]), h), CELLS[name](XS[0], h), 1e-15)


@pytest.mark.gate
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in TELLING else pytest.mark.thorough) for name in CELLS],
)
def test_derivatives_are_those_of_the_plain_scan(name):
    assert_close(derivatives(ours, name), derivatives(plain, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "lstm", "gru"])
def test_wide_inputs_have_the_states_and_derivatives_of_the_plain_scan(name):
    """Their part of all steps is computed before the loop."""
    width = scan._NARROW + 1
    kinds = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}
    random = partial(ro.VanillaCell.random, KEYS[5], width, N, activation=jnp.tanh)
    cell = random() if name == "tanh" else kinds[name](width, N, key=KEYS[5])
    xs = jax.random.normal(KEYS[4], (T, width))

    @eqx.filter_jit
    def states_and_gradient(run):
        return run(cell, xs, start(name)), eqx.filter_grad(lambda given: weighed(run(*given, start(name))))((cell, xs))

    assert_close(*(states_and_gradient(run) for run in (ours, plain)))


ANY = jnp.nan, jnp.inf, -jnp.inf
BOUNDED = (jnp.nan,)  # tanh, the logistic function and an LSTM's h are never infinite
UNBOUNDED = None, jax.nn.identity


@pytest.mark.parametrize("activation", _ABSORBING, ids=lambda f: getattr(f, "__name__", str(f)))
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_no_finite_number_comes_from_a_number_that_is_not_and_that_the_activation_gives(activation, dtype):
    z = jnp.array(ANY if any(activation is f for f in UNBOUNDED) else BOUNDED, dtype)
    made = vanilla(activation).recurrence.combine(z, z)
    assert made.dtype == dtype and not jnp.isfinite(made).any()
    if any(activation is f for f in UNBOUNDED):
        return
    assert jnp.isfinite(vanilla(activation).recurrence.combine(jnp.array([jnp.inf, -jnp.inf, 1e38], dtype), z)).all()


@pytest.mark.parametrize(
    ("name", "values"),
    [("tanh", BOUNDED), ("affine", ANY), ("piecewise", ANY), ("gru", ANY), ("lstm", BOUNDED), ("lstm", ANY)],
)
def test_an_absorbing_cell_makes_no_finite_state_of_one_that_is_not(name, values):
    """Whichever unit is not finite, in random states of all sizes, and with weights of which some are 0."""
    cell = CELLS[name]
    sparse = jax.tree.map(lambda leaf: jnp.where(jnp.abs(leaf) < 0.3, 0, leaf) if eqx.is_array(leaf) else leaf, cell)

    def is_finite_after(unit, value, scale):
        h = scale * jax.random.normal(KEYS[7], (N,))
        bad = h.at[unit].set(value)
        state = bad if name != "lstm" else (bad, h) if values is BOUNDED else (h, bad)
        return jnp.stack([is_finite(one(XS[0], state)) for one in (cell, sparse)])

    grid = jnp.meshgrid(jnp.arange(N), jnp.array(values), jnp.array([1e-3, 1.0, 1e3, 1e300]))
    assert recurrence(cell).absorbing
    assert not jax.jit(jax.vmap(is_finite_after))(*(axis.ravel() for axis in grid)).any()


def test_relu_is_not_absorbing_and_a_run_that_comes_back_from_infinity_is_no_result():
    cell = ro.VanillaCell(jnp.array([[-1e200]]), jnp.zeros((1, 1)), jnp.array([1e200]), jax.nn.relu)
    run = ro.iterate(cell, jnp.ones((4, 1)), jnp.array([-1e200]), throw=False)
    assert not recurrence(cell).absorbing
    changed = vanilla(jnp.tanh).recurrence._replace(combine=lambda z, h: jax.nn.relu(z))
    assert vanilla(jnp.tanh).recurrence.absorbing and not changed.absorbing  # nobody knows what is put in its place
    assert run.result == ro.RESULTS.left_float_range
    assert jnp.array_equal(run.states[:, 0], jnp.array([-1e200, *4 * [jnp.inf]]))  # without the check: inf, 0, 1e200, 0


@pytest.mark.parametrize("name", ["tanh", "lstm"])
def test_a_start_or_a_kick_that_is_infinite_is_found(name):
    """tanh makes finite states of infinite ones, which a traced start and noise can bring."""

    @jax.jit
    def first_unit(starts, scale):
        def run(h):
            return ro.iterate(
                CELLS[name], XS, h, noise=scale, key=None if scale is None else KEYS[5], throw=False
            ).states

        return jax.tree.leaves(jax.vmap(run)(starts))[0][:, :, 0]

    h = start(name)
    starts = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf.at[1].set(jnp.inf)]), h)
    assert jnp.isfinite(first_unit(starts, None)).tolist() == [(T + 1) * [True], (T + 1) * [False]]
    kicked = jnp.isfinite(first_unit(starts, 1.7e308))[0].tolist()
    assert kicked[0] and not kicked[-1] and kicked == sorted(kicked, reverse=True)


def inside(eqn):
    """The programs that an equation of a jaxpr runs."""
    parts = jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda part: hasattr(part, "eqns"))
    return [getattr(part, "jaxpr", part) for part in parts if hasattr(part, "eqns")]


def products(jaxpr):
    return sum((eqn.primitive is jax.lax.dot_general_p) + sum(map(products, inside(eqn))) for eqn in jaxpr.eqns)


def loops(jaxpr):
    """The number of products in every scan."""
    for eqn in jaxpr.eqns:
        yield from [products(part) for part in inside(eqn)] if eqn.primitive is jax.lax.scan_p else ()
        for part in inside(eqn):
            yield from loops(part)


def test_a_tangent_costs_one_product_a_step():
    """The loop has the input's product and the state's; the loop of the tangent has that of the state's tangent. A tangent of
    zeros is not multiplied by the weight's in every step."""

    def tangent(cell, xs):
        return eqx.filter_jvp(lambda xs: ours(cell, xs, start("tanh")), (xs,), (xs,))

    assert list(loops(eqx.filter_make_jaxpr(tangent)(CELLS["tanh"], XS)[0].jaxpr)) == [2, 1]


def steps_back(jaxpr):
    """The body of every scan that runs backwards."""
    for eqn in jaxpr.eqns:
        yield from inside(eqn) if eqn.primitive is jax.lax.scan_p and eqn.params["reverse"] else ()
        for part in inside(eqn):
            yield from steps_back(part)


@pytest.mark.parametrize("name", ["tanh", "lstm"])
def test_a_step_back_in_a_batch_transposes_nothing(name):
    """The cotangents (B, M) are multiplied by the weight (M, K) as they are: each other order of axes costs a copy a step."""

    def total(cell, xs):
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(jax.vmap(lambda xs: ro.iterate(cell, xs).states)(xs)))

    (body,) = steps_back(eqx.filter_make_jaxpr(eqx.filter_grad(total))(CELLS[name], jnp.stack([XS, XS]))[0].jaxpr)
    assert sum(eqn.primitive is jax.lax.dot_general_p for eqn in body.eqns) == 1
    assert not [eqn for eqn in body.eqns if eqn.primitive is jax.lax.transpose_p]


def branches(jaxpr):
    """All branches and loops but scans."""
    for eqn in jaxpr.eqns:
        yield from [eqn] if eqn.primitive.name in ("cond", "while") else ()
        for part in inside(eqn):
            yield from branches(part)


@pytest.mark.parametrize("save", [None, jax.tree.leaves], ids=["all", "some"])
@pytest.mark.parametrize("name", ["tanh", "lstm"])
def test_the_check_of_a_batch_is_a_branch_that_returns_no_states(name, save):
    """`vmap` keeps a branch only where all members take the same one, and copies what it returns. It would copy all that a
    `while_loop` reads."""
    batch = jnp.stack([XS, XS])
    found = list(
        branches(jax.make_jaxpr(jax.vmap(lambda xs: ro.iterate(CELLS[name], xs, save=save).states))(batch).jaxpr)
    )
    assert [eqn.primitive.name for eqn in found] == ["cond", "cond"]  # where a run ends, and the error
    assert all(eqn.invars[0].aval.shape == () for eqn in found)
    assert all(out.aval.size <= len(batch) for eqn in found for out in eqn.outvars)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("name", "checkpoints"),
    [
        ("tanh", 1),
        ("gru", 2),
        ("gru", 2 * T),
        *(pytest.param(*case, marks=pytest.mark.thorough) for case in (("tanh", 3), ("gru", T))),
    ],
)
def test_checkpoints_change_neither_values_nor_derivatives(name, checkpoints):
    def run(cell, xs, h0):
        return ours(cell, xs, h0, checkpoints=checkpoints)

    assert_close(run(CELLS[name], XS, start(name)), plain(CELLS[name], XS, start(name)))
    assert_close(derivatives(run, name), derivatives(plain, name))


@pytest.mark.slow
def test_checkpoints_of_any_cell_and_what_is_saved_of_it():
    def cell(x, h):
        return jnp.tanh(h + x.sum())

    def number(run, xs):
        return jnp.sum(run(cell, xs, start("any")) ** 2)

    wanted = jax.value_and_grad(lambda xs: number(lambda *a: plain(*a)[:, 0], xs))(XS)
    for checkpoints in (None, 3):
        run = jax.jit(
            jax.value_and_grad(
                lambda xs, k=checkpoints: number(lambda *a: ours(*a, save=lambda h: h[0], checkpoints=k), xs)
            )
        )
        assert_close(run(XS), wanted)


@pytest.mark.slow
def test_a_slope_that_the_activation_closes_over_has_a_gradient():
    def number(slope, run):
        return weighed(run(vanilla(lambda z: jnp.tanh(slope * z)), XS, start("tanh")))

    slope = jnp.asarray(0.7)
    assert_close(jax.grad(number)(slope, ours), jax.grad(number)(slope, plain))


@pytest.mark.gate
@pytest.mark.parametrize("masks", [jnp.array([True, False, True]), jnp.array([1, 0, 2])], ids=["bool", "int"])
def test_a_mask_that_the_activation_closes_over_is_an_argument_like_others(masks):
    def number(W_h, mask, run):
        cell = ro.VanillaCell(W_h, CELLS["tanh"].W_x, CELLS["tanh"].b, lambda z: mask * jnp.tanh(z))
        return weighed(run(cell, XS, start("tanh")))

    found = jax.jit(jax.vmap(jax.grad(lambda W, mask: number(W, mask, ours)), in_axes=(None, 0)))
    wanted = [jax.grad(number)(CELLS["tanh"].W_h, mask, plain) for mask in (masks, masks[::-1])]
    assert_close(found(CELLS["tanh"].W_h, jnp.stack([masks, masks[::-1]])), jnp.stack(wanted))


@pytest.mark.parametrize("name", ["tanh", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lstm", "gru"))])
@pytest.mark.gate
def test_a_state_wider_than_the_weights_has_the_gradient_of_the_wide_run(name):
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), CELLS[name])
    gradient = eqx.filter_grad(lambda cell, run: weighed(run(cell, XS.astype(jnp.float32), start(name))))
    assert_close(gradient(single, ours), gradient(single, plain), 2e-6)


@pytest.mark.slow
def test_complex_states_have_derivatives(as_user):
    def number(h0, run):
        return jnp.sum(jnp.abs(run(CELLS["affine"], XS, h0)) ** 2)

    h0 = start("affine") + 0.3j
    assert_close(jax.grad(number)(h0, ours), jax.grad(number)(h0, plain))


@pytest.mark.slow
def test_a_subclass_with_its_own_step_is_run_by_it():
    class Leaky(ro.VanillaCell):
        def step(self, drive, h):
            return 0.5 * h + 0.5 * super().step(drive, h)

    class Named(eqx.Module):
        recurrence: eqx.nn.Linear

        def __call__(self, x, h):
            return jnp.tanh(self.recurrence(h) + x.sum())

    for cell in (
        Leaky(*(getattr(CELLS["tanh"], k) for k in ("W_h", "W_x", "b")), jnp.tanh),
        Named(drawn(eqx.nn.Linear, N, N)),
    ):
        assert_close(ours(cell, XS, start("tanh")), plain(cell, XS, start("tanh")))


@pytest.mark.slow
def test_a_batch_of_gradients_is_a_loop_over_it():
    batch = jnp.stack([XS, 2 * XS, -XS])

    def gradient(xs):
        return eqx.filter_grad(lambda cell: weighed(ours(cell, xs, start("tanh"))))(CELLS["tanh"])

    assert_close(jax.jit(jax.vmap(gradient))(batch), jax.tree.map(lambda *g: jnp.stack(g), *map(gradient, batch)))


@pytest.mark.slow
def test_a_run_that_would_overflow_one_step_later_has_finite_derivatives(float32):
    """h' = h³ from 10 is 10²⁷ after three steps; one more is beyond float32, and its slope too."""
    cell = ro.VanillaCell(jnp.eye(1), jnp.zeros((1, 1)), jnp.zeros(1), lambda z: z**3)
    run = lambda h: ro.iterate(cell, jnp.zeros((3, 1)), h).states[-1, 0]  # noqa: E731
    value, slope = jax.value_and_grad(run)(jnp.array([10.0]))
    np.testing.assert_allclose([value / 1e27, slope[0] / 27e26], 1, rtol=1e-5)


def test_overflow_is_the_same_with_checkpoints():
    cell = ro.VanillaCell(1e60 * np.eye(N), np.ones((N, D)), np.zeros(N), activation=None)
    runs = [ro.iterate(cell, XS, np.ones(N), checkpoints=k, throw=False) for k in (None, 2)]
    assert runs[0].result == runs[1].result == ro.RESULTS.left_float_range
    np.testing.assert_array_equal(runs[0].states, runs[1].states)


@pytest.mark.gate
@pytest.mark.parametrize("steps", [400, 1600])
def test_memory_grows_like_the_root(steps):
    """What the compiled gradient holds besides its arguments and results, by XLA's own account."""

    def number(cell, checkpoints):
        run = ro.iterate(cell, jnp.zeros((steps, 1)), save=lambda h: h[0], checkpoints=checkpoints, throw=False)
        return jnp.sum(run.states**2)

    def held(checkpoints):
        cell = ro.VanillaCell(0.1 * np.eye(40), np.ones((40, 1)), np.zeros(40), activation=jnp.tanh)
        compiled = jax.jit(jax.grad(lambda cell: number(cell, checkpoints))).lower(cell).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    root = int(steps**0.5)
    assert held(None) > 2 * 40 * 8 * steps
    assert held(root) < 10 * 40 * 8 * root + 8 * 10 * steps + 2**17


@pytest.mark.parametrize("checkpoints, error", [(0, ValueError), (2.5, TypeError), (True, TypeError)])
def test_checkpoints_are_a_whole_number(checkpoints, error, as_user):
    with pytest.raises(error, match="checkpoints must be"):
        ro.iterate(CELLS["tanh"], XS, checkpoints=checkpoints)
