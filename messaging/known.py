"""What is on record of a batch's doctors: what they got and wish, who came back, who is in still.

Each answer is one query, however many doctors; one for each segment of the last two.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from django.apps import apps
from django.db.models import Q, QuerySet

from messaging import suppress
from messaging.caps import Taken
from messaging.models import (
    AttemptOutcome,
    ConsentRecord,
    DeliveryAttempt,
    Suppression,
    UnsubscribeRecord,
)
from segments.definitions import definition


class Concerned(Protocol):
    """A message, due or to come: whose it is, and about what."""

    @property
    def doctor_id(self) -> int: ...
    @property
    def enrollment_id(self) -> uuid.UUID: ...
    @property
    def segment_type(self) -> str: ...


def history(doctor_ids: list[int], since: datetime) -> dict[int, list[Taken]]:
    """What counts against the caps of each doctor."""
    found: dict[int, list[Taken]] = defaultdict(list)
    attempts = DeliveryAttempt.objects.filter(
        Q(counts=True) | Q(outcome=AttemptOutcome.WRITTEN_OFF),
        doctor_id__any_of=doctor_ids,
        authorised_at__gt=since,
    )
    for doctor_id, channel, at in attempts.order_by().values_list(
        "doctor_id", "channel", "authorised_at"
    ):
        found[doctor_id].append(Taken(channel, at))
    return found


def optouts(
    doctor_ids: list[int],
) -> tuple[dict[int, list[tuple[str | None, str | None]]], dict[int, datetime]]:
    """What the doctors opted out of, and until when they asked for a pause."""
    pauses: dict[int, datetime] = {}
    outs: dict[int, list[tuple[str | None, str | None]]] = defaultdict(list)
    standing = UnsubscribeRecord.objects.standing().filter(doctor_id__any_of=doctor_ids)
    for doctor_id, channel, segment_type, paused_until in standing.order_by().values_list(
        "doctor_id", "channel", "segment_type", "paused_until"
    ):
        if paused_until is None:
            outs[doctor_id].append((channel, segment_type))
        else:
            pauses[doctor_id] = paused_until
    return outs, pauses


def consents(doctor_ids: list[int], now: datetime) -> dict[tuple[int, str], bool]:
    """The newest word of each doctor on each channel."""
    newest = (
        # A withdrawal counts as soon as it is there: it may be younger than this window's `now`.
        ConsentRecord.objects.filter(
            Q(recorded_at__lte=now) | Q(is_given=False), doctor_id__any_of=doctor_ids
        )
        .order_by("doctor_id", "channel", "-recorded_at")
        .distinct("doctor_id", "channel")
        .values_list("doctor_id", "channel", "is_given")
    )
    return {(doctor_id, channel): is_given for doctor_id, channel, is_given in newest}


def suppressed(doctor_ids: list[int]) -> dict[tuple[int, str], str]:
    """Doctor and channel of each channel that is closed, and why."""
    standing = Suppression.objects.standing().filter(doctor_id__any_of=doctor_ids)
    return {(held.doctor_id, held.channel): suppress.words(held) for held in standing.order_by()}


def _by_segment(rows: Iterable[Concerned]) -> dict[str, list[Concerned]]:
    groups: dict[str, list[Concerned]] = defaultdict(list)
    for row in rows:
        groups[row.segment_type].append(row)
    return groups


def returned(rows: Iterable[Concerned], now: datetime) -> set[uuid.UUID]:
    """Enrolments whose doctor has come back."""
    model: Any = apps.get_model("campaigns", "CampaignEnrollment")
    enrollments: QuerySet[Any] = model.objects.all()
    found: set[uuid.UUID] = set()
    for segment_type, group in _by_segment(rows).items():
        ids = {row.enrollment_id for row in group}
        came_back = definition(segment_type).returned(enrollments.filter(pk__any_of=ids), now)
        found.update(came_back.order_by().values_list("pk", flat=True))
    return found


def eligible(rows: Iterable[Concerned], now: datetime) -> set[tuple[str, int, str]]:
    """Segment, doctor and subject of those who are in it still."""
    found: set[tuple[str, int, str]] = set()
    for segment_type, group in _by_segment(rows).items():
        still = definition(segment_type).eligible(now)
        doctor_ids = {row.doctor_id for row in group}
        still = still.filter(doctor_id__any_of=doctor_ids)
        found.update(
            (segment_type, doctor_id, subject)
            for doctor_id, subject in still.order_by().values_list("doctor_id", "subject")
        )
    return found
