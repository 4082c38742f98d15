"""Measurements against named baselines; `python -m benchmarks` runs them all."""
