"""Candidates: functions that read the same listing, or export the same account, each in its own way.

A reader takes the base URL, the path of a listing, how many requests may be in flight and the rows to ask for in a
page; it goes through every row, as a loop of its user would, and returns how many there were.
"""
