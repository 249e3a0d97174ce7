"""Parts of models: runners and wirings."""
