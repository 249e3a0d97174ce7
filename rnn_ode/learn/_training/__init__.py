"""One training: data, steps, checkpoints."""
