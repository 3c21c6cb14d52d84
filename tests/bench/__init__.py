"""Measurements against the real programs: ``make bench``."""
