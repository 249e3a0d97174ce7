"""Parts of models: runners, wirings of runners and readouts, models by name, and ensembles."""
