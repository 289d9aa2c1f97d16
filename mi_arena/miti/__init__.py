"""MITI 4.2.1: items, coding rules, summary scores, agreement. Pure but for its commands."""
