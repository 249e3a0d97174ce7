from rnn_ode.plot._style import colours_of


def test_each_name_has_one_colour_in_order_of_first_appearance():
    colours = colours_of(["b", "a", "b"])
    assert list(colours) == ["b", "a"] and colours["a"] != colours["b"]


def test_colours_repeat_after_ten_names():
    colours = list(colours_of(map(str, range(12))).values())
    assert colours[10:] == colours[:2] and len(set(colours)) == 10
