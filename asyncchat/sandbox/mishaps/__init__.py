"""What goes wrong on demand: which request, and with what body."""
