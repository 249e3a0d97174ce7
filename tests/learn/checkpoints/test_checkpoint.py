"""Files of models: what comes back, what old files hold, and what is refused."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import equal
from trainings import QUIET, TARGETS, XS, small, squares

import rnn_ode as ro
from rnn_ode import learn
from rnn_ode.learn._checkpoints.allowed import FUNCTIONS
from rnn_ode.learn._checkpoints.description import build, describe

FIELD = ro.CTRNN(np.diag([0.5, -0.3, 0.8]), np.ones((3, 1)), np.zeros(3), tau=2.0)
MODELS = {
    "wiring": lambda key: small(),
    "lstm": lambda key: eqx.nn.LSTMCell(2, 3, key=key),
    "mlp": lambda key: eqx.nn.MLP(2, 3, 4, 1, key=key),
    "flow": lambda key: learn.Integrated(ro.to_ode(ro.VanillaCell.random(key, 1, 2), ro.Tustin()), ro.Cubic, rtol=1e-3),
    "stack": lambda key: ro.StackedCell(
        [eqx.nn.GRUCell(2, 1, key=key), ro.to_rnn(FIELD, ro.RungeKutta(diffrax.Heun()))]
    ),
    "irregular": lambda key: learn.IrregularToOne(learn.ODERNN(FIELD, eqx.nn.GRUCell(2, 3, key=key)), jnp.sum),
    "encoder": lambda key: learn.EncoderDecoder(small().runner, small().runner, eqx.nn.Linear(3, 1, key=key)),
    "bfloat16": lambda key: eqx.nn.Linear(2, 2, key=key, dtype=jnp.bfloat16),
    "pytree": lambda key: {
        "a": [1, 2.5, None, "text", jnp.arange(3), True],
        "b": (jnp.ones(2, jnp.float32), jax.nn.relu),
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_its_file(name, tmp_path):
    model = MODELS[name](jax.random.key(3))
    learn.save(tmp_path / "model", model)
    assert equal(learn.load(tmp_path / "model"), model)
    header = (tmp_path / "model").read_bytes().partition(b"\n")[0]
    assert b"rnn_ode._" not in header and b"rnn_ode.learn._" not in header, "files name no private module"


def test_random_keys_come_back_with_their_kind(tmp_path):
    rows = jax.random.split(jax.random.key(4, impl="rbg"), 3)
    keys = {"one": jax.random.key(3), "rows": rows, "old": jax.random.PRNGKey(5)}
    learn.save(tmp_path / "keys", keys)
    found = learn.load(tmp_path / "keys")
    assert equal(found, keys) and all(found[name].dtype == key.dtype for name, key in keys.items())
    np.testing.assert_array_equal(jax.random.normal(found["rows"][1]), jax.random.normal(keys["rows"][1]))
    data = (tmp_path / "keys").read_bytes()
    (tmp_path / "keys").write_bytes(data.replace(b'"threefry2x32"', b'"os.system"'))
    with pytest.raises(ValueError, match=r"'os\.system' is no kind of random key"):
        learn.load(tmp_path / "keys")
    with pytest.raises(ValueError, match=r"model.key is rbg key\[\] in the file and \S+ key\[\] in this run"):
        way = {**QUIET, "steps": 1, "checkpoint": tmp_path / "run.ckpt"}
        for kind in ("rbg", "threefry2x32"):
            model = {"w": jnp.ones(1), "key": jax.random.key(0, impl=kind)}
            learn.fit(model, lambda model, batch: jnp.sum(model["w"]), [0.0], **way)


@pytest.mark.slow
def test_a_checkpoint_with_an_untyped_random_key_is_read():
    """A network and PRNGKey(7), in a training by Adam."""
    model = learn.load(Path(__file__).parents[2] / "data" / "checkpoint_1.ckpt")
    assert model["key"].tolist() == [0, 7] and model["net"].runner.cell.W_h.shape == (2, 2)
    assert jnp.isfinite(model["net"](jnp.ones((3, 1)))).all()


class Own(eqx.Module):
    weight: jax.Array
    name: str = eqx.field(static=True)

    def __call__(self, x):
        return self.weight * x


def test_your_own_classes_must_be_given_to_load(tmp_path):
    model = Own(jnp.ones(2), "mine")
    learn.save(tmp_path / "model", model)
    with pytest.raises(ValueError, match=r"test_checkpoint:Own.*known="):
        learn.load(tmp_path / "model")
    assert equal(learn.load(tmp_path / "model", known=(Own,)), model)


LOADING = """
import sys
from rnn_ode import learn
model = learn.load(sys.argv[1])
print(type(model).__name__, model.runner.cell.activation.__name__, float(abs(model.runner.cell.W_h).sum()))
assert not any("test_" in name for name in sys.modules)
"""


def in_another_process(script: str, *arguments: object, **settings: str) -> subprocess.Popen:
    env = os.environ | {"JAX_ENABLE_X64": "1", **settings}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_checkpoint_loads_in_a_fresh_process(tmp_path):
    done = learn.fit(small(), squares, [(XS, TARGETS)], **QUIET, steps=3, checkpoint=tmp_path / "run.ckpt")
    out, err = in_another_process(LOADING, tmp_path / "run.ckpt").communicate()
    assert out.split() == ["ManyToOne", "tanh", str(float(abs(done.model.runner.cell.W_h).sum()))], err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"hello\n" + data, "not a checkpoint of rnn_ode; its first line is b'hello'"),
        (lambda data: data[:-40], "damaged or cut short"),
        (lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "another checksum"),
        (lambda data: data.replace(b'"array": [3, 3]', b'"array": [300000000, 300000000]'), "damaged"),
        (lambda data: b"[" * 100_000 + b"\n", "not a checkpoint"),
        (lambda data: data.replace(b"checkpoint 1", b"checkpoint 7"), "reads files of the kind"),
        (lambda data: data.replace(b"rnn_ode:VanillaCell", b"os:VanillaCell"), "the model has a part 'os:VanillaCell'"),
        (lambda data: data.replace(b"jax.numpy:tanh", b"os:system"), "the model has a part 'os:system'"),
        (
            lambda data: data.replace(b"jax.nn:tanh", b"rnn_ode._files:os.remove"),
            "has a part 'rnn_ode._files:os.remove'",
        ),
        (lambda data: data.replace(b'"W_h"', b'"W_q"'), "a VanillaCell has the fields"),
        (lambda data: data.replace(b'"float64"', b'"object"', 1), "no array of numbers|damaged"),
        (lambda data: b"", "not a checkpoint"),
    ],
)
def test_a_damaged_or_hostile_file_is_refused(spoil, message, tmp_path):
    path = tmp_path / "model"
    learn.save(path, small())
    data = path.read_bytes()
    spoilt = spoil(data)
    if spoilt == data:
        pytest.skip("another spelling of tanh")
    path.write_bytes(spoilt)
    with pytest.raises(ValueError, match=message) as caught:
        learn.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "jax.numpy:save",
        "jax.numpy:load",
        "jax.numpy:set_printoptions",
        "jax.numpy:frompyfunc",
        "jax.nn:initializers.os",
        "jax.profiler:start_server",
        "jax:pure_callback",
        "rnn_ode.interop:write_arrays",
        "rnn_ode.learn:save",
        "rnn_ode.learn:load",
        "rnn_ode:explore",
        "rnn_ode.__main__:main",
        "rnn_ode.cli:app",
        "rnn_ode._files.atomic:written_beside",
        "rnn_ode._explore.server:server",
        "equinox:tree_serialise_leaves",
        "equinox:internal.debug_backward_nan",
        "diffrax:TqdmProgressMeter",
        "diffrax:diffeqsolve",
        "builtins:eval",
        "os:system",
        "",
        ":",
        "rnn_ode:",
    ],
)
def test_a_file_may_name_only_what_computes(name):
    """Each of these was found by name before there was a list, or would write a file, open a port or change a setting."""
    for description in ({"function": name}, {"class": name, "fields": {}}):
        with pytest.raises(ValueError, match="not in the list of what a file may name"):
            build(description)
    assert "rnn_ode.__main__" not in sys.modules


def test_a_function_that_is_not_in_the_list_is_read_if_it_is_given(tmp_path):
    learn.save(tmp_path / "model", {"f": jnp.fft.rfft, "g": jnp.tanh})
    with pytest.raises(ValueError, match="rfft"):
        learn.load(tmp_path / "model")
    assert learn.load(tmp_path / "model", known=(jnp.fft.rfft,))["f"] is jnp.fft.rfft


def test_every_allowed_name_exists_or_is_of_another_version_and_computes():
    for module, names in FUNCTIONS.items():
        found = [getattr(importlib.import_module(module), name, None) for name in names.split()]
        assert all(map(callable, filter(None, found))) and sum(f is None for f in found) <= 0.1 * len(found)


@pytest.mark.parametrize("shape", [[10**12], [10**6, 10**6], [-1], ["a"], [1.5], [True], "3", None, [10**400]])
def test_sizes_that_a_file_only_promises_take_no_memory(shape, tmp_path):
    learn.save(tmp_path / "model", {"w": jnp.ones(3)})
    head, _, body = (tmp_path / "model").read_bytes().partition(b"\n")
    header = json.loads(head)
    header["model"]["dict"]["w"]["array"] = shape
    (tmp_path / "model").write_bytes(json.dumps(header).encode() + b"\n" + body)
    with pytest.raises(ValueError, match=r"model: (its description|an array)"):
        learn.load(tmp_path / "model")


def test_a_part_that_cannot_be_saved_is_named_by_its_place(tmp_path):
    with pytest.raises(TypeError, match=r"model\['f'\]\[0\] cannot be stored as data"):
        learn.save(tmp_path / "model", {"f": [lambda x: x]})
    assert not any(tmp_path.iterdir())


OLD = Path(__file__).parents[2] / "data" / "0.1.0"
OLD_XS = np.sin(0.3 * np.arange(12.0))[:, None]


@pytest.mark.parametrize(
    "name", ["stack", *(pytest.param(name, marks=pytest.mark.slow) for name in ("scheme", "tustin", "forward2"))]
)
def test_models_of_0_1_0_are_read_and_compute_the_same(name, tmp_path):
    """Written by version 0.1.0, which named private modules, with the outputs that it computed in float32. Written again,
    the file names no private module."""
    model = learn.load(OLD / f"{name}.ckpt")
    expected = json.loads((OLD / "expected.json").read_text())[name]
    np.testing.assert_allclose(np.ravel(model(jnp.asarray(OLD_XS, jnp.float32))), expected, rtol=1e-4, atol=1e-5)
    learn.save(tmp_path / "again", model)
    header = (tmp_path / "again").read_bytes().partition(b"\n")[0].decode()
    assert (
        "rnn_ode._" not in header and "rnn_ode.learn._" not in header and equal(learn.load(tmp_path / "again"), model)
    )


def test_a_field_that_a_later_version_added_has_its_default():
    description = describe(Own(jnp.ones(2), "mine"))
    del description["fields"]["name"]
    with pytest.raises(ValueError, match="a Own has the fields weight, name; the file has weight"):
        build(description, (Own,))
    description = describe(learn.Iterated(ro.VanillaCell([[0.5]], [[1.0]], [0.0])))
    del description["fields"]["checkpoints"]
    assert build(description).checkpoints is None
