"""One run of a network or of a field."""
