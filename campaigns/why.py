"""Why (not)? What one doctor gets from one campaign, and what stands against it.

Whether the doctor is enrolled, and if not, by which of enroll.py's conditions; then every step:
what became of it, or what messaging/why.py foresees. Reads only, in a fixed number of queries and
one for each A/B test that runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter

from django.utils.timezone import localtime

from campaigns.buckets import BUCKETS, bucket
from campaigns.experiments.assign import variant_of
from campaigns.models import (
    Campaign,
    CampaignEnrollment,
    CampaignMessage,
    CampaignStatus,
    EnrollmentStatus,
    Experiment,
    ExperimentStatus,
)
from campaigns.models.campaign import ROLLOUT_STAGES
from messaging.caps import WEEK
from messaging.models import (
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryStatus,
    MessageDelivery,
    Suppression,
    UnsubscribeRecord,
)
from messaging.why import Message, forecast
from segments.definitions import definition
from segments.models import Doctor, UserSegment
from segments.why import not_in


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that keeps the doctor out. `kind` names it for whoever offers a link to a mend."""

    kind: str
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the campaign for this doctor: past (`delivery`) or to come (`coming`)."""

    step: CampaignMessage
    delivery: MessageDelivery | None = None
    coming: Message | None = None

    @property
    def label(self) -> str:
        """Such as “SMS of day 3”."""
        return f"{self.step.get_channel_display()} of day {self.step.delay_days}"


@dataclass(slots=True)
class Why:
    """All that is known of one doctor and one campaign."""

    campaign: Campaign
    doctor: Doctor
    now: datetime
    enrollment: CampaignEnrollment | None = None  # the one under way, else the last
    others: int = 0  # more enrolments of the doctor in this campaign
    obstacles: list[Obstacle] = field(default_factory=list)  # to a (new) enrolment
    steps: list[Step] = field(default_factory=list)
    used: Sequence[DeliveryAttempt] = ()  # what uses the doctor's caps now

    @property
    def is_under_way(self) -> bool:
        """Enrolled, and it has not ended."""
        return self.enrollment is not None and self.enrollment.status == EnrollmentStatus.ACTIVE

    @property
    def next(self) -> Step | None:
        """The first message that is foreseen to go."""
        going = [(one.coming.at, one) for one in self.steps if one.coming and one.coming.goes]
        return min(going, key=itemgetter(0), default=(None, None))[1]


def explain(campaign: Campaign, doctor: Doctor, now: datetime) -> Why:
    """Put together what is known; nothing is written."""
    why = Why(campaign, doctor, now)
    mine = list(campaign.enrollments.filter(doctor=doctor).order_by("-enrolled_at", "-pk"))
    under_way = [one for one in mine if one.status == EnrollmentStatus.ACTIVE]
    why.enrollment = next(iter([*under_way, *mine]), None)
    why.others = max(len(mine) - 1, 0)
    steps = list(campaign.steps.select_related("template").order_by("sequence_order"))
    if not why.is_under_way:
        why.obstacles = _obstacles(campaign, doctor, now, steps, mine)
    if why.enrollment is not None:
        why.steps = _steps(why.enrollment, doctor, now, steps)
    counting = DeliveryAttempt.objects.filter(doctor=doctor, authorised_at__gt=now - WEEK)
    why.used = [
        attempt
        for attempt in counting.select_related(
            "delivery__campaign_message", "delivery__enrollment__campaign"
        ).order_by("authorised_at")
        if attempt.counts or attempt.outcome == AttemptOutcome.WRITTEN_OFF
    ]
    return why


def _steps(
    enrollment: CampaignEnrollment, doctor: Doctor, now: datetime, steps: list[CampaignMessage]
) -> list[Step]:
    """Each step of the enrolment, with its delivery or what is foreseen of it."""
    done = MessageDelivery.objects.filter(enrollment=enrollment).select_related(
        "campaign_message__template"
    )
    deliveries = {delivery.campaign_message_id: delivery for delivery in done}
    coming: dict[object, Message] = {}
    is_running = enrollment.status == EnrollmentStatus.ACTIVE and not enrollment.is_holdout
    if is_running or any(d.status == DeliveryStatus.SCHEDULED for d in deliveries.values()):
        coming = {
            one.step_id: one
            for one in forecast(doctor, now, enrollment.pk, _variants(doctor))
            if one.row.enrollment_id == enrollment.pk
        }
    known = {step.pk for step in steps}
    removed = [d.campaign_message for key, d in deliveries.items() if key not in known]
    return [
        Step(step, deliveries.get(step.pk), coming.get(step.pk))
        for step in sorted([*steps, *removed], key=lambda step: (step.delay_days, step.pk))
    ]


def _variants(doctor: Doctor) -> dict[uuid.UUID, uuid.UUID]:
    """The variant that the doctor will get of each step that is shared out now.

    One query, and one for each A/B test that runs.
    """
    under_way = CampaignEnrollment.objects.filter(doctor=doctor).values("campaign")
    tests = Experiment.objects.filter(
        campaign__in=under_way, status=ExperimentStatus.RUNNING, filled_at=None
    )
    return {test.step_id: variant_of(test, doctor.pk).pk for test in tests}


def _obstacles(
    campaign: Campaign,
    doctor: Doctor,
    now: datetime,
    steps: list[CampaignMessage],
    mine: list[CampaignEnrollment],
) -> list[Obstacle]:
    """Everything that keeps enroll.py from enrolling the doctor now, what weighs most first."""
    found = [_not_running(campaign, now), _no_steps(steps), _closed(campaign, doctor, steps)]
    found += [_opted_out_of_it(mine), *_segment(campaign, doctor, now, mine)]
    found.append(_rollout(campaign, doctor))
    return [one for one in found if one is not None]


def _not_running(campaign: Campaign, now: datetime) -> Obstacle | None:
    if campaign.status != CampaignStatus.ACTIVE:
        status = campaign.get_status_display().lower()
        mend = {
            CampaignStatus.COMPLETED: "Copy the campaign to run it again.",
            CampaignStatus.PAUSED: "Resume the campaign.",
        }.get(CampaignStatus(campaign.status), "Launch the campaign.")
        return Obstacle("campaign", f"the campaign is not running: it is {status}.", mend)
    if campaign.start_date and campaign.start_date > now:
        return Obstacle(
            "campaign",
            f"the campaign starts on {_when(campaign.start_date)}.",
            "Wait, or move its start.",
        )
    if campaign.end_date and campaign.end_date <= now:
        return Obstacle(
            "campaign",
            f"the campaign ended on {_when(campaign.end_date)}.",
            "Move its end, or copy the campaign.",
        )
    return None


def _no_steps(steps: list[CampaignMessage]) -> Obstacle | None:
    if steps:
        return None
    return Obstacle("campaign", "the campaign has no steps.", "Add a step to the campaign.")


def _closed(campaign: Campaign, doctor: Doctor, steps: list[CampaignMessage]) -> Obstacle | None:
    """No channel that the campaign uses is open to it: opted out, paused or suppressed."""
    outs = UnsubscribeRecord.objects.filter(doctor=doctor, revoked_at=None)
    said = [one for one in outs if one.segment_type in (None, campaign.segment_type)]
    held = set(Suppression.objects.standing().filter(doctor=doctor).values_list("channel"))
    used = {step.channel for step in steps}
    closed_by_wish = {one.channel for one in said}
    open_to_it = {
        channel
        for channel in used
        if None not in closed_by_wish and channel not in closed_by_wish and (channel,) not in held
    }
    if open_to_it or not used:
        return None
    if said:
        pauses = [one.paused_until for one in said if one.paused_until]
        if pauses:
            return Obstacle(
                "opt-out",
                f"the doctor asked for a pause until {_when(max(pauses))}.",
                "Nothing needs to be done: the pause ends by itself.",
            )
        return Obstacle(
            "opt-out",
            "the doctor has opted out of every channel that it uses.",
            "Only where the doctor asks for it: take the opt-out back.",
        )
    return Obstacle(
        "suppression",
        "every channel that it uses is suppressed for the doctor.",
        "Correct the number or address, then lift the suppression.",
    )


def _opted_out_of_it(mine: list[CampaignEnrollment]) -> Obstacle | None:
    if any(one.status == EnrollmentStatus.UNSUBSCRIBED for one in mine):
        return Obstacle(
            "opt-out",
            "the doctor was in this campaign and opted out: it never enrols that doctor again.",
            "A new campaign may, where the doctor takes the opt-out back.",
        )
    return None


def _segment(
    campaign: Campaign, doctor: Doctor, now: datetime, mine: list[CampaignEnrollment]
) -> list[Obstacle]:
    """What of the segment stands against it: not in it, had its turn, not quiet long enough."""
    member = UserSegment.objects.filter(doctor=doctor, segment_type=campaign.segment_type).first()
    subjects = list(
        definition(campaign.segment_type)
        .eligible(now)
        .filter(doctor_id=doctor.pk)
        .values_list("subject", "inactive_since")
    )
    if member is None or (member.expires_at and member.expires_at <= now):
        return [_not_member(campaign, doctor, now, is_found=bool(subjects))]
    had = {one.subject for one in mine if one.status != EnrollmentStatus.UNSUBSCRIBED}
    turns = {(member.subject, member.inactive_since)}
    if member.subject in had and member.subject:
        turns |= set(subjects)  # the next course, session or certificate has its turn
    left = [since for subject, since in turns if subject not in had]
    if not left:
        about = f" about “{member.subject}”" if member.subject else ""
        return [
            Obstacle(
                "before",
                f"the doctor was in this campaign{about} before.",
                "Nothing: nobody is in a campaign twice about the same. A copy of the campaign "
                "writes to the doctor again.",
            )
        ]
    quiet = timedelta(days=campaign.inactivity_days)
    if any(since is not None and since + quiet <= now for since in left):
        return []
    until = min((since + quiet for since in left if since is not None), default=None)
    return [_not_quiet(campaign, until)]


def _not_member(campaign: Campaign, doctor: Doctor, now: datetime, *, is_found: bool) -> Obstacle:
    name = campaign.get_segment_type_display()
    if is_found:
        text = f"the doctor is found for the segment “{name}” with its next run."
        return Obstacle("run", text, "Wait for the run, or start it on the Schedules page.")
    because = not_in(campaign.segment_type, doctor.pk, now)
    text = f"the doctor is not in the segment “{name}”. {because}"
    return Obstacle("segment", text, "Nothing: that is whom the campaign is for.")


def _not_quiet(campaign: Campaign, until: datetime | None) -> Obstacle:
    days = f"{campaign.inactivity_days} quiet days"
    when = f" That is so on {_when(until)}." if until else ""
    return Obstacle(
        "quiet",
        f"the doctor has not been quiet long enough: the campaign waits for {days}.{when}",
        "Wait, or change the campaign's days of inactivity.",
    )


def _rollout(campaign: Campaign, doctor: Doctor) -> Obstacle | None:
    place = bucket(f"rollout:{campaign.pk}", doctor.pk) / (BUCKETS // 100)
    if campaign.rollout_percent >= 100 or place < campaign.rollout_percent:
        return None
    stage = next(percent for percent in ROLLOUT_STAGES if place < percent)
    return Obstacle(
        "rollout",
        f"the rollout has reached {campaign.rollout_percent} % of the doctors, and this one is let "
        f"in at {stage} %.",
        f"Widen the rollout to {stage} %.",
    )


def _when(moment: datetime) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M}"
