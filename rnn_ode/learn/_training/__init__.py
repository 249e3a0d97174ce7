"""One training: batches, steps, what is recorded, penalties for the loss, and what is watched."""
