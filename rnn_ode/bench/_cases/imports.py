"""The case "import": the import of the package, in fresh processes."""

from functools import partial

from .._process import seconds_of
from .._race import OURS, Contender, Plan, race
from .._rows import Row


def rows(plan: Plan) -> list[Row]:
    contenders = [
        Contender(OURS, partial(seconds_of, "from rnn_ode import *"), "from rnn_ode import *, which imports diffrax"),
        Contender("diffrax", partial(seconds_of, "import diffrax"), "import diffrax"),
    ]
    return race("import", contenders, plan.of_size(), None)
