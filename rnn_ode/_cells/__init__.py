from ._base import AbstractCell as AbstractCell
from ._base import Pieces as Pieces
from ._base import as_state as as_state
from ._base import hoisted as hoisted
from ._base import initial_state as initial_state
from ._piecewise import PiecewiseLinearCell as PiecewiseLinearCell
from ._vanilla import VanillaCell as VanillaCell
from ._vanilla import is_affine as is_affine
