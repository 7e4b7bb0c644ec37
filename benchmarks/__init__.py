"""Benchmarks: how fast, compared with what else, on this machine. Run `python -m benchmarks`."""
