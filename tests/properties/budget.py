"""How many random cases each property tries, and the count of those that were tried."""

import functools
import os
import time
from collections import Counter

import hypothesis
import pytest

large = False  # set by conftest before the properties are read
ended: dict[str, str] = {}

SECONDS = float(os.environ.get("RNN_ODE_PROPERTY_SECONDS", "60"))  # of processor time, a property in the large budget
_tried: Counter[str] = Counter()
_about: dict[str, tuple[str, str]] = {}


def prop(few: int, many: int, found: str = "", **strategies):
    """Make a test of a property: `few` random cases in the suite, and up to `many` in a thorough run, as time allows.

    `found` says in one sentence which defects the property has found, which are mended. The few cases are the same in every
    run; 0 stands for a property that belongs to the thorough run alone.
    """

    def decorate(test):
        over, failed = [], []

        @functools.wraps(test)
        def counted(*args, **kwargs):
            if large and over and not failed and time.process_time() > over[0]:
                pytest.skip("the time is over")  # which ends the search, and the property holds
            try:
                test(*args, **kwargs)
            except hypothesis.errors.UnsatisfiedAssumption:
                raise
            except Exception as error:
                failed.append(error)
                raise
            _tried[test.__name__] += 1
            if not over:  # the first case compiles
                over.append(time.process_time() + SECONDS)

        _about[test.__name__] = test.__module__.rpartition("test_")[2], found
        # shrinking takes too long for slow cases and for many
        quick = not large and few > 12
        settings = hypothesis.settings(
            phases=list(hypothesis.Phase) if quick else [hypothesis.Phase.generate],
            max_examples=many if large else max(few, 1),
            derandomize=not large,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        given = settings(hypothesis.given(**strategies)(counted))

        def run():
            try:
                given()
            except (pytest.skip.Exception, hypothesis.errors.FlakyStrategyDefinition):
                if failed or not over:  # else Hypothesis was stopped, perhaps between two numbers that it draws
                    raise

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run if few else pytest.mark.thorough(run)

    return decorate


def report() -> list[dict]:
    """What was tried and how it ended, property by property."""
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
