"""Peers: packages that this one does not depend on, and what is said where one is missing."""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType

from ._race import Contender, Plan

EXTRA = "pip install 'rnn_ode[bench]'"
# its default wheels bring gigabytes for GPUs, so that no extra asks for it
APART = {"torch": "pip install torch", "torchdiffeq": "pip install torch torchdiffeq"}


def peer(module: str) -> ModuleType | str:
    """The module, or why there is none."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        return f"not installed: {APART.get((error.name or module).partition('.')[0], EXTRA)}"
    except Exception as error:  # an installation that is broken is the machine's affair
        return f"cannot be imported: {type(error).__name__}: {error}"


def with_peer(
    plan: Plan, module: str, names: Sequence[str], contenders: Callable[[ModuleType], Sequence[Contender]]
) -> Sequence[Contender]:
    """`contenders(module)`, or rows of those names to be skipped; none if no peers are wanted."""
    if not plan.peers:
        return []
    found = peer(module)
    return [Contender(name, None, found) for name in names] if isinstance(found, str) else contenders(found)
