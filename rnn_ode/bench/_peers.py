"""Peers: packages that are timed beside ours. They may be missing; their rows then say what to install."""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from .._base.types import Cell
from ..interop import Network, to_torch
from ._race import Contender, Plan

EXTRA = "pip install '.[bench]' in a clone of rnn_ode"
# no extra asks for PyTorch: its default wheels bring gigabytes for GPUs
APART = {"torch": "pip install torch", "torchdiffeq": "pip install torch torchdiffeq"}


def peer(module: str) -> ModuleType | str:
    """The module, or the reason why it cannot be imported."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        return f"not installed: {APART.get((error.name or module).partition('.')[0], EXTRA)}"
    except Exception as error:  # a broken installation may raise anything
        return f"cannot be imported: {type(error).__name__}: {error}"


def with_peer(
    plan: Plan, module: str, names: Sequence[str], contenders: Callable[[ModuleType], Sequence[Contender]]
) -> Sequence[Contender]:
    """Return `contenders(module)`. Without the module, return skipped contenders of those names; without `plan.peers`,
    none."""
    if not plan.peers:
        return []
    found = peer(module)
    return [Contender(name, None, found) for name in names] if isinstance(found, str) else contenders(found)


def with_weights(torch: ModuleType, module: Any, network: Network | Cell, prefix: str = "") -> Any:
    """The PyTorch module, after it has taken the weights of our network."""
    weights = to_torch(network, prefix)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return module
