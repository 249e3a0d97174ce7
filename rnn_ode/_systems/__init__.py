"""Maps and flows: what differs between the two kinds of time."""
