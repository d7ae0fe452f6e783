"""Benchmarks: `uv run python -m tests.bench`. Each figure is a ratio to a floor of the same run."""
