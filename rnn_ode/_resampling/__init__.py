"""A network run at other times than its own steps."""
