"""Memory: tasks that need it, and a study of which networks learn which lag."""
