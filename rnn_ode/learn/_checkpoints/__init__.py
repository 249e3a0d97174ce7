"""Models in files: `save` and `load`, and the checkpoints from which a training resumes."""
