"""How far back networks remember."""
