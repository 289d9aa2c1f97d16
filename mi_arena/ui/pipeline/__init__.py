"""The admins' tabs over the pipeline's scripts."""
