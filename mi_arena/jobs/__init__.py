"""Run directories: where a script says what it does, and where a tab reads it."""
