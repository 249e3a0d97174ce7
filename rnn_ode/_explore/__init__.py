"""A network's eigenvalues to drag, in the browser: as a page, from the command, in Jupyter."""
