"""Colours, and labels that move apart."""

import itertools
from types import SimpleNamespace

import matplotlib.style
import numpy as np
import pytest
from matplotlib.colors import to_rgb

import rnn_ode as ro
from rnn_ode._base.text import power_of_ten
from rnn_ode.plot._page import spread
from rnn_ode.plot._style import PALETTE, colours_of, ink, look_of, paper, shade

METHODS = (
    ro.Textbook(),
    ro.Forward(1),
    ro.Forward(3),
    ro.Backward(1),
    ro.Tustin(),
    ro.Exact(),
    ro.Exact(anchored=True),
)

# A mark of a third of a degree differs, for half of all people, by 7 in L*, 10 in a* or 14 in b* (Stone, Szafir & Setlur,
# "An engineering model for color difference as a function of size", CIC 2014, table 2). 15 is more than each of them.
APART = 15.0

# Machado, Oliveira & Fernandes, "A physiologically-based model for simulation of color vision deficiency", 2009: severity 1
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])


def light(colour):
    """Linear RGB."""
    value = np.array(to_rgb(colour))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(colour, sight):
    xyz = XYZ @ np.clip(np.array(SIGHT[sight]) @ light(colour), 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_lab_is_that_of_the_primaries():
    np.testing.assert_allclose(lab("red", "normal"), [53.24, 80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(lab("blue", "normal"), [32.30, 79.19, -107.86], atol=0.05)


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_can_be_told_apart(sight):
    for one, two in itertools.combinations(PALETTE, 2):
        assert np.linalg.norm(lab(one, sight) - lab(two, sight)) > APART, (one, two)


def test_colours_stand_out_against_white_and_against_black():
    for colour in PALETTE:
        y = XYZ[1] @ light(colour)
        assert 1.05 / (y + 0.05) >= 2.9 and (y + 0.05) / 0.05 >= 3, colour  # WCAG 2.1 asks for 3 of graphics


def test_our_methods_have_colours_of_the_palette_and_looks_of_their_own():
    looks = [tuple(look_of(method).values()) for method in (*METHODS, ro.Forward(2), ro.Exact(complex=True))]
    assert len(set(looks)) == len(looks) and {colour for colour, _ in looks} <= set(PALETTE)
    assert len({look_of(method)["color"] for method in METHODS}) == len(METHODS)


def test_a_method_of_somebody_else_has_a_look_that_is_always_the_same_and_no_colour_of_ours():
    ours = {look_of(method)["color"] for method in METHODS}
    for label in ("central", "mine", "heun:2"):
        look = look_of(SimpleNamespace(label=label))
        assert look == look_of(SimpleNamespace(label=label)) and look["color"] not in ours
    assert look_of(SimpleNamespace(label="central")) == {"color": "#695a87", "ls": ":"}


def test_foreground_and_background_are_those_of_matplotlibs_style():
    assert (ink(), paper(), shade(0.0), shade(1.0)) == ("#000000", "#ffffff", "#ffffff", "#000000")
    with matplotlib.style.context("dark_background"):
        assert (ink(), paper(), shade(0.25)) == ("#ffffff", "#000000", "#404040")


def test_each_name_has_one_colour_in_order_of_first_appearance():
    colours = colours_of(["b", "a", "b"])
    assert list(colours) == ["b", "a"] and colours["a"] != colours["b"]


def test_colours_repeat_after_ten_names():
    colours = list(colours_of(map(str, range(12))).values())
    assert colours[10:] == colours[:2] and len(set(colours)) == 10


def test_labels_move_apart_as_little_as_possible_and_stay_in_their_order():
    np.testing.assert_allclose(spread([5.0, 1.0], [1.0, 1.0], 0, 10), [5, 1])
    np.testing.assert_allclose(spread([5.0, 5.0], [2.0, 2.0], 0, 10), [4, 6])
    np.testing.assert_allclose(spread([9.9, 9.8, 0.0], [2.0, 2.0, 1.0], 0, 10), [9, 7, 0.5])
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted, sizes = rng.uniform(0, 10, 6), rng.uniform(0.1, 1.5, 6)
        places = spread(wanted, sizes, 0, 10)
        order = np.argsort(wanted)
        gaps = np.diff(places[order]) - (sizes[order][1:] + sizes[order][:-1]) / 2
        assert np.all(gaps > -1e-12)
        assert np.all(places - sizes / 2 >= -1e-12) and np.all(places + sizes / 2 <= 10 + 1e-12)


def test_powers_of_ten_are_plain_text():
    assert power_of_ten(119) == "10¹¹⁹" and power_of_ten(-3) == "10⁻³"
