"""Where an export goes."""
