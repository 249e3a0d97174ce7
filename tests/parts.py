"""One small example of every kind of part: cells, fields, paths, methods, schemes and systems; ours and a stranger's.

`tests/test_conformance.py` holds every part to what its kind promises. Other tests take the cells from here.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import strangers
from lazy import Lazy
from weights import drawn

import rnn_ode as ro
from rnn_ode._cells.input_layer import InputLayerCell
from rnn_ode._cells.projected import ProjectedLSTMCell

N, D, T = 3, 2, 7
RNG = np.random.default_rng(0)
XS = RNG.normal(size=(T, D))
W, W_X, B = WEIGHTS = RNG.normal(size=(N, N)), RNG.normal(size=(N, D)), RNG.normal(size=N)
KEY = jax.random.key(0)


class Step(eqx.Module):
    """A cell that nobody knows to be linear: h ↦ s (A h/s + B tanh(h/s) + x), in the unit s of the state."""

    A: jax.Array
    B: jax.Array
    s: jax.Array

    def __call__(self, x, h):
        h = h / self.s
        return self.s * (self.A @ h + self.B @ jnp.tanh(h) + x)


CELLS = Lazy(
    {
        "relu": lambda: ro.VanillaCell(*WEIGHTS),
        "tanh": lambda: ro.VanillaCell(*WEIGHTS, activation=jnp.tanh),
        "affine": lambda: ro.VanillaCell(*WEIGHTS, activation=None),
        "piecewise": lambda: ro.PiecewiseLinearCell(np.diag(B), *WEIGHTS),
        "gru": lambda: drawn(eqx.nn.GRUCell, D, N),
        "lstm": lambda: drawn(eqx.nn.LSTMCell, D, N),
        "stacked": lambda: ro.StackedCell(
            [drawn(eqx.nn.LSTMCell, D, 2), ro.VanillaCell(*WEIGHTS), drawn(eqx.nn.GRUCell, N, N)]
        ),
        "behind an input layer": lambda: InputLayerCell(drawn(eqx.nn.Linear, D, 4), drawn(eqx.nn.GRUCell, 4, N), D),
        "projected": lambda: ProjectedLSTMCell(
            *(
                jnp.asarray(np.random.default_rng(1).normal(size=shape))
                for shape in ((4 * N, D), (4 * N, 2), (4 * N,), (2, N))
            )
        ),
        "of a field": lambda: ro.to_rnn(ro.CTRNN(*WEIGHTS, tau=2.0), ro.Euler()),
        "stranger": lambda: strangers.Leaky(jnp.asarray(W), jnp.asarray(W_X), jnp.asarray(B), 0.3),
        "stranger in pieces": lambda: strangers.Folded(jnp.asarray(W), jnp.asarray(W_X), jnp.asarray(B)),
    }
)
# a state of each that is not zero
STATES = {name: np.linspace(-1, 1, N) for name in CELLS} | {
    "projected": (np.linspace(-1, 1, 2), np.ones(N)),
    "lstm": (np.linspace(-1, 1, N), np.ones(N)),
    "stacked": ((np.linspace(-1, 1, 2), np.ones(2)), np.linspace(0, 1, N), np.linspace(-1, 1, N)),
}

FIELDS = Lazy(
    {
        "CTRNN": lambda: ro.CTRNN(*WEIGHTS, tau=np.array([0.5, 1.0, 2.0])),
        "AntisymmetricRNN": lambda: ro.AntisymmetricRNN(*WEIGHTS, gamma=0.1),
        "CoRNN": lambda: ro.CoRNN(W, W.T, W_X, B, gamma=2.7, epsilon=0.7),
        "GRUODE": lambda: ro.GRUODE(np.stack([W, W.T, -W]), np.stack([W_X] * 3), np.stack([B, -B, B])),
        **{
            method.label: partial(
                ro.to_ode, ro.VanillaCell(0.2 * W + 0.6 * np.eye(N), W_X, B, activation=jnp.tanh), method
            )
            for method in (ro.Forward(2), ro.Backward(1), ro.Tustin(), ro.Exact())
        },
        "affine": lambda: ro.to_ode(ro.VanillaCell(0.2 * W + 0.6 * np.eye(N), W_X, B, activation=None), ro.Exact()),
        "stranger": lambda: strangers.Relaxing(jnp.asarray(W_X), 2.0),
    }
)

PATHS = {
    "Hold": ro.Hold,
    "Linear": ro.Linear,
    "Cubic": ro.Cubic,
    "BandLimited": ro.BandLimited,
    "stranger, held": strangers.Steps,
    "stranger, smooth": strangers.Eased,
}
HELD = ("Hold", "stranger, held")

METHODS = (
    ro.Textbook(),
    *(ro.Forward(order) for order in (1, 3)),
    *(ro.Backward(order) for order in (1, 3)),
    ro.Tustin(),
    ro.Exact(),
    ro.Exact(complex=True),
    ro.Exact(anchored=True),
    strangers.Central(),
)

SCHEMES = {  # with their orders on a linear field; 0: exact
    "Euler": (ro.Euler(), 1),
    "BackwardEuler": (ro.BackwardEuler(), 1),
    "Trapezoidal": (ro.Trapezoidal(), 2),
    "ExponentialEuler": (ro.ExponentialEuler(), 0),
    "RungeKutta": (ro.RungeKutta(), 5),
    "stranger": (strangers.Heun(), 2),
}

SYSTEMS = Lazy(
    {
        "map": lambda: ro.Map(CELLS["tanh"], XS[0], 0.5),
        "map of an LSTM": lambda: ro.Map(CELLS["lstm"], XS[0]),
        "map of a stranger": lambda: ro.Map(CELLS["stranger"], XS[0]),
        "flow": lambda: ro.Flow(FIELDS["CTRNN"], XS[0]),
        "flow of a stranger": lambda: ro.Flow(FIELDS["stranger"], XS[0]),
        "stranger in steps": lambda: strangers.Delayed(1.3),
        "stranger in time": lambda: strangers.Ring(jnp.array([0.1, -0.2, 0.1]), 0.8),
    }
)
