"""Inputs as functions of time."""
