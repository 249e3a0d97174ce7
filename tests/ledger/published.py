"""Published values: each row a value from elsewhere, its source, ours and whether they agree."""

import jax
from published import bifurcations, conversions, equations, flows, matrices, reference

QUICK = {
    "reference": reference.rows,
    "equations": equations.rows,
    "matrices": matrices.rows,
    "conversions": conversions.rows,
}
WHOLE = {
    "reference": reference.slow_rows,
    "bifurcations": bifurcations.slow_rows,
    "equations": equations.slow_rows,
    "matrices": matrices.slow_rows,
    "conversions": conversions.slow_rows,
}
ABOUT = (
    "Everything was calculated in float64. A row agrees if its difference is not larger than the difference column allows: a "
    "unit of the last published digit, or an error that follows from the condition of the problem. Where a published value "
    "turned out to be inexact, the status says what settles it, and the row counts as one that holds. Of the flows of dysts, "
    "the published value is the largest exponent of its spectrum / its single value. Its error is not published, so that it "
    "agrees with ours within 10 % and four of our standard errors. The difference column says there how far the sum of our "
    "exponents is from the mean divergence of the field, to which it must be equal. Ours is measured by "
    "`python tests/published/dysts_flows.py`, over 500 periods of each flow, 50 of the slow ones, and 2000 where our two "
    "measurements differed. Six entries of dysts are delay equations, which are no flows of vectors."
)


def record() -> dict:
    with jax.enable_x64(True):
        found = [one for part in (*QUICK.values(), *WHOLE.values()) for one in part()]
    found += flows.rows()
    rows = {
        (one["part"], one["subject"], one["value"], one["source"]): one for one in found
    }  # the whole replaces the quick
    return {"about": ABOUT, "rows": sorted(rows.values(), key=lambda one: PARTS.index(one["part"]))}


PARTS = [one.PART for one in (reference, bifurcations, equations, matrices, conversions, flows)]
