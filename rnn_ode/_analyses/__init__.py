"""The questions that maps and flows both answer."""
