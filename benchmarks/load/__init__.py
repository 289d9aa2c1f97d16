"""Fifty raters at once against a running app that is killed, whose disk fills, whose Hub fails."""
