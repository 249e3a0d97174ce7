"""A cell and a field are told from each other, and from what holds them, before anything is compiled."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro
from rnn_ode._base.callables import check_cell, check_field

KEY = jax.random.key(0)
VANILLA, CTRNN = (kind([[0.5]], [[1.0]], [0.0]) for kind in (ro.VanillaCell, ro.CTRNN))
CELLS = {
    "ours": VANILLA,
    "an LSTM": drawn(eqx.nn.LSTMCell, 1, 2),
    "a GRU": drawn(eqx.nn.GRUCell, 1, 2),
    "of a field": ro.to_rnn(CTRNN, ro.Euler()),
    "a function": lambda x, h: h,
    "with an option": lambda x, h, key=None: h,
    "of any arguments": lambda *arguments: arguments[1],
    "a part": functools.partial(lambda scale, x, h: scale * h, 0.5),
    "compiled": jax.jit(lambda x, h: h),
    "compiled by Equinox": eqx.filter_jit(lambda x, h: h),
    "wrapped": functools.wraps(jnp.tanh)(lambda x, h: h),
}
FIELDS = {
    "ours": CTRNN,
    "of a cell": ro.to_ode(VANILLA, ro.Forward(1)),
    "a function": lambda t, h, path: h,
    "a method": CTRNN.__call__,
}


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_one(name):
    check_cell("cell", CELLS[name])


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_one(name):
    check_field("field", FIELDS[name])


NETWORK = ro.interop.Network(VANILLA, drawn(eqx.nn.Linear, 1, 1))


@pytest.mark.parametrize(
    ("call", "way_out"),
    [
        (lambda: ro.Map(CTRNN, jnp.zeros(1)), "as a field does: use integrate, Flow or to_rnn"),
        (lambda: ro.iterate(FIELDS["a function"], jnp.ones((2, 1)), jnp.zeros(1)), "as a field does"),
        (lambda: ro.Flow(VANILLA, jnp.zeros(1)), "as a cell does: use iterate, Map or to_ode"),
        (lambda: ro.integrate(CELLS["a function"], ro.Hold(jnp.ones((2, 1))), jnp.zeros(1)), "as a cell does"),
        (lambda: ro.gradient_flow(NETWORK, jnp.ones((2, 1))), r"Give its \.cell\."),
        (lambda: ro.evolve(NETWORK, ro.Hold(jnp.ones((2, 1))), jnp.arange(2.0)), r"Give its \.cell\."),
        (
            lambda: ro.to_ode(ro.learn.ManyToMany(ro.learn.Iterated(VANILLA), NETWORK.readout), ro.Forward(1)),
            r"Give its \.runner\.cell\.",
        ),
        (lambda: ro.StackedCell([VANILLA, lambda x: x]), r"cells\[1\] must be a callable cell\(x, h\); got <function"),
    ],
)
def test_what_is_no_cell_or_no_field_is_refused_with_the_way_out(call, way_out, as_user):
    with pytest.raises(TypeError, match=way_out):
        call()


def test_a_module_of_pytorch_is_refused_with_the_way_out(as_user):
    torch = pytest.importorskip("torch")
    for call in (ro.Map, ro.iterate, lambda cell, x: ro.to_ode(cell, ro.Exact())):
        with pytest.raises(TypeError, match=r"interop\.from_torch\(module\) makes a cell"):
            call(torch.nn.LSTM(1, 2), jnp.zeros(1))


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (np.tanh, "jnp.tanh in place of np.tanh"),
        (np.arctan, "jnp.arctan in place of np.arctan"),
        (lambda z: np.maximum(z, 0), "jnp.tanh in place of np.tanh"),
        (lambda z: jnp.asarray(np.asarray(z) ** 2), "jnp.tanh in place of np.tanh"),
    ],
)
def test_an_activation_that_numpy_evaluates_is_named(function, advice, as_user):
    """The error was JAX's TracerArrayConversionError, with a place inside the package."""
    cell = ro.VanillaCell([[0.5]], [[1.0]], [0.0], function)
    field = ro.CTRNN([[0.5]], [[1.0]], [0.0], activation=function)
    xs = jnp.ones((4, 1))
    for run in (
        lambda: ro.iterate(cell, xs),
        lambda: ro.integrate(field, ro.Hold(xs), [0.0]),
        lambda: ro.fixed_points(ro.Map(cell, x=[1.0]), [[0.0]]),
        lambda: ro.iterate(ro.to_rnn(field, ro.Euler()), xs),
    ):
        with pytest.raises(TypeError, match=rf"activation must be a function of JAX's arrays; got .*{advice}"):
            run()
