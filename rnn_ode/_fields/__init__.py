from ._antisymmetric import AntisymmetricRNN as AntisymmetricRNN
from ._cornn import CoRNN as CoRNN
from ._ctrnn import CTRNN as CTRNN
from ._gruode import GRUODE as GRUODE
from ._jacobian import JacobianField as JacobianField
from ._linear import LinearField as LinearField
from ._linear import is_linear as is_linear
from ._series import SeriesField as SeriesField
