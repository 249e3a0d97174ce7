from ._jacobian import JacobianField as JacobianField
from ._linear import LinearField as LinearField
from ._series import SeriesField as SeriesField
