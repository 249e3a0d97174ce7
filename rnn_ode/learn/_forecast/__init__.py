"""Forecasts of a series: its windows and parts, what costs nothing, trained networks, intervals and metrics."""
