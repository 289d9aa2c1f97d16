"""Who is asking: pseudonyms of raters, roles, sign-in by personal invite codes."""
