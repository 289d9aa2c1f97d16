"""The experts' workspace: material, assignments, codings, practice, adjudication; no page in it."""
