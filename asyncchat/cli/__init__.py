"""The command line, a shell over the public API."""
