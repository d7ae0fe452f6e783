"""Stable shares: Python and PostgreSQL agree, and a stage contains the one before."""

import pytest
from django.db import connection

from campaigns.buckets import BUCKETS, bucket, bucket_sql


@pytest.mark.django_db
def test_bucket_is_the_same_in_sql() -> None:
    doctors = [*range(1, 200), 2**31 - 1]
    asked = f"SELECT {bucket_sql('%s::text', 'n')} FROM unnest(%s::int[]) AS t(n)"
    with connection.cursor() as cursor:
        cursor.execute(asked, ["rollout:7", doctors])
        in_sql = [row[0] for row in cursor.fetchall()]
    assert in_sql == [bucket("rollout:7", doctor) for doctor in doctors]


def test_buckets_are_even_and_differ_by_salt() -> None:
    first = [bucket("one", doctor) for doctor in range(20_000)]
    second = [bucket("two", doctor) for doctor in range(20_000)]
    for tenth in range(10):
        size = BUCKETS // 10
        count = sum(tenth * size <= one < (tenth + 1) * size for one in first)
        assert 1_850 < count < 2_150
    both = sum(one < 5_000 and two < 5_000 for one, two in zip(first, second, strict=True))
    assert 4_700 < both < 5_300  # independent: a quarter
