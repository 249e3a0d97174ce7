"""The ranking of schemes: no scheme is better than the best one, and the expected errors are those of the runs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weights import drawn

import rnn_ode as ro

WAVE = 0.1 * np.sin(0.1 * np.arange(300.0))[:, None]


@pytest.mark.gate
@pytest.mark.parametrize(("ratio", "budget"), [(0.3, 4), (44.1 / 48, 3)])
def test_what_is_recommended_is_stable_where_anything_is_and_keeps_to_the_budget(ratio, budget):
    """A multiplier of −0.97, which only schemes with few states behind step stably."""
    cell = ro.VanillaCell([[-0.97]], [[0.2]], [0.0], jnp.tanh)
    found = ro.recommend(cell, WAVE, ratio, **({} if budget == 4 else {"budget": budget}))  # 4 is the default
    assert all(scheme.applications <= budget for scheme in found.schemes)
    assert found.best.stable and found.best.snr > 40
    ours = next(scheme for scheme in found.schemes if scheme.run.func is ro.evolve)
    assert ours.stable and ours.snr > 40
    pair = ours.run.keywords["ahead"], ours.run.keywords["behind"]
    assert pair in ro.root_condition(cell, WAVE.mean(axis=0), 1 / ratio).stable


def test_where_nothing_is_stable_it_says_so():
    """Under noise, of which nothing can be predicted."""
    cell = ro.VanillaCell([[-0.97]], [[0.2]], [0.0], jnp.tanh)
    with pytest.raises(
        ValueError, match=r"no scheme is stable at a ratio of 0\.3 within a budget of 1 .* at least 3\)"
    ) as error:
        ro.recommend(cell, 0.1 * np.random.default_rng(0).normal(size=(300, 1)), 0.3, budget=1)
    assert "state_trajectory()" in str(error.value) and "evolve(" not in str(error.value)


@pytest.mark.slow
def test_a_budget_of_one_is_kept_without_evolve():
    cell = ro.VanillaCell([[0.8]], [[0.2]], [0.0], jnp.tanh)
    found = ro.recommend(cell, WAVE[:80], 0.5, budget=1)
    assert all(scheme.applications <= 1 and "evolve" not in scheme.label for scheme in found.schemes)


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_an_output_without_a_signal_is_refused(size):
    cell = ro.VanillaCell([[0.5]], [[0.2]], [0.0], jnp.tanh)
    with pytest.raises(ValueError, match="xs must move the network's output"):
        ro.recommend(cell, np.full((400, 1), size), 48 / 44.1)


@pytest.mark.gate
def test_large_states_have_a_signal_to_error_too(float32):
    """Their squares leave the float range of float32."""
    cell = ro.VanillaCell([[0.8]], [[1.0]], [0.0], None)
    found, large = (ro.recommend(cell, size * WAVE, 2, budget=1) for size in (1.0, 1e25))
    assert large.best.label == found.best.label and abs(large.best.snr - found.best.snr) < 3


@pytest.mark.gate
def test_three_ahead_and_three_behind_lead_the_filters():
    """On a random LSTM under smooth noise: by 4 dB and more, against the network's own run at its own rate."""
    lstm, ratio = drawn(eqx.nn.LSTMCell, 1, 4, seed=2), 44.1 / 48
    noise = np.random.default_rng(2).normal(size=2000)
    xs = np.convolve(noise, np.hanning(21) / 10, "same")[:, None]
    count = int(len(xs) * ratio)
    ts = np.concatenate([[1 - 1 / ratio], 1 + np.arange(count) / ratio])
    outputs = np.asarray(ro.iterate(lstm, xs).states[0])[1:]
    exact = np.asarray(jax.vmap(ro.BandLimited(outputs, half_width=48))(ts[1:]))

    def snr(run):
        error = np.asarray(run.states)[1:] - exact
        inner = slice(300, count - 300)
        signal = (exact - exact.mean(axis=0))[inner]
        return 10 * np.log10(np.sum(signal**2) / np.sum(error[inner] ** 2))

    path, keep = ro.BandLimited(xs), {"save": lambda h: h[0], "throw": False}
    filters = [snr(ro.delayed_feedback(lstm, path, ts, order=order, **keep)) for order in (2, 3, 5)]
    assert snr(ro.evolve(lstm, path, ts, **keep)) > max(filters) + 4


@pytest.fixture(scope="module")
def limited():
    """A network of two modes at 48/44.1 times its rate, under noise that is smooth; all limits share what is compiled."""
    cell = ro.VanillaCell(np.diag([0.95, 0.6]), np.ones((2, 1)), np.zeros(2), jnp.tanh)
    noise = np.random.default_rng(1).normal(size=1200)
    xs = 0.1 * np.convolve(noise, np.hanning(15) / 7, "same")[:, None]
    return cell, {limit: ro.recommend(cell, xs, 48 / 44.1, budget=2, latency=limit) for limit in (0, 12, None)}


