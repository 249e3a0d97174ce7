"""Colours that all pictures share."""

NETWORK = "#1a1a1a"
