"""One report of an evaluation: what was tuned, what it changed, and how sure that is."""
