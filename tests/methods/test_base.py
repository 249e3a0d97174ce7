"""What every method says of multipliers and of matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from matrices import METHODS, g, jordan, rotated, rotation

import rnn_ode as ro
from rnn_ode._methods.existence import may_hide


def test_exponents_never_raise():
    points = np.array([0, -1, 1, 1e300, 1e-320, -2.0, 0.5 + 1j, np.inf, np.nan], complex)
    found = jax.jit(lambda z: [method.exponent(z) for method in METHODS])(jnp.asarray(points))
    for method, values in zip(METHODS, found, strict=True):
        assert values.shape == points.shape and jnp.iscomplexobj(values)
        tame = [2, 5, 6] if method.pole != -1 else [2, 5, 6, 0]
        assert np.allclose(np.asarray(values)[tame], g(method, points[tame])), method
        assert jnp.iscomplexobj(method.exponent(0.5)) and method.exponent(1).shape == ()
    assert not np.isfinite(ro.Tustin().exponent(-1.0)) and not np.isfinite(ro.Backward(1).exponent(0.0))


def test_series_exponents_converge_to_the_logarithm():
    points = jnp.asarray([0.6, 0.7 + 0.3j, 1.3, 0.9 - 0.4j])
    for kind, ratio in ((ro.Forward, np.abs(points - 1)), (ro.Backward, np.abs(1 - 1 / points))):
        for order in (1, 4, 16, 48):
            tail = ratio ** (order + 1) / (order + 1) / (1 - ratio)
            error = np.abs(kind(order).exponent(points) - np.log(points))
            assert np.all(error <= tail + 1e-14), (kind, order)
            assert np.allclose(kind(order).exponent(points), g(kind(order), points))


# One matrix, all methods: compiled once.

EVERY = (*METHODS, ro.Exact(complex=True))
MATRIX = np.array([[1.2, 0.3, 0.0], [-0.4, 0.9, 0.2], [0.1, 0.0, 0.7]])
DRIVES = np.array([[1.0, 0.0], [2.0, -1e6], [-1.0, 0.0]])
every = pytest.mark.parametrize("method", EVERY, ids=lambda method: method.label)


@jax.jit
def _asked(W, drives):
    own_phi = (ro.Backward, ro.Tustin)
    return [(m.affine_generator(W, drives), m.phi(W, drives[:, 0]) if isinstance(m, own_phi) else None) for m in EVERY]


@pytest.fixture(scope="module")
def asked():
    return dict(zip(EVERY, _asked(jnp.asarray(MATRIX), jnp.asarray(DRIVES)), strict=True))


def function_of(f, W):
    """f(W) by the eigenvectors of W."""
    values, V = np.linalg.eig(W)
    return V @ np.diag(f(values)) @ np.linalg.inv(V)


@every
def test_the_generator_is_g_of_the_matrix(asked, method):
    np.testing.assert_allclose(asked[method][0][0], function_of(lambda z: g(method, z), MATRIX), atol=1e-12)


@every
def test_the_drive_is_multiplied_by_phi(asked, method):
    """φ(z) = g(z)/(z − 1), but for the textbook, which has 1/z."""
    phi = function_of(lambda z: 1 / z if method == ro.Textbook() else g(method, z) / (z - 1), MATRIX)
    (_, drives), alone = asked[method]
    scale = np.abs(DRIVES).max(axis=0)
    np.testing.assert_allclose(np.asarray(drives) / scale, phi @ DRIVES / scale, atol=1e-12)
    if alone is not None:
        np.testing.assert_allclose(alone, phi @ DRIVES[:, 0], atol=1e-12)


POINTS = np.array([0.6, 1.3, 0.9 - 0.4j, 0.5 + 0.8j, -0.2 + 0.9j, 1.1j])


@every
def test_a_contour_is_where_the_exponent_has_the_wanted_growth(method):
    """Newton's method, by which series find their points, may miss one now and then."""
    for level in (0.0, 0.2):
        found = method.contour(jnp.asarray(POINTS), jnp.asarray(level))
        growth = g(method, found).real
        assert np.mean(np.abs(growth - level) < 1e-9) > (0.6 if method in (ro.Forward(3), ro.Backward(2)) else 0.99)


