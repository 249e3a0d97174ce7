"""A recurrent network beside its differential equation.

A cell is one step of a flow, and the flow behind it is the logarithm of the step. `rnn_ode` runs the network (`iterate`)
and the flow (`integrate`), converts either into the other (`to_ode`, `to_rnn`), says what the eigenvalues predict for
each (`spectrum`) and measures whether they are right (`compare`).
"""

from . import initializers as initializers
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

__version__ = "0.1.0"
