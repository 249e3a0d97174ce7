"""A recurrent network beside its differential equation.

A cell is one step of a flow, and the flow behind it is the logarithm of the step. `rnn_ode` runs the network (`iterate`)
and the flow (`integrate`), converts either into the other (`to_ode`, `to_rnn`), says what the eigenvalues predict for
each (`spectrum`) and measures whether they are right (`compare`).

A name is imported when it is first used: `import rnn_ode` itself is quick and does not import JAX.
"""

import importlib

TYPE_CHECKING = False  # True to type checkers; `typing` would take most of the time of this import

if TYPE_CHECKING:
    from . import audio as audio
    from . import bench as bench
    from . import datasets as datasets
    from . import initializers as initializers
    from . import interop as interop
    from . import learn as learn
    from . import linalg as linalg
    from . import plot as plot
    from ._analyses.basins import Basins as Basins
    from ._analyses.basins import basins as basins
    from ._analyses.basins_sets import Attractor as Attractor
    from ._analyses.branches import continue_branch as continue_branch
    from ._analyses.branches_result import Bifurcation as Bifurcation
    from ._analyses.branches_result import Branch as Branch
    from ._analyses.branches_switch import switch_branch as switch_branch
    from ._analyses.covariance import covariance as covariance
    from ._analyses.covariance import spectral_density as spectral_density
    from ._analyses.curves import BifurcationCurve as BifurcationCurve
    from ._analyses.curves import CodimensionTwo as CodimensionTwo
    from ._analyses.curves import continue_bifurcation as continue_bifurcation
    from ._analyses.cycles import Cycles as Cycles
    from ._analyses.cycles import cycles as cycles
    from ._analyses.cycles_proof import Coverage as Coverage
    from ._analyses.fixed_points import FixedPoints as FixedPoints
    from ._analyses.fixed_points import fixed_points as fixed_points
    from ._analyses.fixed_points_guesses import draw_guesses as draw_guesses
    from ._analyses.fixed_points_kinds import Kind as Kind
    from ._analyses.gradients import GradientFlow as GradientFlow
    from ._analyses.gradients import gradient_flow as gradient_flow
    from ._analyses.gradients_bounds import GradientBounds as GradientBounds
    from ._analyses.gradients_examples import gradient_examples as gradient_examples
    from ._analyses.lyapunov import Lyapunov as Lyapunov
    from ._analyses.lyapunov import lyapunov as lyapunov
    from ._analyses.orbits import periodic_orbit as periodic_orbit
    from ._analyses.orbits_guess import OrbitGuess as OrbitGuess
    from ._analyses.orbits_guess import orbit_guess as orbit_guess
    from ._analyses.orbits_result import PeriodicOrbit as PeriodicOrbit
    from ._analyses.portrait import Portrait as Portrait
    from ._analyses.portrait import portrait as portrait
    from ._analyses.spectrum import Spectrum as Spectrum
    from ._analyses.spectrum import spectrum as spectrum
    from ._analyses.transient import Transient as Transient
    from ._analyses.transient import transient as transient
    from ._base.results import RESULTS as RESULTS
    from ._base.verdict import Verdict as Verdict
    from ._base.verdict import verdict_name as verdict_name
    from ._base.version import __version__ as __version__
    from ._bridge.noise import noise_to_ode as noise_to_ode
    from ._bridge.noise import noise_to_rnn as noise_to_rnn
    from ._bridge.schemes import AbstractScheme as AbstractScheme
    from ._bridge.schemes import BackwardEuler as BackwardEuler
    from ._bridge.schemes import Euler as Euler
    from ._bridge.schemes import ExponentialEuler as ExponentialEuler
    from ._bridge.schemes import RungeKutta as RungeKutta
    from ._bridge.schemes import Trapezoidal as Trapezoidal
    from ._bridge.to_ode import to_ode as to_ode
    from ._bridge.to_rnn import to_rnn as to_rnn
    from ._cells.base import AbstractCell as AbstractCell
    from ._cells.piecewise import PiecewiseLinearCell as PiecewiseLinearCell
    from ._cells.stacked import StackedCell as StackedCell
    from ._cells.vanilla import VanillaCell as VanillaCell
    from ._explore.widget import explore as explore
    from ._fields.antisymmetric import AntisymmetricRNN as AntisymmetricRNN
    from ._fields.base import AbstractField as AbstractField
    from ._fields.cornn import CoRNN as CoRNN
    from ._fields.ctrnn import CTRNN as CTRNN
    from ._fields.gruode import GRUODE as GRUODE
    from ._methods.base import AbstractMethod as AbstractMethod
    from ._methods.closed import Exact as Exact
    from ._methods.closed import Textbook as Textbook
    from ._methods.closed import Tustin as Tustin
    from ._methods.series import Backward as Backward
    from ._methods.series import Forward as Forward
    from ._paths.base import AbstractPath as AbstractPath
    from ._paths.half_band import HalfBand as HalfBand
    from ._paths.held import Hold as Hold
    from ._paths.interpolated import BandLimited as BandLimited
    from ._paths.interpolated import Cubic as Cubic
    from ._paths.interpolated import Linear as Linear
    from ._reports.analyse import analyse as analyse
    from ._reports.analysis import Analysis as Analysis
    from ._reports.compare import compare as compare
    from ._reports.comparison import Comparison as Comparison
    from ._resampling.alternatives import delayed_feedback as delayed_feedback
    from ._resampling.alternatives import state_trajectory as state_trajectory
    from ._resampling.evolve import evolve as evolve
    from ._resampling.fitted import fitted_feedback as fitted_feedback
    from ._resampling.recommend import Recommendation as Recommendation
    from ._resampling.recommend import recommend as recommend
    from ._resampling.resampled import resampled as resampled
    from ._resampling.stability import RootCondition as RootCondition
    from ._resampling.stability import root_condition as root_condition
    from ._resampling.stream import Stream as Stream
    from ._run.integrate import integrate as integrate
    from ._run.iterate import iterate as iterate
    from ._run.parallel_choice import ParallelChoice as ParallelChoice
    from ._run.parallel_verdict import ParallelVerdict as ParallelVerdict
    from ._run.parallel_verdict import parallel_verdict as parallel_verdict
    from ._run.trajectory import Trajectory as Trajectory
    from ._sweep.sweep import sweep as sweep
    from ._systems.base import AbstractSystem as AbstractSystem
    from ._systems.flow import Flow as Flow
    from ._systems.map import Map as Map
    from ._systems.time import Continuous as Continuous
    from ._systems.time import Discrete as Discrete
    from .linalg._logm import logm as logm
    from .linalg._stability import pseudospectrum as pseudospectrum