OBSTACLES = {
    "a zero": (
        np.diag([0.5, 0.0]),
        "textbook backward:1 backward:2 exact exact:complex",
        "W_h is singular or nearly so, a multiplier zero to within rounding (condition number inf)",
    ),
    "nearly a zero": (
        np.array([[1.0, 2.0], [2.0, 4.0 + 1e-15]]),
        "textbook backward:1 backward:2 exact exact:complex",
        "singular or nearly so",
    ),
    "a negative one": (np.diag([0.5, -0.25]), "exact", "its multiplier -0.25 is negative"),
    "minus one": (np.diag([0.5, -1.0]), "tustin exact", "its multiplier -1 is "),
    "a pair": (np.array([[0.0, -0.5], [0.5, 0.0]]), "", ""),
    "a small one": (np.diag([1.0, 1e-10]), "", ""),
    "what is not finite": (np.diag([1.0, np.nan]), " ".join(m.label for m in EVERY), "its Jacobian is not finite"),
}


@pytest.mark.parametrize("label", OBSTACLES)
def test_a_method_says_which_multiplier_forbids_it(label):
    W, forbidden, words = OBSTACLES[label]
    found = {method.label: method.obstacle(W) for method in EVERY}
    assert {name for name, why in found.items() if why} == set(forbidden.split())
    assert all(words in why.text and why.zero == ("zero" in label) for why in found.values() if why)


def test_the_pole_of_tustin_is_named():
    assert ro.Tustin().obstacle(np.diag([0.5, -1.0])).text == "its multiplier -1 is a pole of the Cayley transform"
    with pytest.raises(ValueError, match=r"^tustin does not exist for this W: its multiplier -1 is a pole"):
        ro.Tustin().generator([[-1.0]])


def test_float32_hints_at_float64_where_that_may_decide():
    assert "jax_enable_x64" in ro.Tustin().obstacle(np.diag([0.5, -1 - 1e-6]).astype(np.float32)).text
    assert ro.Tustin().obstacle(np.diag([0.5, -1 - 1e-6])) is None
    assert "jax_enable_x64" not in ro.Exact().obstacle(np.diag([0.5, -0.5]).astype(np.float32)).text


def test_a_single_multiplier_on_the_negative_axis_is_real_and_two_close_ones_may_be_a_pair():
    W = np.random.default_rng(0).normal(size=(9, 9))  # of odd size, so that at least one multiplier is real
    W = -np.sign(np.linalg.eigvals(W)[abs(np.linalg.eigvals(W).imag) < 1e-9].real[0]) * W
    assert "jax_enable_x64" not in ro.Exact().obstacle(W.astype(np.float32)).text
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    close = (Q @ np.array([[-0.5, 1, 0], [0, -0.5, 0], [0, 0, 0.5]]) @ Q.T).astype(np.float32)
    assert "jax_enable_x64" in ro.Exact().obstacle(close).text


@every
def test_a_multiplier_is_excluded_to_within_the_tolerance(method):
    zs = np.array([0.0, 0.01, -0.01, -1.0, -1.01, -0.5, -0.5 + 0.01j, 0.5j, 1.0, 0.7])
    tolerance = 0.02
    wanted = {"textbook": [0, 1, 2], "tustin": [3, 4], "exact": [0, 1, 2, 3, 4, 5, 6], "exact:complex": [0, 1, 2]}
    wanted |= {"backward:1": [0, 1, 2], "backward:2": [0, 1, 2]}
    found = np.flatnonzero(method.excluded(zs, tolerance)).tolist()
    assert found == wanted.get(method.label, [])


def test_the_first_neglected_term_is_that_of_the_series():
    z = np.array([0.6 + 0.2j])
    for method, ratio, term in (
        (ro.Forward(1), abs(z - 1), -((z - 1) ** 2) / 2),
        (ro.Forward(2), abs(z - 1), (z - 1) ** 3 / 3),
        (ro.Backward(1), abs(1 - 1 / z), (1 - 1 / z) ** 2 / 2),
        (ro.Backward(3), abs(1 - 1 / z), (1 - 1 / z) ** 4 / 4),
        (ro.Tustin(), abs((z - 1) / (z + 1)) ** 2, 2 / 3 * ((z - 1) / (z + 1)) ** 3),
        (ro.Exact(), [0.0], [0.0]),
        (ro.Textbook(), [np.inf], np.log(z) - z),
    ):
        found = jax.jit(lambda z, method=method: (method.series_ratio(z), method.neglected(z)))(z)
        np.testing.assert_allclose(found[0], ratio, rtol=1e-12)
        np.testing.assert_allclose(found[1], term, rtol=1e-12)


def test_methods_are_drawn_apart():
    def drawn(*methods):
        return [(method.colour, method.line) for method in methods]

    forward, backward = (
        [line for _, line in drawn(*(kind(k) for k in range(1, 6)))] for kind in (ro.Forward, ro.Backward)
    )
    assert forward == backward == ["-", "--", "-.", ":", ":"]  # orders from 4 on share one
    exact, complex_, anchored, both = drawn(*(ro.Exact(*flags) for flags in ((), (True,), (False, True), (True, True))))
    assert exact[1] == anchored[1] == "-" and complex_[1] == both[1] == "--"
    assert exact[0] == complex_[0] != anchored[0] == both[0]
    assert ro.Forward(1).colour != ro.Forward(2).colour == ro.Forward(3).colour
    colours = {method.colour for method in EVERY}
    assert len(colours) == 6 and all(colour[0] == "#" and len(colour) == 7 for colour in colours)
    assert Central().colour == Central().line == ""


