"""Benchmarks: `python -m benchmarks NAME` runs one, `python -m benchmarks` all of them.

Servers are processes of their own, candidates take turns whose order changes, and ratios are those of one round:
absolute times tell about a machine, ratios about the code.
"""
