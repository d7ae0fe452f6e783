"""What a segment type is: who is in it, who came back, what its messages can say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple, TypeVar

from django.db.models import Model, QuerySet

from segments.models import SegmentType

M = TypeVar("M", bound=Model)


class Subject(NamedTuple):
    """What one message is about: a doctor, and which course, session or certificate of theirs."""

    doctor_id: int
    subject: str  # the external_id; '' for aida_users
    enrolled_at: datetime  # aware


@dataclass(frozen=True, slots=True)
class Goal:
    """The strategy's goal for the segment: `rate` percent come back within `days` days."""

    rate: int
    days: int


class Definition(ABC):
    """One segment type. A new segment is one module with a subclass, registered in __init__."""

    segment_type: ClassVar[SegmentType]
    goal: ClassVar[Goal]
    # Names that variables() can fill, beside those of every segment; the catalogue checks them.
    variable_names: ClassVar[frozenset[str]]
    # From enrolment to the end that the texts count down to; None: each doctor's own day.
    ends_after: ClassVar[timedelta | None] = None

    @property
    def label(self) -> str:
        """The segment in a marketer's words."""
        return str(self.segment_type.label)

    @abstractmethod
    def eligible(self, now: datetime) -> QuerySet[Any, dict[str, Any]]:
        """Every doctor and subject in the segment, from facts dated `now` or earlier.

        Gives rows (dicts) with `doctor_id`, `subject`, `inactive_since`, `rank` (smallest is the
        subject to write about when a doctor has several) and `segment_data` (JSON). May be
        filtered further by doctor_id and subject; several rows a doctor are possible.
        """

    @abstractmethod
    def returned(self, enrollments: QuerySet[M], now: datetime) -> QuerySet[M]:
        """Those of the enrolments whose doctor reached the goal, annotated `returned_at`.

        Works on any queryset with doctor_id, subject and enrolled_at. Only what happened after
        enrolled_at and by `now` counts.
        """

    @abstractmethod
    def variables(self, subjects: Sequence[Subject], now: datetime) -> list[dict[str, Any]]:
        """Template variables for each subject, in the same order, in a fixed number of queries.

        A variable that has no value is left out of the dictionary. Numbers come from data only.
        """

    @abstractmethod
    def cta_url(self, subject: str) -> str:
        """Where the message's link leads on the platform."""
