"""What the benchmarks share: processes, rounds, figures, and how they are shown."""
