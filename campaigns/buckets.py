"""Stable shares of the doctors: who is in the rollout, in the holdout, in which variant.

A doctor's bucket is a hash of what is shared out and the doctor's key: it depends on nothing else,
so a stage of a rollout contains the one before, and two lists of doctors share out alike.
"""

from __future__ import annotations

import hashlib

BUCKETS = 10_000  # so a share is told to a hundredth of a percent


def bucket(salt: str, doctor_id: int) -> int:
    """The doctor's bucket, 0 to BUCKETS - 1; `salt`: what is shared out, such as rollout:<id>."""
    digest = hashlib.md5(f"{salt}:{doctor_id}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % BUCKETS


def bucket_sql(salt: str, doctor_id: str) -> str:
    """The same in SQL; `salt` and `doctor_id` are SQL expressions."""
    digest = f"md5({salt} || ':' || {doctor_id})"
    return f"mod(('x' || left({digest}, 8))::bit(32)::bigint, {BUCKETS})"
