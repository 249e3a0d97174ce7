from ._jacobian import JacobianField as JacobianField
from ._linear import LinearField as LinearField
from ._linear import is_linear as is_linear
from ._series import SeriesField as SeriesField
