"""Keeping a finished export up to date."""
