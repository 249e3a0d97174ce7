"""A result under `vmap` is a batch of results, and every property of it answers for each member."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnn_ode as ro

MATRICES = np.stack([np.diag([0.5, -0.9]), np.array([[0.0, -1.2], [1.2, 0.0]]), np.diag([2.0, 0.3])])
METHODS = (ro.Forward(1), ro.Exact(), ro.Tustin())
ASK = {
    **{
        name: lambda s, name=name: getattr(s, name)
        for name in ("radius", "abscissa", "reach", "timescales", "frequencies")
    },
    "discrete": lambda s: s.discrete,
    "verdicts": lambda s: s.verdicts(*METHODS),
    "rate": lambda s: s.rate(),
    "continuous": lambda s: [s.continuous(method) for method in METHODS],
    "exists": lambda s: [s.exists(method) for method in METHODS],
    "rates": lambda s: [s.rate(method) for method in METHODS],
    "series_converges": lambda s: [s.series_converges(method) for method in METHODS],
    "neglected": lambda s: [s.neglected(method) for method in METHODS],
}


@pytest.mark.gate
def test_every_answer_of_a_batch_of_spectra_is_that_of_its_members():
    answers = jax.jit(lambda s: {name: ask(s) for name, ask in ASK.items()})
    batch = answers(jax.vmap(ro.spectrum)(MATRICES))
    nested = answers(jax.vmap(jax.vmap(ro.spectrum))(MATRICES[None]))
    members = [answers(ro.spectrum(W)) for W in MATRICES]
    for name in ASK:
        wanted = jax.tree.map(lambda *leaves: np.stack(leaves), *(member[name] for member in members))
        jax.tree.map(lambda a, b, name=name: np.testing.assert_allclose(a, b, err_msg=name), batch[name], wanted)
        jax.tree.map(lambda a, b, name=name: np.testing.assert_allclose(a[0], b, err_msg=name), nested[name], wanted)


@pytest.mark.slow
def test_the_names_of_a_batch_of_verdicts_are_a_list():
    batch = jax.vmap(ro.spectrum)(MATRICES)
    assert ro.verdict_name(batch.discrete) == [ro.verdict_name(ro.spectrum(W).discrete) for W in MATRICES]
    assert ro.verdict_name(jax.tree.map(lambda v: v[None], batch.discrete)) == [["DECAYS", "GROWS", "GROWS"]]
    assert jnp.ndim(batch.radius) == 1
