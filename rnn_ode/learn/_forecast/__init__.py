"""Forecasts of a series."""
