"""A battle, from a rater's first words to the receipt: what the pages and the records meet in."""
