"""Models in files: a model as data, its arrays, and the names of its classes."""
