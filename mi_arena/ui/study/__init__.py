"""The Study tab: how the study stands, for admins."""
