"""Ways of taking the logarithm of a step."""
