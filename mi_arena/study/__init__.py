"""Pure rules of the study: who sees what on which side, and what may be said from the answers."""
