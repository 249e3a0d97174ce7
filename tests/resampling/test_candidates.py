"""The error that is expected of a scheme, against the error in a run."""

import numpy as np
import pytest
from slow_input import slower_wave

import rnn_ode as ro
from rnn_ode._resampling.candidates import Known, candidates


@pytest.mark.parametrize("gap", [0.3, *(pytest.param(gap, marks=pytest.mark.slow) for gap in (48 / 44.1, 3.4))])
@pytest.mark.gate
def test_the_expected_error_is_the_error_of_a_run(gap):
    """The signal to error of a slow wave through one mode, against the network's own answer by its transfer function."""
    known = Known(gap, np.array([0.9]), np.array([0.2]), np.ones(1), 0.0)
    schemes = {scheme.label: scheme for scheme, _ in candidates(known, 5)}
    cell = ro.VanillaCell([[0.9]], [[1.0]], [0.0], activation=None)
    ts = gap * np.arange(900)
    exact = np.real(np.exp(0.2j * ts) / (1 - 0.9 * np.exp(-0.2j)))
    for label in ("evolve(ahead=2, behind=2)", "evolve(ahead=3, behind=1, band=0.075)", "delayed_feedback(order=2)"):
        scheme = schemes[label]
        assert scheme.stable, label
        error = np.asarray(scheme.run(cell, slower_wave, ts, exact[:1]).states)[:, 0] - exact
        assert abs(10 * np.log10(np.mean(exact[600:] ** 2) / np.mean(error[600:] ** 2)) - scheme.fit) < 0.3, label
