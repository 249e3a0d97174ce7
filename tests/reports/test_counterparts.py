"""Why a counterpart's run ended."""

import jax.numpy as jnp
import numpy as np
import pytest
from parts import Step

import rnn_ode as ro
from rnn_ode._reports.counterparts import run_counterpart

XS = np.sin(0.4 * np.arange(12.0))[:, None]


TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("A", "reason"),
    [
        (0.5 * TURN, ""),
        (-40 * np.eye(2), ""),  # its flow decays by 41 a step: no reason to give up
        (-1e9 * np.eye(2), "the field is stiff"),
        (np.eye(2) + 1e7 * TURN, "out of solver steps"),  # turns, and does not decay
        (1e3 * np.eye(2), "left the float range"),
    ],
    ids=["smooth", "fast", "stiff", "turns", "grows"],
)
def test_a_row_says_why_its_run_ended(A, reason, dtype):
    """The runs of h' = (A − 1) h + x: each reason is given where it holds, and none where the run is complete."""
    cell = Step(jnp.asarray(A, dtype), jnp.zeros((2, 2), dtype), jnp.ones((), dtype))
    xs, h0 = np.asarray(XS[:6], dtype), jnp.ones(2, dtype)
    _, said = run_counterpart(cell, ro.Forward(1), jnp.asarray(xs), h0, 1.0)
    assert (reason in said) if reason else said == ""
