"""Maps and flows, and the two kinds of time they move in.

States are flat, (N,): the coordinates of `jax.flatten_util.ravel_pytree`, so that an LSTM's (h, c) is one vector of 2N.
"""
