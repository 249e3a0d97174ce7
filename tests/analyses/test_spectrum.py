"""What the eigenvalues say, against spectra known by construction, a simulated long run, and LAPACK in more precision."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from matrices import METHODS, NAMES, VERDICTS, code, g, gaussian, jordan, name, rotated
from telling import telling

import rnn_ode as ro
from rnn_ode._analyses import spectrum as module

N = 12


# --- units, and float32 -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dtype", telling([np.float32, np.float64], np.float32))
def test_a_rotated_shift_is_undetermined(dtype):
    """All multipliers are 0, but the computed ones of twice a shift of size 64 lie on a circle, of radius 1.13 in float64."""
    rng = np.random.default_rng(12)
    with jax.enable_x64(dtype == np.float64):
        s = ro.spectrum(rotated(rng, 2 * np.eye(64, k=1)).astype(dtype))
        assert name(s.discrete) == "UNDETERMINED" and not s.exists(ro.Exact())
        assert np.all(np.abs(s.multipliers) <= s.reach) and np.all(np.isinf(s.timescales) & (s.frequencies == 0))


@jax.jit
def _numbers(W):
    s = ro.spectrum(W)
    return s.multipliers, s.reach, s.timescales, s.frequencies


def numbers(W, dtype):
    return [np.asarray(value) for value in _numbers(jnp.asarray(np.asarray(W, dtype)))]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_timescales_are_infinite_where_rounding_hides_the_sign(dtype):
    u = np.finfo(dtype).eps
    with jax.enable_x64(dtype == np.float64):
        for top in (1.0, 1 + u, 1 - u, -1.0):
            multipliers, _, timescales, _ = numbers(np.diag([top, 0.5]), dtype)
            np.testing.assert_array_equal(multipliers.real, np.asarray([top, 0.5], dtype))
            np.testing.assert_allclose(timescales, [np.inf, 1 / np.log(2)], rtol=1e-6)
        assert np.all(numbers([[0, 1e4], [-1e-4, 0]], dtype)[2] == np.inf)
        np.testing.assert_allclose(numbers(np.diag([2.0, 0.0]), dtype)[2], [-1 / np.log(2), 0], rtol=1e-6)


@pytest.mark.slow
def test_timescales_are_differentiable_beside_an_infinite_one():
    slope = jax.jit(jax.grad(lambda a: ro.spectrum(jnp.diag(jnp.stack([jnp.ones(()), a]))).timescales[1]))
    np.testing.assert_allclose(slope(0.5), 2 / np.log(2) ** 2, rtol=1e-12)


@pytest.mark.slow
def test_a_timescale_that_float64_alone_can_tell(float32):
    assert numbers(np.diag([1.0000002, 0.5]), np.float32)[2][0] == np.inf
    with jax.enable_x64(True):
        assert np.isclose(numbers(np.diag([1.0000002, 0.5]), np.float64)[2][0], -5e6, rtol=1e-6)


@pytest.mark.slow
def test_what_float32_leaves_open_has_the_hint_to_take_float64(float32):
    assert "jax_enable_x64" in ro.spectrum(np.float32([[1.0]])).hint
    with jax.enable_x64(True):
        assert ro.spectrum([[1.0]]).hint == ""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_double_real_multiplier_that_rounding_splits_has_no_frequency(dtype):
    rng = np.random.default_rng(14)
    with jax.enable_x64(dtype == np.float64):
        for value, frequency in ((0.5, 0.0), (-0.5, 0.5)):
            T = scipy.linalg.block_diag(jordan(value, 3), np.diag(np.full(5, 0.1 * value)))
            split = [numbers(rotated(rng, T), dtype) for _ in range(4)]
            assert any(np.any(multipliers[:3].imag != 0) for multipliers, *_ in split)
            assert all(np.all(frequencies == frequency) for *_, frequencies in split)
        np.testing.assert_allclose(np.sort(numbers([[0, -0.9e6], [0.9e-6, 0]], dtype)[3]), [-0.25, 0.25], rtol=1e-6)


@pytest.mark.slow
def test_mixed_units_hide_no_method():
    W = np.array([[0.5, 0.2e8], [0.1e-8, 0.6]])
    s = ro.spectrum(W)
    assert name(s.discrete) == "DECAYS" and all(bool(s.exists(m)) for m in (ro.Exact(), ro.Backward(1), ro.Textbook()))
    log = scipy.linalg.logm([[0.5, 0.2], [0.1, 0.6]]) * [[1, 1e8], [1e-8, 1]]
    np.testing.assert_allclose(ro.Exact().generator(W), log, rtol=1e-12)


# --- values that others rely on --------------------------------------------------------------------------------------


def reference():
    for folder in Path(__file__).resolve().parents:
        for path in (folder / "tests" / "reference.json", folder / "shared" / "reference.json"):
            if path.exists():
                return json.loads(path.read_text())["conversions"]
    return []


CONVERSIONS = {
    "textbook": ro.Textbook(),
    "forward1": ro.Forward(1),
    "backward1": ro.Backward(1),
    "tustin": ro.Tustin(),
    "exact": ro.Exact(),
}


def judged(W) -> dict[str, str]:
    """The verdicts of a small matrix, by the names in reference.json."""
    answers = ro.spectrum(jnp.asarray(W)).verdicts(*CONVERSIONS.values())
    return dict(zip(("network", *CONVERSIONS), map(name, answers), strict=True))


@pytest.mark.slow
def test_conversions_of_the_design():
    rows = [
        {"multiplier": 0.5, "network": "DECAYS", "textbook": "GROWS"},
        {"multiplier": -2.0, "network": "GROWS", "textbook": "DECAYS"},
        {"multiplier": [0.0, 0.9], "network": "DECAYS", "backward1": "GROWS", "tustin": "DECAYS", "exact": "DECAYS"},
        {"multiplier": -1.5, "network": "GROWS", "forward1": "DECAYS", "tustin": "GROWS", "exact": "GROWS"},
        {"matrix": [[1, 1], [0, 1]], "network": "UNDETERMINED"},
        *(row for row in reference() if "multiplier" in row or "matrix" in row),
    ]
    for row in rows:
        W = np.array(row["matrix"], float) if "matrix" in row else _with_multiplier(row["multiplier"])
        found = judged(W)
        assert {**found, **{key: row[key] for key in found if key in row}} == found, row


def _with_multiplier(value):
    """A 2 by 2 matrix: the number twice, or the pair a ± bi."""
    a, b = value if isinstance(value, list) else (value, 0.0)
    return np.array([[a, -b], [b, a]])


@pytest.mark.slow
def test_poles():
    W = np.diag([0.5, -1.0])
    assert judged(W)["tustin"] == "UNDETERMINED" and not ro.spectrum(W).exists(ro.Tustin())
    W = np.diag([0.5, 0.0])
    zero = judged(W)
    assert zero["backward1"] == zero["exact"] == "UNDETERMINED"
    assert zero["network"] == zero["tustin"] == zero["forward1"] == "DECAYS" and zero["textbook"] == "GROWS"
    assert not any(bool(ro.spectrum(W).exists(CONVERSIONS[key])) for key in ("backward1", "exact", "textbook"))


def test_messages_begin_with_their_names():
    for word, verdict in zip(NAMES, VERDICTS, strict=True):
        assert ro.Verdict[verdict].split(":")[0] == word


def test_exists():
    cases = {
        "half": ([[0.5, 1.0], [0.0, 0.6]], "textbook backward:1 tustin exact exact:complex"),
        "negative": ([[-0.5, 1.0], [0.0, 0.6]], "textbook backward:1 tustin exact:complex"),
        "minus one": ([[-1.0, 1.0], [0.0, 0.6]], "textbook backward:1 exact:complex"),
        "singular": ([[1.0, 2.0], [2.0, 4.0]], "tustin"),
        "turn": ([[0.0, -1.0], [1.0, 0.0]], "textbook backward:1 tustin exact exact:complex"),
        "half turn": ([[-1.0, 0.0], [0.0, -1.0]], "textbook backward:1 exact:complex"),
    }
    methods = (ro.Textbook(), ro.Forward(2), ro.Backward(1), ro.Tustin(), ro.Exact(), ro.Exact(complex=True))
    for label, (W, expected) in cases.items():
        s = ro.spectrum(jnp.asarray(W))
        found = {method.label for method in methods if bool(s.exists(method))}
        assert found == {"forward:2", *expected.split()}, label


class Hiding(ro.Forward):
    """A method that says of any matrix it is asked about that rounding hides the generator."""

    def hides(self, W):
        return jnp.ones((), bool)


@pytest.mark.slow
def test_whether_rounding_hides_a_generator_is_asked_where_it_moves_multipliers_far():
    defective = rotated(np.random.default_rng(0), jordan(0.5, 4))
    assert ro.spectrum(defective).exists(ro.Forward()) and not ro.spectrum(defective).exists(Hiding())
    clear = np.diag([0.5, 0.6, 0.7, 0.8])
    assert ro.spectrum(clear).exists(Hiding())
    traced = jax.jit(lambda W: ro.spectrum(W).exists(Hiding()))
    assert traced(clear) and not traced(defective)


# --- the numbers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample():
    W = np.random.default_rng(11).standard_normal((N, N)) / N**0.5
    return W, ro.spectrum(jnp.asarray(W)), np.linalg.eigvals(W)


def test_numbers_against_numpy(sample):
    W, s, values = sample
    order = np.argsort(-np.abs(values), kind="stable")
    assert np.allclose(np.abs(s.multipliers), np.abs(values)[order], rtol=1e-12)
    assert np.all(np.diff(np.abs(s.multipliers)) <= 1e-15)
    assert np.allclose(s.radius, np.abs(values).max()) and np.allclose(s.abscissa, values.real.max())
    assert np.allclose(s.timescales, -1 / np.log(np.abs(s.multipliers)))
    assert np.allclose(s.frequencies, np.angle(s.multipliers) / (2 * np.pi))
    left, right = scipy.linalg.eig(W, left=True)[1:]
    condition = 1 / np.abs(np.sum(left.conj() * right, axis=0))
    assert np.allclose(np.sort(s.condition), np.sort(condition), rtol=1e-10)


def test_rates(sample):
    _, s, values = sample
    rate, *rates = jax.jit(lambda s: [s.rate(method) for method in (None, *METHODS)])(s)
    assert np.allclose(rate, np.log(np.abs(values).max()))
    for method, found in zip(METHODS, rates, strict=True):
        assert np.allclose(found, g(method, values).real.max()), method


SERIES = (ro.Forward(1), ro.Forward(2), ro.Backward(1), ro.Tustin(), ro.Exact(), ro.Textbook())


@jax.jit
def _series(W):
    s = ro.spectrum(W)
    return [s.series_converges(m) for m in SERIES], [s.neglected(m) for m in SERIES[:5]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("multipliers", "converges"),
    [
        ((0.6, 1.4), [1, 1, 1, 1, 1, 0]),
        ((0.4, 1.4), [1, 1, 0, 1, 1, 0]),  # Backward needs Re λ > ½
        ((0.6, 2.1), [0, 0, 1, 1, 1, 0]),  # Forward needs |λ − 1| < 1
        ((-0.1, 1.0), [0, 0, 0, 0, 1, 0]),  # Tustin needs Re λ > 0
        ((2 - 1e-12, 1.0), [1, 1, 1, 1, 1, 0]),
        ((np.nextafter(2, 1), 1.0), [0, 0, 1, 1, 1, 0]),  # rounding leaves it open
        ((np.nextafter(0.5, 1), 1.0), [1, 1, 0, 1, 1, 0]),
    ],
)
def test_a_method_s_series_converges_where_it_is_known_to(multipliers, converges):
    found, _ = _series(jnp.diag(jnp.array(multipliers)))
    assert [int(f) for f in found] == converges


def test_the_first_neglected_term_is_that_of_the_series():
    """By hand at λ = 0.6; the multiplier 1 neglects nothing."""
    wanted = [0.4**2 / 2 / 0.4, 0.4**3 / 3 / (0.4 + 0.4**2 / 2), (2 / 3) ** 2 / 2 / (2 / 3), 2 / 3 * 0.25**3 / 0.5, 0]
    _, neglected = _series(jnp.diag(jnp.array([0.6, 1.0])))
    np.testing.assert_allclose(neglected, wanted, rtol=1e-9)
    np.testing.assert_array_equal(_series(jnp.eye(2))[1], 0)


# --- compiled, batched, refused --------------------------------------------------------------------------------------


@jax.jit
def _three(W):
    s = ro.spectrum(W)
    return code(s.discrete), s.rate(ro.Tustin()), s.multipliers


@pytest.mark.slow
def test_jitted_equals_eager(sample):
    W, s, _ = sample
    verdict, rate, multipliers = _three(jnp.asarray(W))
    assert NAMES[verdict] == name(s.discrete) == name(s.verdicts(ro.Textbook())[0])
    assert np.allclose(rate, s.rate(ro.Tustin()), rtol=1e-12) and np.allclose(multipliers, s.multipliers, rtol=1e-12)


@pytest.mark.slow
def test_every_matrix_of_a_batch_is_asked_by_itself():
    """Of 0.5 and −0.5: a negative multiplier has no real logarithm, and lies outside |λ − 1| < 1."""
    batch = jax.vmap(ro.spectrum)(jnp.stack([0.5 * jnp.eye(2), -0.5 * jnp.eye(2)]))
    assert batch.exists(ro.Exact()).tolist() == [True, False]
    assert batch.series_converges(ro.Forward()).tolist() == [True, False]
    np.testing.assert_allclose(batch.rate(), np.log([0.5, 0.5]))


def test_a_batch_is_answered_by_a_batch():
    """By the shapes alone, which compiles nothing."""
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), ro.spectrum(jnp.eye(3)))

    def asked(s):
        method = ro.Backward(1)
        numbers = s.radius, s.abscissa, s.rate(), s.rate(method), s.neglected(method)
        answers = s.exists(method), s.series_converges(method), *s.verdicts(method)
        return (*numbers, *answers), (s.timescales, s.frequencies, s.reach)

    of_matrix, of_mode = jax.eval_shape(asked, two)
    assert {leaf.shape for leaf in jax.tree.leaves(of_matrix)} == {(2,)}
    assert {leaf.shape for leaf in of_mode} == {(2, 3)}
    assert two.table().startswith("A batch (2,) of Spectrum")
    with pytest.raises(ValueError, match=r"^to_dict takes one result with known values; this is a batch \(2,\)"):
        two.to_dict()


def test_the_first_verdict_is_the_networks_and_the_second_the_methods(monkeypatch):
    monkeypatch.setattr(
        module, "_verdicts", lambda s, B, methods: (ro.Verdict.GROWS, ro.Verdict.DECAYS)[: 1 + len(methods)]
    )
    s = ro.spectrum(jnp.eye(3))
    assert name(s.discrete) == "GROWS" and name(s.continuous(ro.Tustin())) == "DECAYS"


@pytest.mark.parametrize(
    ("top", "verdict", "dtype", "hinted"),
    [
        (0.5, "DECAYS", np.float32, False),
        (0.5, "UNDETERMINED", np.float32, True),
        (1.0, "PERSISTS", np.float32, True),  # its timescale is infinite
        (1.0, "UNDETERMINED", np.float64, False),
    ],
)
def test_float64_is_advised_where_float32_leaves_something_open(monkeypatch, top, verdict, dtype, hinted):
    monkeypatch.setattr(module, "_verdicts", lambda s, B, methods: (getattr(ro.Verdict, verdict),))
    monkeypatch.setattr(ro.Spectrum, "timescales", np.array([np.inf if top == 1 else 3.0, 2.0]))
    one = jnp.ones(2)
    hint = ro.Spectrum(jnp.asarray(np.diag([top, 0.5]), dtype), one + 0j, one, one).hint
    assert ("jax_enable_x64" in hint) == hinted and (hinted or hint == "")


@pytest.mark.slow
def test_vmapped_equals_a_loop():
    Ws = jnp.asarray(gaussian(3, 8, float))
    batch = jax.jit(jax.vmap(lambda W: code(ro.spectrum(W).discrete)))(Ws)
    assert [NAMES[i] for i in np.asarray(batch)] == [name(ro.spectrum(W).discrete) for W in Ws]


@pytest.mark.parametrize(
    ("W", "words"),
    [
        (np.zeros((2, 3)), "square"),
        (np.zeros((0, 0)), "square"),
        (np.zeros(3), "shape"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "finite"),
        (np.array([[np.inf]]), "finite"),
    ],
)
def test_bad_input(W, words):
    with pytest.raises(ValueError, match=words):
        ro.spectrum(W)


def test_complex_matrices_are_refused():
    with pytest.raises(TypeError, match=r"^W must hold real floating-point numbers; got dtype complex"):
        ro.spectrum(np.eye(2) * 1j)


@pytest.mark.parametrize("ask", ["continuous", "exists", "rate", "series_converges", "neglected"])
@pytest.mark.parametrize("method", ["exact", ro.Exact])
def test_what_is_no_method_is_refused_by_name(ask, method, as_user):
    with pytest.raises(TypeError, match=r"^method must be one of rnn_ode's methods"):
        getattr(ro.spectrum(np.eye(2)), ask)(method)


# as data and as a table


@pytest.mark.gate
def test_a_spectrum_as_data_says_the_same_as_its_methods():
    s = ro.spectrum(np.diag([0.5, -0.25, 0.0]))
    data = s.to_dict()
    assert (
        data["size"] == 3 and data["network"]["verdict"] == "DECAYS" and data["network"]["says"].startswith("DECAYS:")
    )
    np.testing.assert_allclose([data["radius"], data["abscissa"], data["network"]["rate"]], [0.5, 0.5, np.log(0.5)])
    assert data["condition_number"] is None
    assert [z["re"] for z in data["multipliers"]] == [0.5, -0.25, 0.0]
    assert [z["frequency"] for z in data["multipliers"]] == [0.0, 0.5, 0.0]
    np.testing.assert_allclose(data["multipliers"][0]["timescale"], 1 / np.log(2))
    methods = {m["method"]: m for m in data["methods"]}
    assert methods["textbook"]["verdict"] == "GROWS" and not methods["textbook"]["exists"]
    assert methods["forward:1"]["exists"] and methods["forward:1"]["why_not"] is None
    np.testing.assert_allclose(methods["forward:1"]["rate"], -0.5)
    assert methods["forward:1"]["series_converges"] is False  # |λ − 1| = 1.25
    assert "singular" in methods["exact"]["why_not"]


def test_a_spectrum_as_a_table_has_its_methods_and_its_largest_multipliers():
    lines = ro.spectrum(np.diag(np.linspace(0.9, 0.1, 14))).table().splitlines()
    assert lines[0] == "14 × 14 matrix, condition number 9"
    assert lines[2] == "spectral radius 0.9, abscissa 0.9, rate -0.10536 nats per step"
    assert lines[4].split() == ["method", "its", "flow", "nats", "per", "step", "exists"]
    assert lines[6] == f"{'forward:1':<15}{'DECAYS':<10}{'-0.1':>13}  yes"
    assert lines[19].split() == ["0.9", "0.9", "9.4912", "0.0000", "1"]
    assert "… and 2 more" in lines and "to_dict and --json have them all." in lines and len(lines) == 40


def test_a_large_spectrum_counts_the_rows_that_it_hides_once():
    s = ro.spectrum(np.diag(np.linspace(0.9, 0.1, 14)))
    multipliers = s.tables()[1]
    assert multipliers.hidden == 2 and "… and 4 more" in multipliers.text(most=10).splitlines()
    assert str(s).splitlines().count("… and 4 more") == 1


@pytest.mark.slow
def test_infinities_are_shown_and_stay_out_of_json():
    s = ro.spectrum(np.eye(3, k=1))
    lines = s.table().splitlines()
    assert lines[0] == "3 × 3 matrix, condition number ∞" and lines[2].endswith("rate −∞ nats per step")
    data = s.to_dict()
    assert data["condition_number"] is None and data["network"]["rate"] is None
