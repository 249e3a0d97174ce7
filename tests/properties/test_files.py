"""What is written is read back: series, weights, recordings and checkpoints."""

import datetime
import json
import tempfile
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from properties import budget
from properties import strategies as draw
from properties.budget import prop

import rnn_ode as ro
from rnn_ode import audio, datasets, interop, learn

FOLDER = Path(tempfile.mkdtemp())
floats = st.floats(allow_nan=False, allow_infinity=False, width=64)
names = (
    st.text("abcdefgxyzäöüß _", min_size=1, max_size=8)
    .map(str.strip)
    .filter(
        lambda name: (
            name.lower() not in ("", "nan", "na", "inf", "nil", "year", "date", "time", "x", "n", "none", "null", "_")
        )
    )
)


def some(most):
    """A number of units or channels: one in the small budget."""
    return st.integers(1, most) if budget.large else st.just(most - 1)


def spelled(value, decimal):
    return repr(float(value)).replace(".", decimal)


@prop(
    40,
    4000,
    rows=st.lists(st.tuples(floats, floats), min_size=3, max_size=12),
    header=st.lists(names, min_size=3, max_size=3, unique_by=str.lower),
    style=st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", ".")]),
    start=st.dates(datetime.date(1950, 1, 1), datetime.date(2030, 1, 1)),
    every=st.integers(1, 40),
    form=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d"]),
    newest_first=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_a_csv_file_in_any_style_is_read_to_the_last_digit(
    rows, header, style, start, every, form, newest_first, ending, mark
):
    """Said in words: separator and decimal mark; found: dates, header and order."""
    sep, decimal = style
    days = [start + datetime.timedelta(every * k) for k in range(len(rows))]
    if form == "%d.%m.%Y":
        assume(any(day.day > 12 for day in days))
    lines = [
        sep.join([day.strftime(form), *(spelled(v, decimal) for v in row)]) for day, row in zip(days, rows, strict=True)
    ]
    text = ending.join([sep.join(header), *(lines[::-1] if newest_first else lines)]) + ending
    path = FOLDER / "series.csv"
    path.write_bytes((mark + text).encode())
    series = datasets.load_csv(path, header[1:], index=header[0], sep=sep, decimal=decimal)
    np.testing.assert_array_equal(series.values, np.array(rows))
    assert [str(t)[:10] for t in series.index] == [day.isoformat() for day in days]
    assert list(series.columns) == header[1:]


@prop(
    40,
    4000,
    values=st.lists(st.decimals(-9999, 9999, allow_nan=False, places=2), min_size=4, max_size=12),
    style=st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", "."), ("\t", ",")]),
    first=st.integers(1800, 2000),
)
def test_the_style_of_a_csv_file_is_found_and_never_misread(values, style, first):
    """Numbers with two decimals, with yearly rows: they are read as written, or the file is refused with a reason."""
    sep, decimal = style
    lines = [f"{first + k}{sep}{str(v).replace('.', decimal)}" for k, v in enumerate(values)]
    path = FOLDER / "found.csv"
    path.write_text("\n".join([f"year{sep}level", *lines]) + "\n", encoding="utf-8")
    try:
        series = datasets.load_csv(path)
    except ValueError as error:
        assert "found.csv" in str(error)
        return
    np.testing.assert_array_equal(series.values[:, 0], [float(v) for v in values])
    np.testing.assert_array_equal(series.index, first + np.arange(len(values)))


@prop(
    30,
    3000,
    kind=st.sampled_from([".npz", ".npy", ".json", ".csv", ".txt"]),
    n=st.integers(1, 6),
    data=st.data(),
)
def test_a_matrix_is_read_back_to_the_last_bit(kind, n, data):
    W = np.array(data.draw(st.lists(floats, min_size=n * n, max_size=n * n))).reshape(n, n)
    path = FOLDER / f"matrix{kind}"
    match kind:
        case ".npz":
            np.savez(path, W=W)
        case ".npy":
            np.save(path, W)
        case ".json":
            path.write_text(json.dumps({"W": W.tolist()}))
        case ".csv":
            path.write_text("\n".join(",".join(map(repr, row)) for row in W.tolist()) + "\n")
        case ".txt":
            path.write_text("\n".join(" ".join(map(repr, row)) for row in W.tolist()) + "\n")
    came = interop.read_matrix(path)
    np.testing.assert_array_equal(came, W)
    assert came.dtype == float


CELLS = {
    "tanh": lambda key, n, d: ro.VanillaCell.random(key, d, n, activation=jnp.tanh),
    "gru": lambda key, n, d: eqx.nn.GRUCell(d, n, key=key),
    "lstm": lambda key, n, d: eqx.nn.LSTMCell(d, n, key=key),
}


@prop(
    20,
    1000,
    kind=st.sampled_from(tuple(CELLS)),
    seed=draw.seeds,
    n=some(5),
    d=some(3),
    residual=st.booleans(),
)
def test_a_network_is_read_back_from_the_file_that_it_was_written_to(kind, seed, n, d, residual):
    key = jax.random.key(seed % 2**31)
    cell = CELLS[kind](key, n, d)
    readout = eqx.nn.Linear(n, d, key=key)
    network = interop.Network(cell, readout, residual=residual)
    path = FOLDER / "network.json"
    interop.write_network(path, network)
    back = interop.read_network(path)
    rng = np.random.default_rng(seed)
    x, h = rng.normal(size=d), rng.normal(size=n)
    state = (h, h) if kind == "lstm" else h
    for one, other in (
        (cell(*map(_arrays, (x, state))), back.cell(*map(_arrays, (x, state)))),
        (network.output(_arrays(x), _arrays(state)), back.output(_arrays(x), _arrays(state))),
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), one, other)


def _arrays(tree):
    return jax.tree.map(jnp.asarray, tree)


@prop(
    30,
    2000,
    rng=draw.rngs(),
    rate=st.sampled_from([8000, 44_100, 48_000]),
    channels=st.integers(1, 3),
    count=st.integers(1, 300),
    subtype=st.sampled_from(["pcm16", "pcm24", "pcm32", "float", "double"]),
    name=st.sampled_from(["sound.wav", "sound.aiff"]),
    parts=st.integers(1, 4),
    size=st.sampled_from([1, 64, 1000]),
)
def test_a_recording_is_read_back_to_half_of_its_last_bit(rng, rate, channels, count, subtype, name, parts, size):
    """However it is cut into blocks when it is written."""
    samples = rng.uniform(-0.99, 0.99, (count, channels))
    path = FOLDER / name
    with audio.recording_writer(path, rate, channels, subtype) as write:
        for part in np.array_split(samples, parts):
            write(part)
    came = audio.read_recording(path)
    step = {"pcm16": 2.0**-15, "pcm24": 2.0**-23, "pcm32": 2.0**-31, "float": 2.0**-24, "double": 0.0}[subtype]
    assert (came.rate, came.channels, came.frames) == (rate, channels, count)
    np.testing.assert_allclose(np.concatenate([*came.blocks(size)]), samples, rtol=0, atol=0.501 * step)


@prop(20, 1000, kind=st.sampled_from(tuple(CELLS)), seed=draw.seeds, n=some(5), d=some(3))
def test_a_model_is_loaded_as_it_was_saved(kind, seed, n, d):
    model = CELLS[kind](jax.random.key(seed % 2**31), n, d)
    path = FOLDER / "model.eqx"
    learn.save(path, model)
    back = learn.load(path)
    assert jax.tree.structure(back) == jax.tree.structure(model)
    jax.tree.map(np.testing.assert_array_equal, back, model)
