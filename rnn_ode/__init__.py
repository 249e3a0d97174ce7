"""A recurrent network beside its differential equation.

A cell is one step of a flow, and the flow behind it is the logarithm of the step. `rnn_ode` runs the network (`iterate`)
and the flow (`integrate`), converts either into the other (`to_ode`, `to_rnn`), says what the eigenvalues predict for
each (`spectrum`) and measures whether they are right (`compare`).

A name is imported when it is first used: `import rnn_ode` itself is quick and does not import JAX.
"""

import importlib

__version__ = "0.1.0"

TYPE_CHECKING = False  # True to type checkers; `typing` would take most of the time of this import

if TYPE_CHECKING:
    from . import audio as audio
    from . import bench as bench
    from . import datasets as datasets
    from . import initializers as initializers
    from . import interop as interop
    from . import learn as learn
    from . import plot as plot
    from ._analyse import Analysis as Analysis
    from ._analyse import analyse as analyse
    from ._bridge import to_ode as to_ode
    from ._bridge import to_rnn as to_rnn
    from ._cells import PiecewiseLinearCell as PiecewiseLinearCell
    from ._cells import StackedCell as StackedCell
    from ._cells import VanillaCell as VanillaCell
    from ._compare import Comparison as Comparison
    from ._compare import compare as compare
    from ._continuation import Bifurcation as Bifurcation
    from ._continuation import Branch as Branch
    from ._continuation import continue_branch as continue_branch
    from ._cycles import Coverage as Coverage
    from ._cycles import Cycles as Cycles
    from ._cycles import cycles as cycles
    from ._errors import RESULTS as RESULTS
    from ._evolve import evolve as evolve
    from ._feedback import delayed_feedback as delayed_feedback
    from ._feedback import state_trajectory as state_trajectory
    from ._fields import CTRNN as CTRNN
    from ._fields import GRUODE as GRUODE
    from ._fields import AntisymmetricRNN as AntisymmetricRNN
    from ._fields import CoRNN as CoRNN
    from ._fixed_points import FixedPoints as FixedPoints
    from ._fixed_points import Kind as Kind
    from ._fixed_points import draw_guesses as draw_guesses
    from ._fixed_points import fixed_points as fixed_points
    from ._gradients import GradientBounds as GradientBounds
    from ._gradients import GradientFlow as GradientFlow
    from ._gradients import gradient_examples as gradient_examples
    from ._gradients import gradient_flow as gradient_flow
    from ._integrate import integrate as integrate
    from ._iterate import iterate as iterate
    from ._linalg import logm as logm
    from ._lyapunov import Lyapunov as Lyapunov
    from ._lyapunov import lyapunov as lyapunov
    from ._methods import Backward as Backward
    from ._methods import Exact as Exact
    from ._methods import Forward as Forward
    from ._methods import Textbook as Textbook
    from ._methods import Tustin as Tustin
    from ._paths import BandLimited as BandLimited
    from ._paths import Cubic as Cubic
    from ._paths import Hold as Hold
    from ._paths import Linear as Linear
    from ._recommend import Recommendation as Recommendation
    from ._recommend import recommend as recommend
    from ._roots import RootCondition as RootCondition
    from ._roots import root_condition as root_condition
    from ._schemes import BackwardEuler as BackwardEuler
    from ._schemes import Euler as Euler
    from ._schemes import ExponentialEuler as ExponentialEuler
    from ._schemes import RungeKutta as RungeKutta
    from ._schemes import Trapezoidal as Trapezoidal
    from ._spectrum import Spectrum as Spectrum
    from ._spectrum import spectrum as spectrum
    from ._stream import Stream as Stream
    from ._systems import Flow as Flow
    from ._systems import Map as Map
    from ._transient import Transient as Transient
    from ._transient import pseudospectrum as pseudospectrum
    from ._transient import transient as transient
    from ._types import Trajectory as Trajectory
    from ._verdict import Verdict as Verdict
    from ._verdict import verdict_name as verdict_name
else:
    _NAMES = {
        "_analyse": "Analysis analyse",
        "_bridge": "to_ode to_rnn",
        "_cells": "PiecewiseLinearCell StackedCell VanillaCell",
        "_compare": "Comparison compare",
        "_continuation": "Bifurcation Branch continue_branch",
        "_cycles": "Coverage Cycles cycles",
        "_errors": "RESULTS",
        "_evolve": "evolve",
        "_feedback": "delayed_feedback state_trajectory",
        "_fields": "CTRNN GRUODE AntisymmetricRNN CoRNN",
        "_fixed_points": "FixedPoints Kind draw_guesses fixed_points",
        "_gradients": "GradientBounds GradientFlow gradient_examples gradient_flow",
        "_integrate": "integrate",
        "_iterate": "iterate",
        "_linalg": "logm",
        "_lyapunov": "Lyapunov lyapunov",
        "_methods": "Backward Exact Forward Textbook Tustin",
        "_paths": "BandLimited Cubic Hold Linear",
        "_recommend": "Recommendation recommend",
        "_roots": "RootCondition root_condition",
        "_schemes": "BackwardEuler Euler ExponentialEuler RungeKutta Trapezoidal",
        "_spectrum": "Spectrum spectrum",
        "_stream": "Stream",
        "_systems": "Flow Map",
        "_transient": "Transient pseudospectrum transient",
        "_types": "Trajectory",
        "_verdict": "Verdict verdict_name",
    }
    _HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
    _MODULES = ("audio", "bench", "datasets", "initializers", "interop", "learn", "plot")
    __all__ = [*_HOMES, "initializers"]  # the other modules need extras

    def __getattr__(name: str):
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        thing = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = thing
        return thing

    def __dir__() -> list[str]:
        return sorted([*_HOMES, *_MODULES, "__version__"])
