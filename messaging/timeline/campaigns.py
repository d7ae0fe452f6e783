"""How the doctor came onto the record, into segments, and into and out of campaigns."""

from __future__ import annotations

from typing import Any

from django.utils.timezone import localtime

from messaging.timeline.source import Said, Source, Theme
from segments.models import Doctor, UserSegment

ENROLLMENT = "campaigns.CampaignEnrollment"

_ENDS = {
    "completed": Said("Campaign done", "No step is left.", "flag"),
    "converted": Said("Campaign ended", "The doctor had come back.", "flag", "good"),
    "unsubscribed": Said("Campaign ended", "The doctor had opted out of it.", "flag", "warn"),
    "bounced": Said("Campaign ended", "No channel was left that reaches them.", "flag", "bad"),
}


def _doctor(_doctor: Doctor, moment: str) -> Said:
    if moment == "created":
        return Said("Came onto the record", "", "person_add")
    if moment == "erased":
        words = "At the doctor's wish: nothing personal is left, and no import brings it back."
        return Said("Erased", words, "person_remove", "warn")
    return Said("Record last changed", "By hand or by an import.", "edit")


def _segment(member: UserSegment, _moment: str) -> Said:
    about = f" about {member.subject}" if member.subject else ""
    quiet = member.inactive_since
    since = f"Quiet since {localtime(quiet):%d %b %Y}. " if quiet else ""
    return Said(
        "In a segment",
        f"{member.get_segment_type_display()}{about}. {since}Last calculated then.",
        "groups",
    )


def _enrollment(enrollment: Any, moment: str) -> Said:
    about = f", about {enrollment.subject}" if enrollment.subject else ""
    which = f"{enrollment.campaign}{about}."
    if moment == "enrolled":
        return Said("Enrolled", which, "how_to_reg")
    if moment == "converted":
        return Said("Came back", f"The goal of {which}", "celebration", "good")
    end = _ENDS.get(enrollment.status, Said("Campaign ended", "", "flag"))
    return Said(end.word, f"{which} {end.sentence}".strip(), end.icon, end.tone)


SOURCES = (
    Source(
        "segments.Doctor",
        Theme.CAMPAIGNS,
        {
            "created": "r.created_at",
            # Of who was erased, that was the last change.
            "changed": "CASE WHEN x.id IS NULL AND r.updated_at > r.created_at"
            " + interval '1 second' THEN r.updated_at END",
            "erased": "x.erased_at",
        },
        _doctor,
        joins="LEFT JOIN erased_persons x ON x.doctor_id = r.id",
        of_doctor="r.id = %(doctor)s",
    ),
    Source("segments.UserSegment", Theme.CAMPAIGNS, {"calculated": "r.calculated_at"}, _segment),
    Source(
        ENROLLMENT,
        Theme.CAMPAIGNS,
        {"enrolled": "r.enrolled_at", "converted": "r.converted_at", "ended": "r.completed_at"},
        _enrollment,
        ("campaign",),
        of_campaign="r.campaign_id = %(campaign)s",
    ),
)
