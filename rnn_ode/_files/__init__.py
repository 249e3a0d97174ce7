"""Files: checks, writing them whole or not at all, and arrays in them."""
