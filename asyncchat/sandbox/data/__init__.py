"""The rows: generated from a seed, kept in SQLite, changed as time goes on."""
