"""The bridge: every conversion against SciPy's matrix functions, the pairs that undo each other, and the refusals."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conversions import (
    AFFINE,
    BIAS,
    CELLS,
    H0,
    MATRIX_FUNCTIONS,
    W_X,
    XS,
    D,
    N,
    W,
    blocks,
    labelled,
)
from matrices import jordan, rotated

import rnn_ode as ro
from rnn_ode._bridge.to_ode import _finite, half_precision
from rnn_ode._paths.base import Constant


@pytest.mark.slow
@pytest.mark.parametrize("dt", [1.0, 0.25])
@pytest.mark.parametrize("method", MATRIX_FUNCTIONS, **labelled)
def test_the_field_of_an_affine_cell_is_g_of_its_matrix(method, dt):
    G = MATRIX_FUNCTIONS[method](blocks(W, W_X, BIAS)) / dt
    field = ro.to_ode(AFFINE, method, dt=dt)
    wanted = G[:N] @ np.concatenate([H0, XS[0], [1.0]])
    np.testing.assert_allclose(
        field(0.0, jnp.asarray(H0), Constant(jnp.asarray(XS[0]))), wanted, rtol=1e-11, atol=1e-12
    )
    np.testing.assert_allclose(method.generator(jnp.asarray(W)), MATRIX_FUNCTIONS[method](W), rtol=1e-11, atol=1e-12)


def test_a_field_that_rounding_made_nan_is_computed_from_its_matrix():
    """φ(W) = g(W) (W − 1)⁻¹."""
    field = ro.to_ode(AFFINE, ro.Tustin(), dt=0.25)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, field)
    again = _finite(broken, AFFINE.affine, ro.Tustin(), 0.25)
    assert again.lead == field.lead and _finite(field, AFFINE.affine, ro.Tustin(), 0.25) is field
    for found, wanted in ((again.A, field.A), (again.B, field.B), (again.c, field.c)):
        np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize("method", [ro.Forward(2), ro.Tustin()], **labelled)
def test_the_leaves_of_a_field_are_the_arrays_of_its_network(method):
    """Numbers such as the step are parts of the program: a gradient or an update of leaves has nothing to do with them."""
    cell = ro.VanillaCell(W, W_X, BIAS, jnp.tanh)
    leaves = jax.tree.leaves(ro.to_ode(cell, method, dt=0.5))
    assert [leaf.shape for leaf in leaves] == [leaf.shape for leaf in jax.tree.leaves(cell)]


@pytest.mark.parametrize("activation", [None, jax.nn.relu, jnp.tanh])
def test_textbook_is_the_published_equation_for_any_activation(activation):
    cell = ro.VanillaCell(W, W_X, BIAS, activation)
    x, h, dt = XS[0], H0, 0.5
    x_prime, b_prime = np.linalg.solve(W, W_X @ x), np.linalg.solve(W, BIAS)
    came = ro.to_ode(cell, ro.Textbook(), dt=dt)(0.0, jnp.asarray(h), Constant(jnp.asarray(x)))
    np.testing.assert_allclose(came, (W @ h + x_prime + b_prime) / dt, rtol=1e-12)


def test_forward_1_of_a_tanh_network_is_the_continuous_time_network_with_the_time_constant_dt():
    cell, dt = ro.VanillaCell(W, W_X, BIAS, jnp.tanh), 0.5
    ours, published = ro.to_ode(cell, ro.Forward(1), dt=dt), ro.CTRNN(W, W_X, BIAS, tau=dt)
    x = Constant(jnp.asarray(XS[0]))
    np.testing.assert_allclose(ours(0.0, jnp.asarray(H0), x), published(0.0, jnp.asarray(H0), x), rtol=1e-12)


def test_backward_1_has_the_textbooks_drive_and_another_matrix():
    x, inverse = XS[0], np.linalg.inv(W)
    came = ro.to_ode(AFFINE, ro.Backward(1))(0.0, jnp.asarray(H0), Constant(jnp.asarray(x)))
    np.testing.assert_allclose(came, (np.eye(N) - inverse) @ H0 + inverse @ (W_X @ x + BIAS), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry", ["textbook-disagrees", "textbook-disagrees-2", "backward1-is-conservative", "forward1-is-optimistic"]
)
def test_exponents_tell_what_the_reference_says(entry):
    """The `conversions` block of reference.json, on exponents alone."""
    multiplier, growth = {
        "textbook-disagrees": (0.5, {ro.Textbook(): 1, ro.Exact(): -1}),
        "textbook-disagrees-2": (-2.0, {ro.Textbook(): -1, ro.Exact(): 1}),
        "backward1-is-conservative": (0.9j, {ro.Backward(1): 1, ro.Tustin(): -1, ro.Exact(): -1}),
        "forward1-is-optimistic": (-1.5, {ro.Forward(1): -1, ro.Tustin(): 1, ro.Exact(): 1}),
    }[entry]
    for method, sign in growth.items():
        assert np.sign(method.exponent(multiplier).real) == sign, method


def affine(*rows):
    W = np.array(rows, float)
    return ro.VanillaCell(W, np.ones((len(W), 1)), np.zeros(len(W)), activation=None)


def relu(*rows):
    cell = affine(*rows)
    return ro.VanillaCell(cell.W_h, cell.W_x, cell.b)


SINGULAR = ([1.0, 2.0], [2.0, 4.0])


@pytest.mark.parametrize("make", [affine, relu], ids=["affine", "relu"])
@pytest.mark.parametrize(
    "method", [ro.Textbook(), ro.Backward(1), ro.Backward(3), ro.Exact(), ro.Exact(complex=True)], **labelled
)
def test_singular_weights_have_no_inverse(method, make):
    if make is relu and isinstance(method, ro.Exact) and method.complex:
        method = ro.Exact(complex=True, anchored=True)
    with pytest.raises(ValueError, match="does not exist for this network") as caught:
        ro.to_ode(make(*SINGULAR), method)
    message = str(caught.value)
    assert "W_h is singular or nearly so, a multiplier zero to within rounding (condition number" in message
    assert message.endswith("These do: Forward(1), Tustin().")


def test_nearly_singular_weights_count_as_singular_and_their_condition_is_told():
    with pytest.raises(ValueError, match=r"condition number 1e\+17\)"):
        ro.to_ode(affine([1.0, 0.0], [0.0, 1e-17]), ro.Backward(1))
    ro.to_ode(affine([1.0, 0.0], [0.0, 1e-12]), ro.Backward(1))
    with pytest.raises(ValueError, match=r"condition number (inf|nan)\)"):
        ro.to_ode(affine([0.0, 0.0], [0.0, 0.0]), ro.Textbook())


def test_negative_multipliers_have_no_real_logarithm():
    message = r"Exact\(\) does not exist for this network: its multiplier -0\.5 is negative\. These do: "
    with pytest.raises(ValueError, match=message) as caught:
        ro.to_ode(affine([-0.5, 0.0], [0.0, 0.9]), ro.Exact())
    for way in ("Forward(1)", "Tustin()", "Exact(complex=True)"):
        assert way in str(caught.value)


def test_minus_one_has_no_cayley_transform():
    message = (
        r"Tustin\(\) does not exist for this network: its multiplier -1 is a pole of the Cayley transform\. These do: "
    )
    with pytest.raises(ValueError, match=message) as caught:
        ro.to_ode(affine([-1.0, 0.0], [0.0, 0.9]), ro.Tustin())
    ways = str(caught.value).split("These do: ")[1]
    assert "Forward(1)" in ways and "Exact(complex=True)" in ways and "Tustin" not in ways


def test_traced_weights_are_not_looked_at():
    @jax.jit
    def velocity(W):
        return ro.to_ode(ro.VanillaCell(W, W_X, BIAS, activation=None), ro.Tustin())(
            0.0, jnp.ones(N), Constant(jnp.ones(D))
        )

    assert np.all(np.isfinite(velocity(jnp.asarray(W))))
    assert not np.all(np.isfinite(velocity(-jnp.eye(N))))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ro.to_ode(CELLS["gru"], ro.Textbook()),
            TypeError,
            r"Textbook\(\) is written for VanillaCell.*got GRUCell",
        ),
        (
            lambda: ro.to_ode(CELLS["tanh"], ro.Exact(complex=True)),
            TypeError,
            "serves affine cells alone; got VanillaCell",
        ),
        (lambda: ro.to_ode(CELLS["gru"], ro.Exact(complex=True)), TypeError, r"serves affine cells.*got GRUCell"),
        (lambda: ro.to_ode(AFFINE, ro.Forward), TypeError, r"method must be one of rnn_ode's methods.*got <class"),
        (lambda: ro.to_ode(AFFINE, "exact"), TypeError, r"method must be one of .* got 'exact'"),
        (lambda: ro.to_ode(AFFINE, ro.Euler()), TypeError, r"method must be one of .* got Euler\(\)"),
        (lambda: ro.to_ode(W, ro.Exact()), TypeError, r"cell must be a callable cell\(x, h\); got array"),
        (lambda: ro.to_ode(AFFINE, ro.Exact(), dt=0), ValueError, r"dt must be positive and finite; got 0\.0"),
        (lambda: ro.to_ode(AFFINE, ro.Exact(), dt=np.nan), ValueError, r"dt must be positive and finite; got nan"),
        (
            lambda: ro.to_rnn(lambda t, h, path: h, ro.Euler(), dt=-1),
            ValueError,
            r"dt must be positive and finite; got -1\.0",
        ),
        (lambda: ro.to_rnn(AFFINE, ro.Euler), TypeError, r"scheme must be one of rnn_ode's schemes.*got <class"),
        (lambda: ro.to_rnn(AFFINE, diffrax.Tsit5()), TypeError, r"scheme must be one of .* got Tsit5"),
        (lambda: ro.to_rnn(W, ro.Euler()), TypeError, r"field must be a callable field\(t, h, path\); got array"),
        (lambda: ro.Forward(0), ValueError, r"order must be at least 1; got 0"),
        (lambda: ro.Backward(-2), ValueError, r"order must be at least 1; got -2"),
        (lambda: ro.Forward(1.5), TypeError, r"order must be a whole number, .* got 1\.5"),
        (lambda: ro.Backward(2.0), TypeError, r"order must be a whole number, .* got 2\.0"),
        (lambda: ro.RungeKutta(substeps=0), ValueError, r"substeps must be at least 1; got 0"),
        (lambda: ro.RungeKutta(diffrax.Heun), TypeError, r"solver must be a diffrax solver"),
        (lambda: ro.Exact(complex="yes"), TypeError, r"complex must be True or False; got 'yes'"),
    ],
)
def test_bad_arguments_are_named(call, error, message, as_user):
    with pytest.raises(error, match=message):
        call()


def test_weights_in_half_precision_are_refused_where_a_system_is_solved():
    cell = ro.VanillaCell(*(jnp.ones(shape, jnp.float16) for shape in ((1, 1), (1, 1), (1,))))
    with pytest.raises(
        TypeError, match=r"cell must have weights of float32 or wider for Tustin\(\).*; they are float16"
    ):
        ro.to_ode(cell, ro.Tustin())
    assert (
        ro.to_ode(cell, ro.Forward(2))(0.0, jnp.ones(1, jnp.float16), lambda t: jnp.ones(1, jnp.float16)).dtype
        == "float16"
    )


def test_float32_is_no_half_precision():
    kinds = jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64
    told = [half_precision((jnp.ones(1, jnp.int8), jnp.ones(2, kind))) for kind in kinds]
    assert told == ["float16", "bfloat16", None, None]


@pytest.mark.slow
def test_huge_weights_are_not_refused():
    """Squares of them leave the float range, which is no reason for a pole at −1 or a zero multiplier."""
    cell = ro.VanillaCell(1e160 * np.eye(2), np.ones((2, 1)), np.zeros(2), activation=None)
    np.testing.assert_allclose(ro.to_ode(cell, ro.Tustin()).A, 2 * np.eye(2))
    np.testing.assert_allclose(ro.to_ode(cell, ro.Exact()).A, np.log(1e160) * np.eye(2), rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "matrix", "words"),
    [
        (ro.Backward(1), np.diag([1.0, 0.0]), "backward:1 does not exist for this W: W_h is singular"),
        (ro.Backward(2), [[1.0, 1.0], [1.0, 1.0]], "singular"),
        (ro.Tustin(), np.diag([1.0, -1.0]), "its multiplier -1 is a pole of the Cayley transform"),
        (ro.Tustin(), [[0.0, 1.0], [1.0, 0.0]], "its multiplier -1 is a pole"),
        (ro.Exact(), np.diag([1.0, -1.0]), "its multiplier -1 is negative"),
        (ro.Textbook(), np.ones((2, 3)), r"W must be a square matrix \(N, N\), .* got \(2, 3\)"),
        (ro.Forward(2), np.ones((2, 3)), r"W must be a square matrix \(N, N\), .* got \(2, 3\)"),
    ],
)
def test_a_generator_that_does_not_exist_is_refused(method, matrix, words):
    with pytest.raises(ValueError, match=words):
        method.generator(matrix)


@pytest.mark.parametrize("method", [ro.Textbook(), ro.Forward(2), ro.Tustin()], **labelled)
def test_a_zero_multiplier_leaves_the_generators_without_an_inverse(method):
    assert np.isfinite(method.generator(np.diag([1.0, 0.0]))).all()


@pytest.mark.parametrize(("A", "error"), [(None, TypeError), ([["a"]], TypeError), (np.ones((2, 3)), ValueError)])
def test_logm_of_what_is_not_a_matrix_names_the_argument(A, error, as_user):
    with pytest.raises(error, match=r"^A must"):
        ro.logm(A)


@pytest.mark.gate
def test_a_flow_whose_matrix_rounding_hides_is_refused():
    """It was a field of NaN."""
    W = rotated(np.random.default_rng(0), jordan(0.1, 5)).astype(np.float32)
    cell = ro.VanillaCell(W, np.ones((5, 1), np.float32), np.zeros(5, np.float32), None)
    with pytest.raises(ValueError, match=r"rounding in float32 hides the generator; float64 .* These do: Forward\(1\)"):
        ro.to_ode(cell, ro.Exact())
    with pytest.raises(ValueError, match="hides the generator"):
        jax.jit(lambda h: ro.to_ode(cell, ro.Exact())(0.0, h, lambda t: jnp.zeros(1)))(W[0])


@pytest.mark.gate
@pytest.mark.parametrize("method", [ro.Exact(), ro.Exact(complex=True)], **labelled)
def test_a_spectrum_and_a_conversion_agree_on_what_rounding_hides(method):
    """The spectrum said that a logarithm exists where the conversion refused it, or the reverse."""
    rng, hidden, there = np.random.default_rng(2), 0, 0
    exists = eqx.filter_jit(lambda W: ro.spectrum(W).exists(method))
    for _ in range(40):
        W = rotated(rng, jordan(10.0 ** rng.uniform(-2, 0), 3)).astype(np.float32)
        try:
            field = ro.to_ode(ro.VanillaCell(W, W[:, :1], W[0], None), method)
        except ValueError as error:
            converts, hidden = False, hidden + ("hides" in str(error))
        else:
            converts, there = bool(np.isfinite(field.A).all() and np.isfinite(field.c).all()), there + 1
        assert bool(exists(W)) == converts == (method.obstacle(W) is None)
    assert hidden > 3 and there > 8


@pytest.mark.gate
def test_a_generator_that_leaves_the_float_range_is_refused(float32):
    W = jnp.array([[0.5, 3e38], [0, 0.5]])
    with pytest.raises(ValueError, match="rounding in float32 hides the generator"):
        ro.to_ode(ro.VanillaCell(W, jnp.ones((2, 1)), jnp.ones(2), None), ro.Tustin())
    assert not bool(ro.spectrum(W).exists(ro.Tustin()))