else:
    _NAMES = {
        "_base.version": "__version__",
        "_base.results": "RESULTS",
        "_base.verdict": "Verdict verdict_name",
        "linalg._logm": "logm",
        "linalg._stability": "pseudospectrum",
        "_paths.base": "AbstractPath",
        "_paths.half_band": "HalfBand",
        "_paths.held": "Hold",
        "_paths.interpolated": "BandLimited Cubic Linear",
        "_cells.base": "AbstractCell",
        "_cells.piecewise": "PiecewiseLinearCell",
        "_cells.stacked": "StackedCell",
        "_cells.vanilla": "VanillaCell",
        "_methods.base": "AbstractMethod",
        "_methods.closed": "Exact Textbook Tustin",
        "_methods.series": "Backward Forward",
        "_fields.antisymmetric": "AntisymmetricRNN",
        "_fields.base": "AbstractField",
        "_fields.cornn": "CoRNN",
        "_fields.ctrnn": "CTRNN",
        "_fields.gruode": "GRUODE",
        "_run.integrate": "integrate",
        "_run.iterate": "iterate",
        "_run.parallel_choice": "ParallelChoice",
        "_run.parallel_verdict": "ParallelVerdict parallel_verdict",
        "_run.trajectory": "Trajectory",
        "_bridge.noise": "noise_to_ode noise_to_rnn",
        "_bridge.schemes": "AbstractScheme BackwardEuler Euler ExponentialEuler RungeKutta Trapezoidal",
        "_bridge.to_ode": "to_ode",
        "_bridge.to_rnn": "to_rnn",
        "_resampling.alternatives": "delayed_feedback state_trajectory",
        "_resampling.evolve": "evolve",
        "_resampling.fitted": "fitted_feedback",
        "_resampling.recommend": "Recommendation recommend",
        "_resampling.resampled": "resampled",
        "_resampling.stability": "RootCondition root_condition",
        "_resampling.stream": "Stream",
        "_systems.base": "AbstractSystem",
        "_systems.flow": "Flow",
        "_systems.map": "Map",
        "_systems.time": "Continuous Discrete",
        "_analyses.basins": "Basins basins",
        "_analyses.basins_sets": "Attractor",
        "_analyses.branches": "continue_branch",
        "_analyses.branches_result": "Bifurcation Branch",
        "_analyses.branches_switch": "switch_branch",
        "_analyses.curves": "BifurcationCurve CodimensionTwo continue_bifurcation",
        "_analyses.covariance": "covariance spectral_density",
        "_analyses.cycles": "Cycles cycles",
        "_analyses.cycles_proof": "Coverage",
        "_analyses.fixed_points": "FixedPoints fixed_points",
        "_analyses.fixed_points_guesses": "draw_guesses",
        "_analyses.fixed_points_kinds": "Kind",
        "_analyses.gradients": "GradientFlow gradient_flow",
        "_analyses.gradients_bounds": "GradientBounds",
        "_analyses.gradients_examples": "gradient_examples",
        "_analyses.lyapunov": "Lyapunov lyapunov",
        "_analyses.portrait": "Portrait portrait",
        "_analyses.spectrum": "Spectrum spectrum",
        "_analyses.orbits": "periodic_orbit",
        "_analyses.orbits_guess": "OrbitGuess orbit_guess",
        "_analyses.orbits_result": "PeriodicOrbit",
        "_analyses.transient": "Transient transient",
        "_reports.analyse": "analyse",
        "_reports.analysis": "Analysis",
        "_reports.compare": "compare",
        "_reports.comparison": "Comparison",
        "_sweep.sweep": "sweep",
        "_explore.widget": "explore",
    }
    _HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
    _MODULES = ("audio", "bench", "datasets", "initializers", "interop", "learn", "linalg", "plot")
    __all__ = [*(_HOMES.keys() - {"__version__"}), "initializers"]  # the other modules need extras

    def __getattr__(name: str):
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        thing = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = thing
        return thing

    def __dir__() -> list[str]:
        return sorted([*_HOMES, *_MODULES])
