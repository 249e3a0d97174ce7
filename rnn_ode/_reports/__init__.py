"""Network and flow side by side: data, table, JSON."""
