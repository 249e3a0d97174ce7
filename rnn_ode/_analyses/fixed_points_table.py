"""Fixed points as a table."""

from collections.abc import Mapping
from typing import Any

from .._base.checks import counted
from .._base.text import Column, Table, complex_number, number

_SHOWN = 4  # numbers of a point

_COLUMNS = (
    Column("kind"),
    Column("verdict"),
    Column("leading", ">", "the eigenvalue nearest to the boundary of stability"),
    Column(
        "slowest",
        ">",
        "the longest time in which a mode changes by a factor e, in units of time; negative where it grows",
    ),
    Column("growing", ">", "the number of directions in which disturbances grow"),
    Column("speed", ">", "2-norm of cell(x, h) − h, or of dh/dt"),
    Column("guesses", ">", "the number of guesses that reached it"),
    Column("point"),
)


def fixed_points_table(report: Mapping[str, Any]) -> Table:
    """What `FixedPoints.to_dict` returns, as a table: a row for each point."""
    points, slow = report["points"], [point for point in report["points"] if point["kind"] == "SLOW"]
    count, reached = len(points) - len(slow), report["reached"]
    title = counted(count, "fixed point")
    title += f" and {counted(len(slow), 'slow point')}" if slow else ""
    lost = reached.count(-1)
    notes = [f"{lost} of {len(reached)} guesses reached none."] if lost else []
    notes += [report["hint"]] if report["hint"] else []
    rows = tuple(_row(point, reached.count(i)) for i, point in enumerate(points))
    return Table(_COLUMNS if rows else (), rows, f"{title}, from {len(reached)} guesses.", tuple(notes))


def _row(point: Mapping[str, Any], reached: int) -> tuple[str, ...]:
    slowest = max(map(float, filter(None, point["timescales"])), key=abs, default=None)
    kind = point["kind"].lower().replace("_", " ") + (", on a kink" if point["on_kink"] else "")
    leading = complex_number(complex(*map(float, point["leading_eigenvalue"])))
    growing = sum(float(time) < 0 for time in point["timescales"] if time is not None)
    numbers = leading, number(slowest), str(growing), number(point["residual"], 1), str(reached)
    more = " …" if len(point["point"]) > _SHOWN else ""
    return kind, point["verdict"], *numbers, " ".join(map(number, point["point"][:_SHOWN])) + more
