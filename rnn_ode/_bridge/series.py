"""The field of a method that is a series of differences."""

import itertools

import equinox as eqx
import jax

from .._base.protocol import input_width
from .._base.types import Cell
from .._cells.protocol import affine_map, initial_state, output_of
from .._fields.base import AbstractField
from .._paths.base import read


class SeriesField(AbstractField):
    """The forward series dh/dt = (Δ − Δ²/2 + … ± Δᵖ/p) h / dt of a cell, by p applications of the cell.

    The j-th application reads x(t + j·dt), or the step's own sample if the input is held. With `reverse` it is the backward
    series, log E = −log E⁻¹: the cell is the inverse network h(t) ↦ h(t − dt), its j-th application reads x(t − (j−1)·dt),
    and the sign is the opposite.
    """

    cell: Cell
    order: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    reverse: bool = eqx.field(static=True, default=False)

    @property
    def input_size(self) -> int | None:
        return input_width(self.cell)

    @property
    def linear(self) -> bool:
        return affine_map(self.cell) is not None

    @property
    def leads(self) -> tuple[float, ...]:
        return tuple(-j * self.dt if self.reverse else (j + 1) * self.dt for j in range(self.order))

    def __call__(self, t, h, path):
        orbit = [h]
        for after in self.leads:
            orbit.append(self.cell(read(path, t, after), orbit[-1]))
        total = jax.tree.map(lambda leaf: 0 * leaf, h)
        for k in range(1, self.order + 1):
            orbit = [jax.tree.map(lambda a, b: b - a, a, b) for a, b in itertools.pairwise(orbit)]
            weight = (-1) ** (k + 1) / (-k * self.dt if self.reverse else k * self.dt)
            total = jax.tree.map(lambda s, d, w=weight: s + w * d, total, orbit[0])
        return total

    def initial_state(self):
        return initial_state(self.cell)

    def output(self, h):
        """Return what a layer above reads of the cell's state."""
        return output_of(self.cell, h)
