"""The I/O edge: one session, one pipeline."""
