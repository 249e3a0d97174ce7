"""Pictures of what other modules computed.

Nothing is computed here but what a picture needs: its axes, its labels, and functions evaluated on a grid. Each function
takes what it draws by the fields that its docstring names. Those that draw a page return a matplotlib figure, and those that
draw a panel take the axes for it.
"""

try:
    import matplotlib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "rnn_ode.plot needs matplotlib: pip install '.[app]' in a clone of rnn_ode", name="matplotlib"
    ) from error
from ._analysis import analysis as analysis
from ._basins import basins as basins
from ._bench import bench as bench
from ._bench import bench_curves as bench_curves
from ._bench import bench_ratios as bench_ratios
from ._branch import LINES as LINES
from ._branch import MARKERS as MARKERS
from ._branch import branch as branch
from ._comparison import comparison as comparison
from ._comparison import errors as errors
from ._comparison import growth as growth
from ._comparison import trajectories as trajectories
from ._cycles import cycles as cycles
from ._diagram import EVENTS as EVENTS
from ._diagram import diagram as diagram
from ._forecast import fit as fit
from ._forecast import forecast as forecast
from ._forecast import forecast_errors as forecast_errors
from ._forecast import forecast_rows as forecast_rows
from ._forecast import future as future
from ._forecast import history as history
from ._forecast import training as training
from ._gradients import gradient_flow as gradient_flow
from ._gradients import gradient_flows as gradient_flows
from ._lyapunov import lyapunov as lyapunov
from ._memory import memory as memory
from ._orbit import orbit as orbit
from ._parallel import parallel as parallel
from ._portrait import SHAPES as SHAPES
from ._portrait import fixed_points as fixed_points
from ._portrait import portrait as portrait
from ._pseudospectrum import pseudospectrum as pseudospectrum
from ._recommendation import recommendation as recommendation
from ._roots import root_condition as root_condition
from ._spectrum import decay_regions as decay_regions
from ._spectrum import spectrum as spectrum
from ._state_portrait import state_portrait as state_portrait
from ._style import ink
from ._sweep import sweep as sweep
from ._trajectory import trajectory as trajectory
from ._transient import transient as transient

__all__ = [
    "EVENTS",
    "LINES",
    "MARKERS",
    "SHAPES",
    "analysis",
    "basins",
    "bench",
    "bench_curves",
    "bench_ratios",
    "branch",
    "comparison",
    "cycles",
    "decay_regions",
    "diagram",
    "errors",
    "fit",
    "fixed_points",
    "forecast",
    "forecast_errors",
    "forecast_rows",
    "future",
    "gradient_flow",
    "gradient_flows",
    "growth",
    "history",
    "lyapunov",
    "memory",
    "orbit",
    "parallel",
    "portrait",
    "pseudospectrum",
    "recommendation",
    "root_condition",
    "spectrum",
    "state_portrait",
    "sweep",
    "training",
    "trajectories",
    "trajectory",
    "transient",
]


def __getattr__(name: str) -> str:
    """`NETWORK`, the colour of the network: the foreground of matplotlib's current style."""
    if name == "NETWORK":
        return ink()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
