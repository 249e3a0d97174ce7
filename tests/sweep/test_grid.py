"""The members of a sweep and their chunks."""

import itertools

import jax
import numpy as np
import pytest

from rnn_ode._sweep.grid import as_grid


@pytest.mark.parametrize("most", [1, 2, 5, 7, 12, 30, 1000])
@pytest.mark.parametrize("shape", [(1,), (13,), (3, 5), (4, 1, 6), (2, 3, 4)])
def test_chunks_cover_every_member_once_and_are_no_larger_than_asked_for(shape, most):
    grid = as_grid({f"p{k}": range(n) for k, n in enumerate(shape)})
    box = grid.box(most)
    members = np.zeros(shape, int)
    for chunk in grid.chunks(box):
        region = grid.region(chunk, box)
        members[region] += 1
        assert 0 < members[region].size <= most
        values = list(grid.values(region).values())
        wanted = itertools.product(*(range(part.start, part.stop) for part in region))
        assert list(zip(*map(np.ndarray.tolist, values), strict=True)) == list(wanted)
    assert (members == 1).all()
    assert grid.size == members.size


def test_a_chunk_is_as_large_as_its_boxes_allow():
    grid = as_grid({"a": range(100), "b": range(7), "c": range(10)})
    assert grid.box(1000) == (14, 7, 10)
    assert grid.box(69) == (1, 6, 10)
    assert grid.box(9) == (1, 1, 9)
    assert grid.box(1000, ("b",)) == (100, 1, 10)


@pytest.mark.parametrize(
    ("axes", "error", "words"),
    [
        (3, TypeError, "axes must be a dictionary of values by name"),
        ("gain", TypeError, "axes must be a dictionary"),
        ({}, ValueError, "at least one parameter"),
        ([], ValueError, "at least one parameter"),
        ({"gain": []}, ValueError, r"axes\['gain'\] must have shape \(n,\)"),
        ({"gain": 1.0}, ValueError, r"axes\['gain'\] must have shape \(n,\)"),
        ({"gain": [[1.0]]}, ValueError, r"got \(1, 1\)"),
        ({"gain": [1.0, np.nan]}, ValueError, r"axes\['gain'\] must be finite"),
        ({"cell": ["gru", "lstm"]}, TypeError, "call sweep once for each"),
        ({"seed": jax.random.split(jax.random.key(0), 2)}, TypeError, "In place of random keys give seeds"),
        ({"gain": [[1.0], [1.0, 2.0]]}, TypeError, r"axes\['gain'\] must be numbers"),
        ({"gain": [1.0, None]}, TypeError, r"axes\['gain'\] must be numbers"),
        ({"a b": [1.0]}, ValueError, "by identifiers; got 'a b'"),
        ({3: [1.0]}, ValueError, "by identifiers; got 3"),
        ([{"a": 1}, {"b": 1}], ValueError, r"axes\[0\] names a and axes\[1\] b"),
        ([{"member": 1}], ValueError, "must not name a parameter 'member'"),
    ],
)
def test_axes_that_are_no_numbers_are_refused(axes, error, words):
    with pytest.raises(error, match=words):
        as_grid(axes)
