"""`Stream`: a network at another rate than its own, on samples that come in blocks. It is `evolve` without an end,
`resampled` (see `stream_resampled`) or `fitted_feedback` (see `stream_fitted`).

Rates are fractions with a common denominator Q: result n is n·P/Q samples after the first sample, and a step of the network
is A/Q samples long, with whole numbers P and A. Time is never a float, so that the millionth second is as exact as the first.
The results are those of one call on the whole series, whatever the blocks.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int, Real

from .._base.callables import check_cell
from .._base.checks import as_band, as_step, brief, check_callable, check_count, check_flag, check_on_host
from .._base.compiled import compiled
from .._base.states import promote
from .._base.types import Cell
from .._cells.protocol import as_initial_state, hoisted
from .._paths.half_band import HalfBand
from .._paths.interpolated import BandLimited
from .fitted import as_weights
from .interpolation import Interpolation, lagrange, uniform_nodes, whole_steps
from .resampled import Window
from .smooth import Past, advance, begun, moved
from .stream_fitted import Feedback
from .stream_resampled import Rates, Resampling

Rate = float | int | Fraction

_READS = 16_384  # of the input in a block, by default

_LARGEST = 10**13  # largest whole number, so that the numbers of a block fit into 64 bits

_EVOLVE = {"ahead": 3, "behind": 3, "band": 0.0}  # the defaults


class NotFinite(ValueError):
    """`result`, counted from 0, is not finite."""

    def __init__(self, result: int):
        super().__init__(
            f"result {result} is not finite: the network's state left the float range, or is not defined. An unstable "
            "scheme does that; `rnn_ode.root_condition` lists the stable ones."
        )
        self.result = result


class Stream:
    """Run a network at `rate_out`, driven by samples at `rate_in`; its own step is one `trained`-th of the time unit.

    **Arguments:**

    - `cell`: any cell that tells its `input_size`.
    - `output`: `output(x, h)`, what is read of a state and the input there, one array; such as `interop.Network.output`.
    - `rate_in`, `rate_out`, `trained`: rates per unit of time, such as Hz: whole numbers, fractions, or floats, which stand
      for the decimals that they print as.
    - `ahead`, `behind`, `band`: as in `evolve`.
    - `half_width`: run the network at its own rate instead, and read its outputs between its steps as `resampled` does, by
      a window of so many steps to either side. Default: `evolve`.
    - `predict`, `correct`: run `fitted_feedback` instead, by these weights, such as `best.run.keywords` of what `recommend`
      finds with `latency=0`. Where samples and results have the same rate, a result waits for nothing.
    - `half_band`: run the network at its own rate, and read its input and its outputs by half-band filters, as `HalfBand`
      and `resampled` do, with a phase of their own. Both widths then count samples of the doubled rate. Default `False`.
    - `input_half_width`: how many samples to either side of a time count where the input is read. Default 16; with
      half_band, both widths are 4.
    - `beta`, `input_beta`: β of the two windows, as of `BandLimited`. Default: fitted to their widths.
    - `block`: how many results are computed at a time. It changes them only by rounding. Default: about 4000 for a small
      change of rate. Results come when the last of their block is known.
    - `h0`: the state from which it starts, such as `interop.Network.initial`. Default: zeros, for our cells and Equinox's.

    The first result is at the stamp of the first sample; `h0` is the state one result before it, and with `half_width` one
    step of the network before it. T samples give ⌈T·rate_out/rate_in⌉ results. Before the first stamp and after the last one
    the input is held. `flush` ends the series; for another series make another `Stream`.

    With `half_width` what `output` returns, the input in it too, is read between the network's steps.

    **Raises:** `ValueError` or `TypeError` for rates that are not positive or have no common measure of reasonable size,
    counts and widths that are not whole, widths above 512, a band outside 0 … 0.25, options of another way of running, a
    cell without `input_size`, an output that is not one array.

    ```python
    >>> import jax, numpy as np, equinox as eqx, rnn_ode as ro
    >>> cell = eqx.nn.GRUCell(1, 8, key=jax.random.key(0))
    >>> stream = ro.Stream(cell, lambda x, h: h, 44_100, 48_000, 44_100)
    >>> xs = np.sin(0.1 * np.arange(2000.0))[:, None]
    >>> blocks = [stream.push(xs[:700]), stream.push(xs[700:]), stream.flush()]
    >>> [len(rows) for rows in blocks], np.concatenate(blocks).shape
    ([3, 0, 2174], (2177, 8))

    ```
    """

    def __init__(
        self,
        cell: Cell,
        output: Callable[[Any, Any], Any],
        rate_in: Rate,
        rate_out: Rate,
        trained: Rate,
        *,
        ahead: int = 3,
        behind: int = 3,
        band: float = 0.0,
        half_width: int | None = None,
        predict: Sequence[float] | Real[ArrayLike, " K"] | None = None,
        correct: Sequence[float] | Real[ArrayLike, " P"] = (),
        half_band: bool = False,
        input_half_width: int | None = None,
        beta: float | None = None,
        input_beta: float | None = None,
        block: int | None = None,
        h0: Any = None,
    ):
        check_cell("cell", cell)
        check_callable("output", output, "output(x, h)")
        check_flag("half_band", half_band)
        if half_band and half_width is None:
            half_width = HalfBand.half_width
        if input_half_width is None:
            input_half_width = (HalfBand if half_band else BandLimited).half_width
        check_count("ahead", ahead)
        check_count("behind", behind, 0)
        band, correct = as_band("band", band), as_weights("correct", correct, 0)
        weights = None if predict is None else (as_weights("predict", predict), correct)
        own = "half_band" if half_band else None if half_width is None else "half_width"
        _check_options(own, beta, predict, correct, {"ahead": ahead, "behind": behind, "band": band})
        self._rule = Interpolation(int(ahead), int(behind), band)
        self._model = (cell, output)
        rates = [
            as_rate(name, rate) for name, rate in (("rate_in", rate_in), ("rate_out", rate_out), ("trained", trained))
        ]
        self._result, self._step, self._unit = _whole_numbers(*rates)
        self._gap = float(rates[2] / rates[1])
        self._whole = int(whole_steps(np.float64(self._gap), self._rule.ahead, np))
        self._reads = self._whole + self._rule.ahead
        self._reading = Window.of(input_half_width, input_beta, "input_half_width", "input_beta", bool(half_band))
        self._between = None if half_width is None else Window.of(half_width, beta, half_band=bool(half_band))
        reads = self._reads if half_width is None and weights is None else 1
        self._block = max(1, _READS // (reads + 1)) if block is None else block
        check_count("block", self._block)
        self._h0 = promote(as_initial_state(h0, cell), cell)
        self._kind = np.dtype(jnp.result_type(*jax.tree.leaves(eqx.filter((cell, self._h0), eqx.is_inexact_array))))
        self._width = _width_of(cell)
        self._outputs = _shape_of(output, jnp.zeros(self._width, self._kind), self._h0)
        self._samples = np.zeros((0, self._width), self._kind)  # those that are still to be read, the latest last
        self._count = 0  # of all samples so far
        self._done = 0  # results so far
        self._ended = False
        self._past: Past | None = None if behind else Past(self._h0, (), jnp.zeros(0, self._kind))
        whole, self._other = Rates(self._result, self._step, self._unit), None
        if self._between is not None:
            self._other = Resampling(self._model, self._h0, whole, self._reading, self._between, self._block)
        if weights is not None:
            self._other = Feedback(self._model, self._h0, whole, self._reading, weights, self._block)

    @property
    def latency(self) -> float:
        """How long a result waits for its input, in steps of the network, without the length of a block.

        A result at a time needs the samples up to so much later. With `block=1` it comes as soon as they have come."""
        lead = max(0.0, self._reads - self._gap) if self._other is None else self._other.lead
        reach: float = self._reading.half_width if self._other is None else self._other.reach
        return lead + reach * self._unit / self._step

    def push(self, xs: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "n ..."]:
        """Return the results that T more samples (T, D) complete: often an empty array, since results come in whole blocks.

        **Raises:** `ValueError` for samples of another width, samples that are not real or not finite, and after `flush`."""
        if self._ended:
            raise ValueError(
                f"the series ended with flush, after {self._count} samples; make another Stream for another series."
            )
        check_on_host("Stream.push", xs=xs)
        try:
            xs = np.asarray(xs)
        except ValueError:
            raise ValueError(f"xs must be an array of shape (T, {self._width}); got {brief(xs)}.") from None
        if xs.ndim != 2 or xs.shape[1] != self._width:
            raise ValueError(f"xs must have shape (T, {self._width}) for this cell; got {xs.shape}.")
        if xs.dtype.kind not in "fiub":
            raise ValueError(f"xs must be real numbers; got entries of type {xs.dtype}.")
        with np.errstate(over="ignore"):
            samples = xs.astype(self._kind)
        if not np.isfinite(samples).all():
            t = int(np.argmin(np.isfinite(samples).all(axis=1)))
            raise ValueError(f"xs must be finite in {self._kind}; sample {self._count + t} is {xs[t].tolist()}.")
        self._samples = np.concatenate([self._samples, samples])
        self._count += len(xs)
        rows = []
        while self._newest() < self._count:
            rows.append(self._next())
        return self._joined(rows)

    def flush(self) -> Float[np.ndarray, "n ..."]:
        """End the series and return the results that are left. **Raises:** `ValueError` if there were no samples."""
        if self._count == 0:
            raise ValueError("a series needs at least one sample; none was pushed.")
        self._ended = True
        total, rows = -(-self._count * self._unit // self._result), []
        while self._done < total:
            left = total - self._done
            rows.append(self._next()[:left])
        self._done = total
        return self._joined(rows)

    def _newest(self) -> int:
        """The number of the newest sample that the next block reads."""
        if self._other is not None:
            return self._other.newest
        return int(self._places()[0].max()) + self._reading.half_width

    def _joined(self, rows) -> np.ndarray:
        return np.concatenate(rows) if rows else np.zeros((0, *self._outputs), self._kind)

    def _next(self) -> np.ndarray:
        """Compute the next block of results; at first, those that have too few results behind them."""
        if self._other is not None:
            return self._finished(self._other.next(self._samples, self._count - len(self._samples), self._count - 1))
        samples, whole, fraction = self._window(*self._places())
        if self._past is None:
            gaps = np.full(self._rule.behind, self._gap, self._kind)
            self._past, rows = _begin(self._model, self._h0, samples, whole, fraction, gaps, self._rule, self._reading)
        else:
            self._past, rows = _block(
                self._model, self._past, samples, whole, fraction, self._gap, self._rule, self._reading
            )
        return self._finished(np.asarray(rows))

    def _finished(self, rows: np.ndarray) -> np.ndarray:
        """Count results, and forget the samples that no later one needs."""
        if not np.isfinite(rows).all():
            bad = self._done + int(np.argmin(np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)))
            raise NotFinite(bad)
        self._done += len(rows)
        self._forget()
        return rows

    def _places(self) -> tuple[Int[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """Return where the next results read the input, in samples after the first one: whole samples, and the rest.

        For each result (block, reads + 1) these are the steps of the network after the result before it, then its own place.
        For the first few (steps + results,) they are the steps of the orbit off which they are read, then their own
        places."""
        ahead, behind, _ = self._rule
        if self._past is None:
            length = int(whole_steps(np.float64(behind * self._gap), ahead + behind, np)) + ahead + behind
            steps = self._step * np.arange(1, length + 1) - self._result
            before, rest = 0, np.concatenate([steps, self._result * np.arange(behind)])
        else:
            steps = np.append(self._step * np.arange(1, self._reads + 1), self._result)
            before, left = divmod((self._done - 1) * self._result, self._unit)
            rest = left + self._result * np.arange(self._block)[:, None] + steps
        return before + rest // self._unit, (rest % self._unit / self._unit).astype(self._kind)

    def _window(self, whole, fraction):
        """Return the samples around those places, the same number for every block, and the places among them."""
        last, margin = self._count - 1, self._reading.half_width
        most = (self._result * self._block + self._step * self._reads) // self._unit + 1
        span = int(np.ptp(whole)) if self._past is None else most
        fraction = np.where((whole < 0) | (whole >= last), 0, fraction)
        whole = np.clip(whole, 0, last)
        first = int(whole.min()) - margin
        begin = self._count - len(self._samples)
        samples = self._samples[np.clip(np.arange(first, first + span + 2 * margin + 2), 0, last) - begin]
        return samples, whole - first, fraction

    def _forget(self):
        """Drop the samples that no later result reads."""
        margin = self._reading.half_width
        oldest = int(self._places()[0].min()) - margin if self._other is None else self._other.oldest
        begin = self._count - len(self._samples)
        self._samples = self._samples[max(0, min(oldest - begin, len(self._samples) - 1)) :]


def _check_options(own: str | None, beta: Any, predict: Any, correct: Any, of_evolve: dict[str, Any]) -> None:
    """`ValueError` for options that would have no effect; `own` is the one that runs the network at its own rate."""
    if own is not None and predict is not None:
        raise ValueError(f"{own} and predict were given; {own} runs resampled, and predict fitted_feedback.")
    other = own or "predict"
    given = ", ".join(name for name, value in of_evolve.items() if value != _EVOLVE[name])
    if given and (own is not None or predict is not None):
        raise ValueError(f"{other} and {given} were given; ahead, behind and band belong to evolve.")
    if own is None and beta is not None:
        raise ValueError("beta was given without half_width: it is the β of that window. The input's is input_beta.")
    if predict is None and len(correct):
        raise ValueError("correct was given without predict: it corrects what those weights predict.")


def as_rate(name: str, value: Any) -> Fraction:
    """Return a rate as a fraction; a float stands for its decimals, so that 0.1 is a tenth."""
    rate = value if isinstance(value, Fraction | int) else as_step(name, value)
    if isinstance(rate, bool) or rate <= 0:
        raise ValueError(f"{name} must be a positive rate; got {value!r}.")
    return Fraction(repr(rate)) if isinstance(rate, float) else Fraction(rate)


def _width_of(cell) -> int:
    width = getattr(cell, "input_size", None)
    if not isinstance(width, int):
        raise TypeError(f"cell must tell its input_size, a whole number; the {type(cell).__name__} has {width!r}.")
    return width


def _shape_of(output, x, h) -> tuple[int, ...]:
    row = eqx.filter_eval_shape(output, x, h)
    if not isinstance(row, jax.ShapeDtypeStruct):
        raise TypeError(f"output(x, h) must return one array; it returns {jax.tree.structure(row)}.")
    return row.shape


def _whole_numbers(rate_in: Fraction, rate_out: Fraction, trained: Fraction) -> tuple[int, int, int]:
    """Return P, A and Q: the distance of two results, a step of the network, and a sample, in common parts of a sample."""
    result, step = rate_in / rate_out, rate_in / trained
    unit = math.lcm(result.denominator, step.denominator)
    numbers = int(result * unit), int(step * unit), unit
    if max(numbers) > _LARGEST:
        rates = ", ".join(f"{float(rate):.17g}" for rate in (rate_in, rate_out, trained))
        raise ValueError(f"rate_in, rate_out and trained must have a larger common measure; got {rates}. Round them.")
    return numbers


def _read_by(window: Window, samples: Any) -> BandLimited:
    return BandLimited(samples, half_width=window.half_width, beta=window.beta)


@compiled
def _begin(model, h0, samples, whole, fraction, gaps, rule, reading: Window):
    """Return the past of the next result, and the first few results."""
    cell, output = model
    drive, step = hoisted(cell)
    xs = jax.vmap(_read_by(reading, samples).at)(whole + 1, fraction)
    steps = len(whole) - len(gaps)
    past, states = begun(step, h0, jax.vmap(drive)(xs[:steps]), gaps, rule)
    return past, jax.vmap(output)(xs[steps:], jax.tree.map(lambda rows: rows[1:], states))


@compiled
def _block(model, past: Past, samples, whole, fraction, gap: float, rule: Interpolation, reading: Window):
    """Return the past of the next block, and the results of this one."""
    cell, output = model
    ahead, behind, band = rule
    drive, step = hoisted(cell)
    xs = jax.vmap(jax.vmap(_read_by(reading, samples).at))(whole + 1, fraction)
    drives = jax.vmap(jax.vmap(drive))(xs[:, :-1])
    nodes, lead = uniform_nodes(gap, ahead, behind)
    # with whole steps the first few pasts differ from the later ones, so that each result needs weights of its own
    always = None if lead else lagrange(nodes, gap, band, np)
    part = jnp.asarray(gap - lead, samples.dtype)

    def one_step(past, u):
        return moved(past, step(u, past.h), 1), None

    def body(past, drives):
        steps, rest = (jax.tree.map(lambda leaf, s=s: leaf[s], drives) for s in (slice(lead), slice(lead, None)))
        past, _ = jax.lax.scan(one_step, past, steps)
        past = advance(step, past, rest, part, rule, always)
        return past, past.h

    past, states = jax.lax.scan(body, past, drives)
    return past, jax.vmap(output)(xs[:, -1], states)
