"""A network as a field, and a field as a network."""