@pytest.mark.gate
def test_the_recommended_scheme_is_as_good_as_the_best_and_no_dearer_than_needed(limited):
    cell, found = limited[0], limited[1][None]
    tried = [scheme for scheme in found.schemes if not np.isnan(scheme.snr) and scheme.in_phase]
    assert len(tried) >= 4 and all(scheme.stable for scheme in tried)
    top = max(scheme.snr for scheme in tried)
    assert found.best.snr >= top - 0.5 and found.best.applications <= 2 and top > 40
    cheaper = [s for s in tried if s.applications < found.best.applications]
    assert all(s.snr < top - 0.5 for s in cheaper)
    assert found.best.run(cell, ro.BandLimited(WAVE), 44.1 / 48 * np.arange(50)).states.shape == (50, 2)
    assert found.best.label in found.table() and "→" in found.table()
    assert ("UNSTABLE" in found.table()) == any(not scheme.stable for scheme in found.schemes)


@pytest.mark.gate
def test_nothing_waits_longer_than_the_limit(limited):
    for limit, found in limited[1].items():
        tried = [scheme for scheme in found.schemes if not np.isnan(scheme.snr)]
        assert limit is None or all(scheme.latency <= limit for scheme in tried)
        assert len({scheme.run.func for scheme in tried}) == (3 if limit == 0 else 5)


@pytest.mark.slow
def test_waiting_longer_never_costs_accuracy_and_zero_latency_beats_the_filters(limited):
    found = limited[1]
    best = [found[limit].best.snr for limit in (0, 12, None)]
    assert best[0] - 0.4 <= best[1] <= best[2] + 0.4 and best[2] > 70  # 0.4 dB for half the applications
    zero = found[0]
    filters = [s.snr for s in zero.schemes if s.run.func is ro.delayed_feedback and not np.isnan(s.snr)]
    assert len(filters) >= 5 and zero.best.snr > max(filters) + 2


@pytest.mark.gate
def test_the_latency_is_that_of_the_newest_sample_that_counts(limited):
    """By derivatives: a result of each scheme on the front depends on the input up to its latency and no further."""
    cell, found = limited
    gap, at = 44.1 / 48, 60
    ts = 1 + gap * np.arange(at + 1)
    zeros = np.zeros((120, 1))
    waiting = [s for s in found[12].schemes if s.run.func in (ro.evolve, ro.resampled) and s.snr > 40]
    assert {s.run.func for s in waiting} == {ro.evolve, ro.resampled}
    for scheme in (found[0].best, waiting[0], waiting[-1]):

        def last(xs, scheme=scheme):
            return scheme.run(cell, scheme.path(xs, gap, 1.0), ts, np.zeros(2), throw=False).states[-1, 0]

        used = np.flatnonzero(np.abs(jax.grad(last)(jnp.asarray(zeros[:, 0:1])))[:, 0] > 1e-14)
        wait = gap * (used.max() - at)
        assert wait <= scheme.latency + 1e-9 and wait >= scheme.latency - 2, (scheme.label, wait, scheme.latency)


@pytest.mark.slow
def test_half_band_filters_are_compared_through_their_own_phase_and_never_recommended(limited):
    """In phase, a window of as long a latency reaches 78 dB, and this filter 60."""
    for limit, count in ((0, 0), (12, 2), (None, 2)):
        found = limited[1][limit]
        late = [scheme for scheme in found.schemes if not scheme.in_phase]
        assert len(late) == count and all(scheme.snr > 84 for scheme in late) and found.best.in_phase
        assert ("a phase of their own" in found.table()) == (count > 0)


@pytest.mark.gate
def test_the_front_holds_what_nothing_beats(limited):
    for found in limited[1].values():
        tried = [(s.latency, s.cost, -s.snr, not s.in_phase, s) for s in found.schemes if not np.isnan(s.snr)]
        for *ours, scheme in tried:
            beaten = any(
                all(a <= b for a, b in zip(theirs, ours, strict=True)) and theirs != ours for *theirs, _ in tried
            )
            assert beaten != any(scheme is one for one in found.front), scheme.label
        assert found.best.label in found.table() and "*" in found.table()


@pytest.mark.parametrize(("latency", "error"), [(-1, ValueError), (np.nan, ValueError), ("16", TypeError)])
def test_a_latency_is_a_number_of_0_or_more(latency, error, as_user):
    cell = ro.VanillaCell([[0.5]], [[0.2]], [0.0], jnp.tanh)
    with pytest.raises(error, match="latency must be"):
        ro.recommend(cell, WAVE, 2, latency=latency)
