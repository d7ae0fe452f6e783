"""What the tests of the four definitions ask of each."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign, CampaignEnrollment
from segments.definitions import Subject, definition
from segments.models import Doctor
from tests.segments.factories import NOW


def eligible(segment_type: str, now: datetime = NOW) -> list[tuple[int, str]]:
    """Doctor and subject of every row, sorted."""
    rows = definition(segment_type).eligible(now)
    return sorted((row["doctor_id"], row["subject"]) for row in rows)


def one_row(segment_type: str, now: datetime = NOW) -> dict[str, Any]:
    """The only row, without its rank."""
    (row,) = definition(segment_type).eligible(now)
    del row["rank"]
    return row


def enroll(segment_type: str, doctor: Doctor, subject: str, enrolled_at: datetime) -> Any:
    """An enrolment of the doctor in a campaign of its own; returns its key."""
    campaign = Campaign.objects.create(name=segment_type, segment_type=segment_type)
    return CampaignEnrollment.objects.create(
        campaign=campaign, doctor=doctor, subject=subject, enrolled_at=enrolled_at
    ).pk


def returned(segment_type: str, now: datetime = NOW) -> dict[Any, datetime]:
    """Enrolments that reached the goal, with the moment."""
    rows = definition(segment_type).returned(CampaignEnrollment.objects.all(), now)
    return dict(rows.values_list("pk", "returned_at"))


def variables(
    segment_type: str, doctor: Doctor, subject: str = "", now: datetime = NOW
) -> dict[str, Any]:
    """Variables of one message to a doctor enrolled at NOW."""
    (values,) = definition(segment_type).variables([Subject(doctor.pk, subject, NOW)], now)
    return values


def query_counts(segment_type: str, subjects: Sequence[Subject]) -> tuple[int, int]:
    """Queries for the first subject alone and for all of them, each with an empty cache."""
    assert len(subjects) == 3

    def ask(batch: Sequence[Subject]) -> None:
        assert all(definition(segment_type).variables(batch, NOW))

    return count_queries(lambda: ask(subjects[:1])), count_queries(lambda: ask(subjects))


def count_queries(act: Callable[[], object]) -> int:
    """Queries that `act` makes when no figure is in the cache."""
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        act()
    return len(queries)
