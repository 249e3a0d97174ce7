"""The case "sweep": thousands of adaptive solves of h' = k (cos t − h), where some take a hundred times the steps of others.

In a sweep each device has a loop of its own. Under `jax.vmap`, sharded over the devices, all solves go on until the last is
done, and the devices exchange after each step whether it is.
"""

from functools import partial
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..._sweep.sweep import sweep
from .._peers import peer
from .._race import OURS, Contender, Plan, distance, jitted, race
from .._rows import Row

MEMBERS = 8192
END = 5.0
STIFFEST = 1000.0


def rows(plan: Plan) -> list[Row]:
    rates = np.geomspace(1.0, STIFFEST, MEMBERS)
    devices, missing = jax.devices(), peer("zarr")
    plan = plan.of_size(1, MEMBERS, 1)
    if isinstance(missing, str):
        return race("sweep", [Contender(OURS, None, missing)], plan, None)
    with jax.enable_x64(True):
        contenders = [
            Contender(OURS, partial(_ours, rates), _counted(len(devices))),
            Contender(
                "jax.vmap, sharded", partial(jitted(jax.vmap(_end)), _sharded(rates, devices)), _counted(len(devices))
            ),
            Contender("jax.vmap", partial(jitted(jax.vmap(_end)), _sharded(rates, devices[:1])), "1 device"),
        ]
        exact = _solution(rates)[:, None]
        return race("sweep", contenders, plan, lambda values: distance(values[:, None], exact), 1e-4)


def _ours(rates: np.ndarray) -> np.ndarray:
    return sweep(_end, {"rate": rates}, progress=False)["value"].values


def _end(rate: Any) -> Any:
    """The solution at the end, from h = 0 on."""
    term = diffrax.ODETerm(lambda t, h, k: k * (jnp.cos(t) - h))
    steps = diffrax.PIDController(rtol=1e-6, atol=1e-8)
    run = diffrax.diffeqsolve(
        term, diffrax.Tsit5(), 0.0, END, None, 0.0 * rate, rate, stepsize_controller=steps, max_steps=None, throw=False
    )
    return run.ys[0]  # pyright: ignore[reportOptionalSubscript]


def _solution(k: np.ndarray) -> np.ndarray:
    steady = (k**2 * np.cos(END) + k * np.sin(END)) / (1 + k**2)
    return steady - k**2 / (1 + k**2) * np.exp(-k * END)


def _sharded(rates: np.ndarray, devices: list) -> Any:
    return jax.device_put(rates, NamedSharding(Mesh(np.array(devices), ("device",)), PartitionSpec("device")))


def _counted(devices: int) -> str:
    return "1 device" if devices == 1 else f"{devices} devices"