def test_what_methods_say_of_themselves():
    said = {m.label: (m.input_lead, m.adds_equilibria, m.inverts, m.pole, m.is_truncation) for m in EVERY}
    assert said == {
        "textbook": (0.0, True, True, None, False),
        "forward:1": (1.0, True, False, None, True),
        "forward:3": (1.0, True, False, None, True),
        "backward:1": (0.0, False, True, 0.0, True),
        "backward:2": (0.5, True, True, 0.0, True),
        "tustin": (0.5, False, False, -1.0, True),
        "exact": (0.5, False, True, 0.0, False),
        "exact:complex": (0.5, False, True, 0.0, False),
    }


def test_a_series_has_one_term_and_a_logarithm_is_real_unless_more_is_asked_for():
    assert (ro.Forward(), ro.Backward()) == (ro.Forward(1), ro.Backward(1))
    assert ro.Exact() == ro.Exact(complex=False, anchored=False)


def test_a_method_has_no_leaves_and_may_be_an_argument_of_a_compiled_function():
    assert jax.tree.leaves(EVERY) == []
    for method in EVERY:
        exponent = jax.eval_shape(lambda m, z: m.exponent(z), method, jnp.ones(3))
        assert exponent.shape == (3,)


class Central(ro.AbstractMethod):
    """A method that somebody else adds."""

    label = "central"
    inverts = True
    pole = 2.0

    def of_number(self, z):
        return (z - 1 / z) / 2

    def of_matrix(self, W):
        return (W - jnp.linalg.inv(W)) / 2


def test_a_new_method_has_defaults_for_what_it_does_not_say():
    method = Central()
    assert (method.input_lead, method.adds_equilibria, method.affine_only, method.anchored) == (0.5, True, False, False)
    assert (method.forward_differences, method.backward_differences, method.ignores_activation) == (0, 0, False)
    assert not method.is_truncation and np.isnan(method.neglected(jnp.ones(1, complex))).all()
    assert np.isnan(method.series_ratio(jnp.ones(1, complex))).all()
    assert method.excluded(np.array([0.0, 1.0, 2.0]), 0.1).tolist() == [True, False, True]
    assert method.obstacle(np.diag([2.0, 1.0])).text == "its multiplier 2 is a pole of central"
    assert method.obstacle(np.array([[0.0, -0.5], [0.5, 0.0]])) is None


def test_a_new_method_has_the_label_that_it_needs_no_argument_for():
    class Weighted(Central):
        weight: float

    class Named(Central):
        label = property(lambda self: "named")

    assert (Central.spellings(), Weighted.spellings(), Named.spellings()) == (("central",), (), ())
    assert Central.from_label("central") == Central() and Central.from_label("named") is None


def test_a_new_method_has_phi_by_its_function_of_a_matrix():
    """φ(½) = g(½)/(½ − 1) = 3/2."""
    np.testing.assert_allclose(jax.jit(Central().phi)(np.array([[0.5]]), np.array([2.0])), [3.0], rtol=1e-14)


@pytest.mark.slow
def test_the_reading_of_a_new_method_is_by_the_real_part_of_g():
    reading = Central().reading
    assert reading.pole == 2.0 and reading.exponent(jnp.asarray(0.5)) == -0.75
    np.testing.assert_allclose(Central().of_number(reading.contour(jnp.array([0.9 + 0j]), jnp.asarray(0.2))).real, 0.2)


def test_what_a_new_method_says_of_an_excluded_multiplier():
    said = [Central().fault_of(multiplier + 0j, 0.1) for multiplier in (2.05, 0.05, 1.0)]
    assert said == ["a pole of central", "zero to within rounding", "excluded by central"]


class Hiding(Central):
    """A method that says of any matrix it is asked about that rounding hides the generator."""

    def hides(self, W):
        return jnp.ones((), bool)


def test_a_method_is_asked_whether_rounding_hides_its_generator_where_that_may_be():
    assert may_hide(np.array([1.0, -2.0, 1.0]), np.array([0.9e-4, 1.9e-4, 1.1e-4])).tolist() == [False, False, True]
    defective = rotated(np.random.default_rng(0), jordan(0.5, 4))
    assert "rounding in float64 hides the generator" in Hiding().obstacle(defective).text
    assert not Hiding().obstacle(defective).zero and Central().obstacle(defective) is None
    assert Hiding().obstacle(np.diag([0.5, 1.0])) is None


