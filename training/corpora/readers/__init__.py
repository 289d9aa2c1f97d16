"""The kinds of corpora that can be read: a reader per family of formats, and the table of kinds."""
