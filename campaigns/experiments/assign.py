"""Which doctor gets which variant: by a stable hash, in the database and in Python alike.

A variant has a range of the buckets (campaigns/buckets.py) as wide as its weight. The doctor and
the experiment settle it and nothing else, so a doctor's second message of the step, about another
course, is of the same variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from campaigns.buckets import BUCKETS, bucket, bucket_sql
from campaigns.models import Experiment, Variant


def ranges(weights: Sequence[int]) -> list[tuple[int, int]]:
    """The buckets of each variant, from the first up to, not including, the second."""
    total = sum(weights)
    ends = [reached * BUCKETS // total for reached in accumulate(weights)]
    return list(pairwise([0, *ends]))


def variant_of(experiment: Experiment, doctor_id: int) -> Variant:
    """The variant that a doctor gets, or would get, in the experiment."""
    variants = list(experiment.variants.order_by("letter"))
    place = bucket(f"experiment:{experiment.pk}", doctor_id)
    of_variants = zip(variants, ranges([v.weight for v in variants]), strict=True)
    return next(variant for variant, (low, high) in of_variants if low <= place < high)


# The variants to which the steps of one campaign are shared out now. One whose experiment has all
# the messages that it needs takes no more: what comes then is the step as it is.
ARMS = f"""
    SELECT x.campaign_message_id AS step_id, v.id AS variant_id, v.send_from,
           'experiment:' || x.id AS salt,
           (sum(v.weight) OVER upto - v.weight) * {BUCKETS} / sum(v.weight) OVER whole AS low,
           sum(v.weight) OVER upto * {BUCKETS} / sum(v.weight) OVER whole AS high
    FROM experiments x JOIN experiment_variants v ON v.experiment_id = x.id
    WHERE x.campaign_id = %(campaign)s AND x.status = 'running' AND x.filled_at IS NULL
    WINDOW whole AS (PARTITION BY x.id), upto AS (whole ORDER BY v.letter)
"""  # noqa: S608  only constants are put in


def in_range(arm: str, doctor_id: str) -> str:
    """SQL: whether the doctor is in the range of an arm, a row of ARMS. Both are expressions."""
    place = bucket_sql(f"{arm}.salt", doctor_id)
    return f"({place} >= {arm}.low AND {place} < {arm}.high)"