def test_a_generator_is_asked_of_a_matrix_for_which_it_exists():
    np.testing.assert_allclose(ro.Forward(1).generator([[0.5, 1.0], [0.0, 2.0]]), [[-0.5, 1.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"^central does not exist for this W: its multiplier 2 is a pole of central"):
        Central().generator([[2.0]])
    with pytest.raises(ValueError, match=r"^W must be a square matrix"):
        ro.Forward(1).generator([[1.0, 2.0]])


@pytest.mark.slow
@pytest.mark.parametrize("W", [np.diag([0.5, -0.25, 2.0]), -np.eye(3), np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, -2]])])
def test_a_complex_logarithm_is_a_logarithm(W):
    np.testing.assert_allclose(scipy.linalg.expm(np.asarray(_complex_generator(jnp.asarray(W)))), W, atol=1e-13)


_complex_generator = jax.jit(ro.Exact(complex=True).of_matrix)


def test_a_complex_logarithm_is_the_principal_one_where_an_arc_beside_the_axis_is_free():
    """A turn by π − 0.2: the free arc is 0.2 wide."""
    W = scipy.linalg.block_diag(0.7 * rotation(np.pi - 0.2), [[0.5]])
    np.testing.assert_allclose(_complex_generator(jnp.asarray(W)), scipy.linalg.logm(W), atol=1e-13)


def test_a_complex_logarithm_takes_the_neighbouring_branch_where_the_arc_beside_the_axis_is_narrow():
    """A turn by π − 5e-4: the conjugate multiplier is taken for a turn by π + 5e-4."""
    W = scipy.linalg.block_diag(0.7 * rotation(np.pi - 5e-4), [[0.5]])
    exponents = np.linalg.eigvals(np.asarray(_complex_generator(jnp.asarray(W))))
    np.testing.assert_allclose(np.sort(exponents.imag), [0, np.pi - 5e-4, np.pi + 5e-4], atol=1e-10)


@pytest.mark.gate
def test_exponents_are_the_eigenvalues_of_the_generator():
    rng = np.random.default_rng(3)
    W = 0.3 * rng.standard_normal((4, 4)) + np.eye(4)
    values = np.linalg.eigvals(W)
    assert np.all((values.real > 0) | (np.abs(values.imag) > 1e-3))
    for method in (*METHODS, ro.Exact(complex=True)):
        expected = np.sort_complex(g(method, values))
        found = np.sort_complex(np.linalg.eigvals(np.asarray(jax.jit(method.generator)(jnp.asarray(W)))))
        assert np.allclose(np.sort(found.real), np.sort(expected.real), atol=1e-11), method
        assert np.allclose(np.sort(found.imag), np.sort(expected.imag), atol=1e-11), method


@pytest.mark.gate
def test_contours():
    """What the verdict relies on: points of the curve, and near an eigenvalue that is near the curve."""
    points = jnp.asarray(np.random.default_rng(2).standard_normal((40, 2)) @ [1, 1j])
    for method in METHODS:
        for level in (0.0, 0.3):
            contour = jax.jit(method.contour)
            curve = contour(points, jnp.asarray(level))
            on_curve = np.abs(method.exponent(curve).real - level) < 1e-9
            assert on_curve.mean() > (0.8 if method == ro.Forward(3) or method == ro.Backward(2) else 0.99), method
            near = curve[on_curve] + 1e-7 * np.exp(1j * np.arange(on_curve.sum()))
            near = jnp.concatenate([near, points])[: len(points)]  # one shape
            again = contour(near, jnp.asarray(level))[: on_curve.sum()]
            near = curve[on_curve]
            steep = np.abs(curve[on_curve] - (method.pole if method.pole is not None else np.inf)) < 1e-2
            assert np.all((np.abs(again - near) < 3e-7) | steep), method


@pytest.mark.parametrize("method", [ro.Forward(2), ro.Tustin(), ro.Exact()], ids=lambda method: method.label)
def test_the_exponent_of_a_python_number_has_the_digits_of_float64(method):
    """A number of Python's has no type of its own, and was read as float32 although JAX computes in float64."""
    assert method.exponent(0.3) == method.exponent(np.float64(0.3)) and method.exponent(0.3).dtype == np.complex128


@pytest.mark.parametrize(("method", "wanted"), [(ro.Exact(), False), (ro.Exact(complex=True), True)])
def test_a_complex_logarithm_alone_needs_an_affine_cell(method, wanted):
    assert method.affine_only == wanted and not ro.Exact(complex=method.complex, anchored=True).affine_only
