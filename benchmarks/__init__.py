"""Benchmarks against the peers, side by side: `python -m benchmarks` runs all, `python -m benchmarks.lorenz` one."""
