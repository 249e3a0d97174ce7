"""Orbits of a piecewise-linear network that is too large for a proof, from random activation patterns.

Solve a pattern's system, and continue with the pattern of the orbit that starts at the solution's first state, until a
solution has the pattern that it was solved for (SCYFI: Eisenmann, Monfared, Göring and Durstewitz, "Bifurcations and loss
jumps in RNN training", NeurIPS 2023). Half of the first patterns are those of runs.
"""

import numpy as np
from numpy import ndarray

from .cycles_patterns import Orbits, Problem, Solution
from .cycles_proof import Found


def search(problem: Problem, found: Found, limit: int, seed: np.random.Generator) -> Found:
    """Returns `found` with the orbits that SCYFI's iteration finds in `limit` solves."""
    parts, searched = [found.orbits], 0
    signs, age = np.zeros((0, problem.size), np.int8), np.zeros(0, int)
    while searched < limit:
        count = min(problem.batch, limit - searched)
        fresh = _starts(problem, max(0, count - len(signs)), seed)
        signs, age = np.concatenate([signs, fresh])[:count], np.append(age, np.zeros(len(fresh), int))[:count] + 1
        searched += len(signs)
        solution = Solution.of(problem, signs)
        ok = solution.admissible(problem)
        parts.append(Orbits.of(problem, signs[ok], solution.x[ok], solution.error[ok]))
        going = ~ok & ~solution.singular & (age < 30)
        first = (signs * solution.x)[going, : len(problem.A)]
        signs, age = problem.run(np.clip(first, -1e100, 1e100)), age[going]
    orbits = Orbits.joined(parts).distinct()
    return found._replace(orbits=orbits, coverage=found.coverage._replace(searched=searched))


def _starts(problem: Problem, count: int, seed: np.random.Generator) -> ndarray:
    """Returns random patterns (count, m). Half of them are patterns of runs from random states."""
    size = (problem.scale or 1.0) * 10 ** seed.uniform(-1, 1, (count // 2, 1))
    z = size * seed.normal(size=(count // 2, len(problem.A)))
    for _ in range(100):
        z = problem.step(z)
    anywhere = seed.normal(size=(count - count // 2, problem.size))
    return np.concatenate([problem.run(z), problem.signs(anywhere)])
