"""Training, forecasting and memory tasks: `rnn_ode.learn` wants optax, in the extra `learn`."""

try:
    import optax  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("rnn_ode.learn needs optax: pip install 'rnn_ode[learn]'", name="optax") from error

from ._baselines import LinearAutoregression as LinearAutoregression
from ._baselines import drift as drift
from ._baselines import last_value as last_value
from ._baselines import seasonal as seasonal
from ._batches import Minibatches as Minibatches
from ._checkpoint import load as load
from ._checkpoint import save as save
from ._ensemble import Ensemble as Ensemble
from ._fit import Fit as Fit
from ._fit import fit as fit
from ._forecast import Band as Band
from ._forecast import Forecast as Forecast
from ._forecast import forecast as forecast
from ._irregular import ODERNN as ODERNN
from ._irregular import IrregularToOne as IrregularToOne
from ._irregular import Thinned as Thinned
from ._irregular import thin as thin
from ._metrics import coverage as coverage
from ._metrics import mae as mae
from ._metrics import mase as mase
from ._metrics import mse as mse
from ._metrics import smape as smape
from ._models import CORES as CORES
from ._models import many_to_one as many_to_one
from ._penalties import flossing as flossing
from ._penalties import orthogonality_penalty as orthogonality_penalty
from ._penalties import spectral_penalty as spectral_penalty
from ._penalties import vanishing_gradient as vanishing_gradient
from ._runners import AbstractRunner as AbstractRunner
from ._runners import Bidirectional as Bidirectional
from ._runners import Integrated as Integrated
from ._runners import Iterated as Iterated
from ._runners import Recurrent as Recurrent
from ._runners import Stacked as Stacked
from ._study import Study as Study
from ._study import Trial as Trial
from ._study import study as study
from ._tasks import AbstractTask as AbstractTask
from ._tasks import Adding as Adding
from ._tasks import Copy as Copy
from ._tasks import FlipFlop as FlipFlop
from ._tasks import TemporalOrder as TemporalOrder
from ._times import Intervals as Intervals
from ._times import intervals as intervals
from ._training import History as History
from ._watch import Dynamics as Dynamics
from ._windows import Scaler as Scaler
from ._windows import Split as Split
from ._windows import Windows as Windows
from ._windows import split as split
from ._windows import windows as windows
from ._wirings import EncoderDecoder as EncoderDecoder
from ._wirings import ManyToMany as ManyToMany
from ._wirings import ManyToOne as ManyToOne
from ._wirings import OneToMany as OneToMany
from ._wirings import OneToOne as OneToOne
from ._wirings import rollout as rollout
