"""Doctors who use AiDA and have never tried an AI agent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    CharField,
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import JSONObject

from segments import peers
from segments.definitions.base import Definition, Goal, M, Subject
from segments.definitions.common import (
    Reader,
    count_text,
    date_text,
    days_left,
    filled,
    members,
    numbered,
    platform_url,
    readers,
    since_enrollment,
    with_first_return,
)
from segments.models import AgentUsage, AidaUsage, Doctor, SegmentType


class AidaUsers(Definition):
    """In: used AiDA, never an agent. Back: first use of an agent. There is no subject."""

    segment_type = SegmentType.AIDA_USERS
    goal = Goal(rate=20, days=14)  # strategy, Segment-Specific Goals
    ends_after = timedelta(days=14)  # strategy, Email 1: “access to AI Agents for the next 14 days”
    variable_names = frozenset(
        {
            "specialty_area",
            *("peer_count", "completed_count"),
            *("expiry_date", "days_remaining"),
            *(f"suggested_agent_{place}" for place in (1, 2, 3)),
            *(f"peer_name_{place}" for place in (1, 2, 3)),
            *(f"peer_specialty_{place}" for place in (1, 2, 3)),
        }
    )

    def eligible(self, now: datetime) -> QuerySet[Any, dict[str, Any]]:
        """Doctors who used AiDA and no agent; quiet since their last use of AiDA."""
        # By doctor, as uses grow without end: each takes a look or two into the natural keys.
        used_agent = AgentUsage.objects.filter(doctor=OuterRef("pk"), used_at__lte=now)
        used_aida = AidaUsage.objects.filter(doctor=OuterRef("pk"), used_at__lte=now).order_by()
        figures = used_aida.values("doctor").annotate(data=JSONObject(aida_uses=Count("used_at")))
        return members(
            Doctor.objects.filter(Exists(used_aida), ~Exists(used_agent))
            .order_by()
            .annotate(
                doctor_id=F("pk"),
                subject=Value("", CharField()),
                inactive_since=Subquery(used_aida.order_by("-used_at").values("used_at")[:1]),
                rank=Value(0, IntegerField()),
                segment_data=Subquery(figures.values("data")),
            )
        )

    def returned(self, enrollments: QuerySet[M], now: datetime) -> QuerySet[M]:
        """Used an agent."""
        uses = AgentUsage.objects.filter(
            since_enrollment("used_at", now), doctor=OuterRef("doctor_id")
        )
        return with_first_return(enrollments, uses, "used_at")

    def variables(self, subjects: Sequence[Subject], now: datetime) -> list[dict[str, Any]]:
        """See the base class."""
        doctors = readers({item.doctor_id for item in subjects})
        areas = _areas_of_interest(doctors, now)
        network = peers.agent_network(now)
        places = {pk: (reader.specialty, reader.location) for pk, reader in doctors.items()}
        colleagues = peers.agent_peers(network, places)
        answer = []
        for item in subjects:
            reader = doctors.get(item.doctor_id)
            answer.append(
                {
                    **reader.variables,
                    **_own(reader, areas.get(item.doctor_id), network),
                    **self._trial(item, reader, now),
                    **_named(colleagues[item.doctor_id]),
                }
                if reader
                else {}
            )
        return answer

    def _trial(self, item: Subject, reader: Reader, now: datetime) -> dict[str, Any]:
        ends_at = item.enrolled_at + self.ends_after
        return filled(
            {
                "expiry_date": date_text(ends_at, reader.zone),
                "days_remaining": days_left(ends_at, now),
            }
        )

    def cta_url(self, subject: str) -> str:  # noqa: ARG002  there is none
        """The page of the agents."""
        return platform_url("ai-agents")


def _own(reader: Reader, area: str | None, network: peers.AgentNetwork) -> dict[str, Any]:
    area = area or reader.specialty
    agents = network.suggested(area)
    return filled(
        {
            "specialty_area": area,
            "peer_count": count_text(network.size(reader.specialty, reader.location)),
            "completed_count": count_text(network.new_users),
            # The text lists three.
            **(numbered("suggested_agent_{}", agents, 3) if len(agents) >= 3 else {}),
        }
    )


def _areas_of_interest(doctor_ids: Collection[int], now: datetime) -> dict[int, str]:
    """The area that most of a doctor's AiDA uses were about; the later one of equals."""
    rows = (
        AidaUsage.objects.filter(doctor__any_of=doctor_ids, used_at__lte=now)
        .exclude(specialty_area="")
        .values("doctor_id", "specialty_area")
        .annotate(uses=Count("pk"), last=Max("used_at"))
        .order_by("uses", "last", "specialty_area")
        .values_list("doctor_id", "specialty_area")
    )
    return dict(rows)  # the last one of a doctor stays


def _named(colleagues: Sequence[peers.Peer]) -> dict[str, str]:
    return {
        **numbered("peer_name_{}", [peer.name for peer in colleagues], 3),
        **numbered("peer_specialty_{}", [peer.specialty for peer in colleagues], 3),
    }
