"""Vector fields: field(t, h, path) -> dh/dt."""
