"""Sweeps: an analysis of thousands of networks, on every device of every process."""
