"""Forecasts of a series: windows and parts of it, baselines, trained networks, intervals and metrics."""
