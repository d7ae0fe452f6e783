"""A/B tests of one step (strategy, A/B Testing Framework): who gets what, and what came of it.

rules.py says what keeps a test from running, lifecycle.py starts, ends and promotes, assign.py
shares the doctors out, results.py counts, statistics.py and verdict.py judge, expect.py foresees.
"""

from campaigns.experiments.rules import problems

__all__ = ["problems"]
