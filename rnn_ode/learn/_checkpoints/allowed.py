"""What a file may name: classes and functions that compute, and nothing that writes, listens or changes a setting.

A function that is missing here can still be read, if the reader gives it: `load(path, known=(jnp.hypot,))`.
"""

CLASSES = ("rnn_ode", "rnn_ode.learn", "rnn_ode.interop", "equinox.nn", "equinox", "diffrax", "lineax", "optimistix")
"""Modules whose classes of modules, those that users import, may be parts of a model."""

PRIVATE = (
    "rnn_ode._bridge.",
    "rnn_ode._cells.",
    "rnn_ode._fields.",
    "rnn_ode._methods.",
    "rnn_ode._paths.",
    "rnn_ode._run.",
    "rnn_ode._systems.",
    "rnn_ode.interop.",
    "rnn_ode.learn._forecast.",
    "rnn_ode.learn._models.",
)
"""Folders of this package whose classes of modules may be parts of a model without a public name. They compute."""

UNFIT = ("diffrax:TextProgressMeter", "diffrax:TqdmProgressMeter")
"""Classes that do more than compute: these print."""

FUNCTIONS = {
    "jax.nn": (
        "celu elu gelu glu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log_sigmoid log_softmax "
        "logsumexp mish relu relu6 selu sigmoid silu soft_sign softmax softplus sparse_plus sparse_sigmoid squareplus "
        "standardize swish tanh"
    ),
    "jax.numpy": (
        "abs absolute acos acosh add all amax amin any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax "
        "argmin asin asinh atan atan2 atanh average cbrt ceil clip concatenate cos cosh cumprod cumsum divide dot exp "
        "exp2 expand_dims expm1 flip float_power floor fmax fmin heaviside hypot inner log log10 log1p log2 logaddexp "
        "matmul max maximum mean median min minimum mod moveaxis multiply nan_to_num negative outer positive power "
        "prod ravel real reciprocal remainder reshape round sign sin sinc sinh sqrt square squeeze stack std subtract "
        "sum swapaxes tan tanh transpose true_divide trunc var vdot where zeros_like ones_like"
    ),
    "jax.lax": (
        "abs acos acosh add asin asinh atan atanh cbrt clamp cos cosh cumsum div erf erf_inv erfc exp exp2 expm1 "
        "floor lgamma log log1p logistic max min mul neg pow reciprocal rsqrt sign sin sinh sqrt square stop_gradient "
        "sub tan tanh"
    ),
    # norms of solvers
    "optimistix": "max_norm rms_norm two_norm",
    "optimistix._misc": "max_norm rms_norm two_norm",
}
"""The functions of each module that may be parts of a model, such as activations and readouts."""
