"""Decisions as values: who may ask, when to try again, how fast to go."""
