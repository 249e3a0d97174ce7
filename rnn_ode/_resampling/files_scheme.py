"""The scheme of `evolve` that resamples a file: given by the user and checked, or the best one of a trial."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..interop import Network
from .evolve import evolve
from .files_round_trip import OwnRun
from .interpolation import lagrange, uniform_nodes
from .recommend import LONGEST, WORTH, recommend
from .stability import RootCondition, root_condition


class Scheme(NamedTuple):
    """The interpolation of `evolve`."""

    ahead: int = 3
    behind: int = 3
    band: float = 0.0


def checked_roots(network: Network, mean: np.ndarray, gap: float, scheme: Scheme, force: bool) -> dict[str, Any]:
    """The `radius` of the scheme's roots at rest under the mean input, and whether it is `stable`.

    `ValueError` if it is not stable, unless `force` is given.
    """
    most = {"ahead": max(6, scheme.ahead), "behind": max(5, scheme.behind)}
    roots: RootCondition = root_condition(network.cell, mean, gap, **most, band=scheme.band)
    radius, stable = roots.radii[scheme.ahead - 1, scheme.behind], scheme[:2] in roots.stable
    if not (stable or force):
        pairs = ", ".join(str(pair) for pair in roots.stable if max(pair) <= 6) or "none up to (6, 5)"
        raise ValueError(
            f"--ahead {scheme.ahead} --behind {scheme.behind}: unstable at {gap:.4g} steps of the network a result, with a "
            f"root of modulus {radius:.4f} at rest under the mean input. Stable (ahead, behind): {pairs}. --force runs it "
            "all the same."
        )
    return {"radius": float(radius), "stable": bool(stable)}


def recommended_scheme(network: Network, own: OwnRun, ratio: float) -> tuple[Scheme, str | None]:
    """The best scheme of a trial that a stream can run.

    The second value names a scheme that cannot stream and was better by more than `WORTH` dB, if there is one.
    """
    plain, x = Network(network.cell, network.readout), jnp.asarray(own.xs[0])
    found = recommend(network.cell, liveliest(own), ratio, network.initial, output=lambda h: plain.output(x, h))
    ours = next((one for one in found.schemes if one.run.func is evolve and one.snr > -math.inf), None)
    if ours is None:
        raise ValueError(f"--recommend: no scheme of evolve is stable at a ratio of {ratio:g}:\n{found.table()}")
    top = found.schemes[0]
    better = f"{top.label}, by {top.snr - ours.snr:.1f} dB" if top.snr > ours.snr + WORTH else None
    return Scheme(**ours.run.keywords), better


def liveliest(own: OwnRun) -> np.ndarray:
    """The stretch of the inputs, as long as a trial, in which the outputs change most: a recording may begin with silence."""
    length = min(LONGEST, len(own.xs))
    so_far = np.append(0.0, np.cumsum(np.square(np.diff(own.outputs, axis=0)).sum(axis=1)))
    begin = int(np.argmax(so_far[length - 1 :] - so_far[: len(so_far) - length + 1]))
    return own.xs[begin : begin + length]


def error_gain(scheme: Scheme, gap: float) -> float:
    """By how much a result can enlarge errors in the states that it is made of: the sum of the moduli of its weights."""
    nodes, whole = uniform_nodes(gap, scheme.ahead, scheme.behind)
    return float(np.abs(lagrange(nodes, gap - whole, scheme.band, np)).sum())
