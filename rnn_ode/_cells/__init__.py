"""Networks: one step, cell(x, h) -> h."""
