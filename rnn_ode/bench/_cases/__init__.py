"""The benchmark's cases, one a file."""
