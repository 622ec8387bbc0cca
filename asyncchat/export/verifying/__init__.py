"""Checking what a destination holds against the server."""
