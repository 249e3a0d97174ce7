"""How many random cases each property tries, and the count of those that were tried."""

import functools
from collections import Counter

import hypothesis

large = False  # set by conftest before the properties are read
ended: dict[str, str] = {}
_tried: Counter[str] = Counter()
_about: dict[str, tuple[str, str]] = {}


def prop(few: int, many: int, found: str = "", **strategies):
    """Make a test of a property: `few` random cases in the suite, `many` in a thorough run.

    `found` says in one sentence which defects the property has found, which are mended. Cases of the small budget are the
    same in every run.
    """

    def decorate(test):
        @functools.wraps(test)
        def counted(*args, **kwargs):
            test(*args, **kwargs)
            _tried[test.__name__] += 1

        _about[test.__name__] = test.__module__.rpartition("test_")[2], found
        # shrinking slow cases takes too long
        phases = list(hypothesis.Phase) if few > 12 else [hypothesis.Phase.generate]
        settings = hypothesis.settings(
            phases=phases,
            max_examples=many if large else few,
            derandomize=not large,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        return settings(hypothesis.given(**strategies)(counted))

    return decorate


def report() -> list[dict]:
    """What was tried and how it ended: the properties that ran, in the order of their names."""
    return [
        {
            "subject": _about[name][0],
            "property": name,
            "times": _tried[name],
            "found": _about[name][1],
            "outcome": outcome,
        }
        for name, outcome in ended.items()
        if name in _about
    ]
