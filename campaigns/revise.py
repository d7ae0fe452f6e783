"""Edits of a campaign under way, second half: all of it at once, as revision.py has said.

Set-based, under the campaign's lock. Nothing is sent late because of an edit: a step that is new,
or moved, to a day that is past for a doctor is written down as skipped.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Min

from campaigns.launch import problems
from campaigns.models import Campaign, CampaignMessage
from campaigns.revision import (
    ANOTHER,
    TODAY,
    UNDER_WAY,
    Changes,
    Proposed,
    ProposedStep,
    Revision,
    as_it_is,
    changes_of,
    plan_revision,
)
from campaigns.schedule import replan
from campaigns.transition import NotReady, hold_people, lock
from messaging.due import DUE_AT, NEXT_DAY, expires_at

__all__ = [
    "UNDER_WAY",
    "Proposed",
    "ProposedStep",
    "Revision",
    "apply_revision",
    "as_it_is",
    "plan_revision",
]


NEEDS_SECOND = (
    "Two people change what a running campaign sends, to whom or when: propose it on the "
    "campaign's page, and somebody else who may launch makes it."
)


@transaction.atomic
def apply_revision(  # noqa: PLR0913  each has its name at the call
    campaign: Campaign,
    proposed: Proposed,
    token: str,
    now: datetime,
    by: User | None = None,
    *,
    is_second_person: bool = False,
) -> Revision:
    """Do what plan_revision said, all of it or nothing, under the campaign's lock.

    `token`: of the Revision that was shown; token_of() is that of a caller that made the proposal
    itself from the campaign as it is (an A/B test's winner, a proposal looked at whole).

    Raises NotReady where the campaign or the change is not what was shown, where the proposal has a
    problem, where the campaign could not send with it, or where four eyes have to see it and `by`
    is no second person (proposal.py); None, the engine itself, asks nobody.
    """
    lock(campaign)
    if campaign.status not in UNDER_WAY:
        state = campaign.get_status_display().lower()
        raise NotReady([f"The campaign is {state}: it is not revised, but edited."])
    revision = plan_revision(campaign, proposed, now)
    if token != revision.token:
        raise NotReady([ANOTHER])
    if revision.problems:
        raise NotReady(revision.problems)
    if revision.needs_second and by is not None and not is_second_person:
        raise NotReady([NEEDS_SECOND])
    before = set(problems(campaign, now))
    changes = changes_of(campaign, proposed)
    hold_people(campaign)
    _keep_days(campaign, changes)
    _write_fields(campaign, changes, by)
    _write_steps(campaign, changes, now)
    campaign.refresh_from_db()
    if new := [problem for problem in problems(campaign, now) if problem not in before]:
        raise NotReady(new)
    replan(campaign.pk)
    return revision


# Whether a doctor's first day is the day of enrolment depends on `send_until` (messaging/due.py).
_KEEP_DAYS = """
    UPDATE campaign_enrollments e
    SET shifted_days = e.shifted_days + n.days
    FROM (
        SELECT x.id, (x.local + (interval '24 hours' - %(was)s::interval))::date
                   - (x.local + (interval '24 hours' - %(will)s::interval))::date AS days
        FROM (
            SELECT e.id, e.enrolled_at AT TIME ZONE d.timezone AS local
            FROM campaign_enrollments e JOIN doctors d ON d.id = e.user_id
            WHERE e.campaign_id = %(campaign)s AND e.status = 'active'
        ) x
    ) n
    WHERE e.id = n.id AND n.days <> 0
"""


def _keep_days(campaign: Campaign, changes: Changes) -> None:
    """Have nobody's days move because the sending hours end at another time."""
    if "send_until" in changes.fields:
        was, will = changes.fields["send_until"]
        with connection.cursor() as cursor:
            cursor.execute(_KEEP_DAYS, {"campaign": campaign.pk, "was": was, "will": will})


def _write_fields(campaign: Campaign, changes: Changes, by: User | None) -> None:
    for name, (_, value) in changes.fields.items():
        setattr(campaign, name, value)
    campaign.changed_by = by
    try:
        campaign.full_clean(validate_unique=False)
    except ValidationError as error:
        raise NotReady(error.messages) from error
    campaign.save(update_fields=[*changes.fields, "changed_by", "updated_at"])


def _write_steps(campaign: Campaign, changes: Changes, now: datetime) -> None:
    """Remove, change and add steps, and take the deliveries along that are scheduled."""
    _remove(campaign, changes.removed, now)
    values = _values(campaign, now)
    moved = changes.moved
    for step, then in moved:  # before the steps themselves: deliveries move by the difference
        by = {"step": step.pk, "days": then.delay_days - step.delay_days, **values}
        with connection.cursor() as cursor:
            cursor.execute(_MOVE, by)
    places = {id(step): place for place, step in enumerate(changes.order, start=1)}
    for step, then in changes.kept:
        step.sequence_order = places[id(then)]
        _write(step, then, changes)
    CampaignMessage.objects.bulk_update(
        [step for step, _ in changes.kept],
        ["sequence_order", "channel", "delay_days", "template", "subject_line", "send_from"],
    )
    added = [
        CampaignMessage(campaign=campaign, sequence_order=places[id(then)])
        for then in changes.added
    ]
    for step, then in zip(added, changes.added, strict=True):
        _write(step, then, changes)
    CampaignMessage.objects.bulk_create(added)
    new_days = [*added, *(step for step, _ in moved)]
    with connection.cursor() as cursor:
        cursor.execute(_SKIP_PAST, {"steps": [step.pk for step in new_days], **values})


def _write(step: CampaignMessage, then: ProposedStep, changes: Changes) -> None:
    template = changes.templates[then.template_key]
    step.template, step.channel = template, template.channel
    step.delay_days = then.delay_days
    step.subject_line = then.subject_line or None
    step.send_from = then.send_from


def _values(campaign: Campaign, now: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "as_of": campaign.paused_at or now,
        "expires": settings.STEP_EXPIRES_AFTER,
    }


_SKIP_REMOVED = """
    UPDATE message_deliveries
    SET status = 'skipped', skip_reason = 'step_changed', skip_detail = 'the step was removed'
    WHERE campaign_message_id = ANY(%s) AND status = 'scheduled'
"""


def _remove(campaign: Campaign, removed: list[CampaignMessage], now: datetime) -> None:
    """Take steps out of use; their rows stay, below all places, for what they have sent."""
    if not removed:
        return
    ever = CampaignMessage.ever.filter(campaign=campaign)
    lowest = min(0, ever.aggregate(lowest=Min("sequence_order"))["lowest"] or 0)
    for place, step in enumerate(removed, start=1):
        step.removed_at, step.sequence_order = now, lowest - place
    CampaignMessage.objects.bulk_update(removed, ["removed_at", "sequence_order"])
    with connection.cursor() as cursor:
        cursor.execute(_SKIP_REMOVED, [[step.pk for step in removed]])


_MOVED = "((m.due_at AT TIME ZONE d.timezone) + make_interval(days => %(days)s))"
_MOVE = f"""
    UPDATE message_deliveries m
    SET due_at = n.due_at, scheduled_at = n.due_at, trace = NULL,
        expires_at = n.due_at + (m.expires_at - m.due_at),
        status = CASE WHEN n.is_past THEN 'skipped' ELSE m.status END,
        skip_reason = CASE WHEN n.is_past THEN 'step_changed' END,
        skip_detail = CASE WHEN n.is_past THEN 'it was moved to a day that was past' ELSE '' END
    FROM (
        SELECT m.id, {_MOVED} AT TIME ZONE d.timezone AS due_at, {_MOVED}::date < {TODAY} AS is_past
        FROM message_deliveries m JOIN doctors d ON d.id = m.user_id
        WHERE m.campaign_message_id = %(step)s AND m.status = 'scheduled'
    ) n
    WHERE m.id = n.id AND m.status = 'scheduled'
"""  # noqa: S608  only constants are put in
# Steps that are new or have moved, for doctors whose day of it is past: not sent, and said why.
_SKIP_PAST = f"""
    INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel, due_at,
        scheduled_at, expires_at, status, skip_reason, skip_detail)
    SELECT e.id, s.id, e.user_id, s.channel, p.due_at, p.due_at, {expires_at("p.due_at")},
           'skipped', 'step_changed', 'its day was past when the step was added or moved'
    FROM campaign_enrollments e
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN doctors d ON d.id = e.user_id
    JOIN (
        SELECT s.*, {NEXT_DAY} AS next_day FROM campaign_messages s
        WHERE s.campaign_id = %(campaign)s AND s.removed_at IS NULL
    ) s ON s.campaign_id = c.id AND s.id = ANY(%(steps)s)
    CROSS JOIN LATERAL (SELECT {DUE_AT} AS due_at) p
    WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND NOT e.is_holdout
      AND (p.due_at AT TIME ZONE d.timezone)::date < {TODAY}
    ON CONFLICT (enrollment_id, campaign_message_id) DO NOTHING
"""  # noqa: S608
