"""Parametrisations of which a part tells as much as the whole."""

import pytest


def telling(cases, *kept):
    """Parameters of which those that are `kept` run with the suite, and the others, which find nearly the same, with
    `-m thorough`. Each case costs seconds of compiling."""
    return [case if case in kept else pytest.param(case, marks=pytest.mark.thorough) for case in cases]
