"""Held inputs: constant during a step."""

from jaxtyping import Array, Float, Int

from .base import AbstractPath


class Hold(AbstractPath):
    """A held input: sample k is the input from k·dt to (k+1)·dt.

    **Arguments:**

    - `xs`: samples (T, …), T ≥ 1.
    - `dt`: the sampling interval, in time. Default 1.
    - `t0`: the stamp of the first sample, in time. Default `dt`.

    Before the first step and after the last the end values hold.

    **Raises:** `ValueError` for an empty or non-finite xs, for dt ≤ 0 and for a t0 that is not finite; `TypeError` for
    samples that are no real numbers.

    A call with a float of the time reads the next sample at the end of a step, and at floats next to it. A solver of diffrax
    that stops there (`jump_ts`) therefore reads it too early and takes small steps before it. `integrate` avoids this: it
    gives the field the input of each step, which is constant up to both ends. `path(t, after=s)` ignores `after`, since a
    step has one input.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> path = ro.Hold(jnp.array([[1.0], [2.0]]))
    >>> [path(t).item() for t in (0.0, 0.5, 1.0, 5.0)]
    [1.0, 1.0, 2.0, 2.0]

    ```
    """

    degree = 0

    @property
    def beyond(self) -> int:
        return 0

    def within(self, step: Int[Array, ""], fraction: Float[Array, ""]) -> Array:
        return self.xs[step]
