"""Training, forecasts and memory tasks for recurrent networks and differential equations. It needs optax (extra `learn`).

| room | what is in it |
|---|---|
| models | runners (`Iterated`, `Integrated`, …), wirings (`ManyToOne`, …), `ODERNN`, `Ensemble`, networks by name (`CORES`) |
| training | `fit`, `Minibatches`, `Dynamics`, and penalties for the loss (`flossing`, …) |
| checkpoints | `save` and `load` |
| forecast | `forecast`, windows and parts of a series, baselines, metrics, series with missing samples (`thin`) |
| memory | tasks that need memory (`Adding`, …), and `study`, which says which networks learn which lag |
"""

try:
    import optax  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "rnn_ode.learn needs optax: pip install '.[learn]' in a clone of rnn_ode", name="optax"
    ) from error

from ._checkpoints.checkpoint import load as load
from ._checkpoints.checkpoint import save as save
from ._forecast.bands import Band as Band
from ._forecast.baselines import LinearAutoregression as LinearAutoregression
from ._forecast.baselines import drift as drift
from ._forecast.baselines import last_value as last_value
from ._forecast.baselines import seasonal as seasonal
from ._forecast.forecast import forecast as forecast
from ._forecast.forecaster import load_forecaster as load_forecaster
from ._forecast.losses import LOSSES as LOSSES
from ._forecast.metrics import coverage as coverage
from ._forecast.metrics import crps as crps
from ._forecast.metrics import mae as mae
from ._forecast.metrics import mase as mase
from ._forecast.metrics import mse as mse
from ._forecast.metrics import smape as smape
from ._forecast.needs import SCALINGS as SCALINGS
from ._forecast.needs import Needs as Needs
from ._forecast.result import Forecast as Forecast
from ._forecast.scaler import Scaler as Scaler
from ._forecast.schedules import SCHEDULES as SCHEDULES
from ._forecast.split import Split as Split
from ._forecast.split import split as split
from ._forecast.thinned import Thinned as Thinned
from ._forecast.thinned import thin as thin
from ._forecast.windows import Windows as Windows
from ._forecast.windows import windows as windows
from ._memory.result import Study as Study
from ._memory.result import Trial as Trial
from ._memory.study import study as study
from ._memory.tasks import AbstractTask as AbstractTask
from ._memory.tasks import Adding as Adding
from ._memory.tasks import Copy as Copy
from ._memory.tasks import FlipFlop as FlipFlop
from ._memory.tasks import TemporalOrder as TemporalOrder
from ._models.base import AbstractRunner as AbstractRunner
from ._models.base import Recurrent as Recurrent
from ._models.composed import Bidirectional as Bidirectional
from ._models.composed import Stacked as Stacked
from ._models.cores import CORES as CORES
from ._models.cores import many_to_many as many_to_many
from ._models.cores import many_to_one as many_to_one
from ._models.encoder_decoder import EncoderDecoder as EncoderDecoder
from ._models.ensemble import Ensemble as Ensemble
from ._models.integrated import Integrated as Integrated
from ._models.intervals import Intervals as Intervals
from ._models.intervals import intervals as intervals
from ._models.iterated import Iterated as Iterated
from ._models.ode_rnn import ODERNN as ODERNN
from ._models.rollout import rollout as rollout
from ._models.timed import timed as timed
from ._models.wirings import IrregularToOne as IrregularToOne
from ._models.wirings import ManyToMany as ManyToMany
from ._models.wirings import ManyToOne as ManyToOne
from ._models.wirings import OneToMany as OneToMany
from ._models.wirings import OneToOne as OneToOne
from ._training.batches import Minibatches as Minibatches
from ._training.dynamics import Dynamics as Dynamics
from ._training.fit import Fit as Fit
from ._training.fit import fit as fit
from ._training.history import History as History
from ._training.penalties import flossing as flossing
from ._training.penalties import orthogonality_penalty as orthogonality_penalty
from ._training.penalties import spectral_penalty as spectral_penalty
from ._training.penalties import vanishing_gradient as vanishing_gradient

__all__ = [
    "CORES",
    "LOSSES",
    "ODERNN",
    "SCALINGS",
    "SCHEDULES",
    "AbstractRunner",
    "AbstractTask",
    "Adding",
    "Band",
    "Bidirectional",
    "Copy",
    "Dynamics",
    "EncoderDecoder",
    "Ensemble",
    "Fit",
    "FlipFlop",
    "Forecast",
    "History",
    "Integrated",
    "Intervals",
    "IrregularToOne",
    "Iterated",
    "LinearAutoregression",
    "ManyToMany",
    "ManyToOne",
    "Minibatches",
    "Needs",
    "OneToMany",
    "OneToOne",
    "Recurrent",
    "Scaler",
    "Split",
    "Stacked",
    "Study",
    "TemporalOrder",
    "Thinned",
    "Trial",
    "Windows",
    "coverage",
    "crps",
    "drift",
    "fit",
    "flossing",
    "forecast",
    "intervals",
    "last_value",
    "load",
    "load_forecaster",
    "mae",
    "many_to_many",
    "many_to_one",
    "mase",
    "mse",
    "orthogonality_penalty",
    "rollout",
    "save",
    "seasonal",
    "smape",
    "spectral_penalty",
    "split",
    "study",
    "thin",
    "timed",
    "vanishing_gradient",
    "windows",
]


def __dir__() -> list[str]:
    return __all__
