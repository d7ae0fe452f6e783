"""Who is in the segment now, how many of them it would reach, and who else writes to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.timezone import localtime

from campaigns.enroll import Waiting
from campaigns.models import Campaign, CampaignMessage
from campaigns.preflight.finding import Finding, Level, Look, counted, fine
from messaging.audience import report
from messaging.models import AudienceCheck, Channel, CheckState, MessageTemplate

# Segments are calculated every night; one that did not happen is worth a word.
STALE_AFTER = timedelta(hours=30)
# What is known of the doctors changes daily, and the check with them.
CHECK_GOOD_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Segment:
    """The segment as it was last calculated. `lacking`: by channel, of those quiet long enough."""

    doctors: int
    quiet: int  # of them, for as long as the campaign asks
    calculated_at: datetime | None
    no_address: dict[str, int]
    no_consent: dict[str, int]


# As messaging/facts.py reads address and consent: the newest record counts, and a withdrawal on
# every channel.
_SEGMENT = """
    WITH members AS MATERIALIZED (
        SELECT user_id, calculated_at, inactive_since <= %(quiet_since)s AS is_quiet
        FROM user_segments
        WHERE segment_type = %(segment)s AND (expires_at IS NULL OR expires_at > %(now)s)
    ), consents AS (
        SELECT user_id, channel,
               max(recorded_at) FILTER (WHERE is_given AND recorded_at <= %(now)s)
                   > COALESCE(max(recorded_at) FILTER (WHERE NOT is_given), '-infinity') AS is_given
        FROM consent_records JOIN members USING (user_id)
        WHERE is_quiet AND channel = ANY(%(channels)s)
          AND (channel = ANY(%(required)s)
               OR user_id IN (SELECT user_id FROM consent_records WHERE NOT is_given))
        GROUP BY user_id, channel
    ), given AS (
        SELECT channel, count(*) FILTER (WHERE is_given) AS yes,
               count(*) FILTER (WHERE is_given IS NOT TRUE) AS no
        FROM consents GROUP BY channel
    ), counts AS (
        SELECT count(*) AS doctors, count(*) FILTER (WHERE is_quiet) AS quiet,
               max(calculated_at) AS calculated_at,
               count(*) FILTER (WHERE is_quiet AND NULLIF(d.email, '') IS NULL) AS email,
               count(*) FILTER (WHERE is_quiet AND NULLIF(d.phone, '') IS NULL) AS sms,
               count(*) FILTER (WHERE is_quiet
                   AND COALESCE(NULLIF(d.whatsapp, ''), NULLIF(d.phone, '')) IS NULL) AS whatsapp
        FROM members JOIN doctors d ON d.id = user_id
    )
    SELECT doctors, quiet, calculated_at, email, sms, whatsapp,
           COALESCE((SELECT jsonb_object_agg(channel, jsonb_build_array(yes, no)) FROM given), '{}')
    FROM counts
"""


def segment_of(look: Look) -> Segment:
    """Count it: one query."""
    values: dict[str, Any] = {
        "segment": look.campaign.segment_type,
        "now": look.now,
        "quiet_since": look.now - timedelta(days=look.campaign.inactivity_days),
        "channels": look.channels,
        "required": list(settings.CONSENT_REQUIRED),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SEGMENT, values)
        doctors, quiet, calculated_at, email, sms, whatsapp, given = cursor.fetchone()
    consents = json.loads(given) if isinstance(given, str) else given
    no_consent = {}
    for channel in look.channels:
        yes, no = consents.get(channel, (0, 0))
        no_consent[channel] = quiet - yes if channel in settings.CONSENT_REQUIRED else no
    addresses = {"email": email, "sms": sms, "whatsapp": whatsapp}
    return Segment(
        doctors,
        quiet,
        calculated_at,
        {channel: addresses[channel] for channel in look.channels},
        no_consent,
    )


def segment(look: Look, found: Segment, waiting: Waiting) -> Iterator[Finding]:
    """Somebody is in it, and it is as it was last night."""
    name = look.campaign.get_segment_type_display()
    page = reverse("admin:segments_usersegment_changelist")
    page += f"?segment_type__exact={look.campaign.segment_type}"

    def warning(key: str, text: str) -> Finding:
        return Finding("warning", key, text, page, "Open the segment")

    if not found.doctors:
        text = f"Nobody is in the segment “{name}” now. It is calculated anew every night."
        yield warning("segment_empty", text)
        return
    if found.calculated_at and look.now - found.calculated_at > STALE_AFTER:
        ago = int((look.now - found.calculated_at) / timedelta(hours=1))
        text = (
            f"The segment “{name}” was last calculated {ago} hours ago, on "
            f"{_at(found.calculated_at)}: see that its schedule runs."
        )
        schedules = reverse("admin:django_celery_beat_periodictask_changelist")
        yield Finding("warning", "segment_stale", text, schedules, "Open the schedules")
    if waiting.total or look.is_launched:
        text = (
            f"{counted(found.doctors, 'doctor')} in the segment “{name}”; "
            f"{waiting.total:,} would be enrolled now{look.at_stage}."
        )
        yield fine("segment", text)
        return
    text = (
        f"{counted(found.doctors, 'doctor')} in the segment “{name}”, but none would be enrolled "
        f"now: {get_text_list(list(_why_nobody(look)), 'or')}."
    )
    yield warning("nobody_waits", text)


def _why_nobody(look: Look) -> Iterator[str]:
    """What keeps the doctors of a segment out."""
    if days := look.campaign.inactivity_days:
        yield f"quiet for less than {counted(days, 'day')}"
    yield "opted out"
    yield "in the campaign already"
    if look.at_stage:
        yield f"not among the {look.campaign.rollout_percent} % whom its rollout lets in now"


def reach(look: Look, found: Segment) -> Iterator[Finding]:
    """The doctors have addresses, and have consented where that is asked for."""
    missing = []
    doctors = reverse("admin:segments_doctor_changelist")
    consents = reverse("admin:messaging_consentrecord_changelist")
    of_all = f"of {counted(found.quiet, 'doctor')}"
    for channel in look.channels:
        label = Channel(channel).label
        if count := found.no_consent[channel]:
            text = (
                f"{count:,} {of_all} have given no consent to {label}, or took it back: they get "
                "no message on it. Consents are imported, or entered one by one."
            )
            missing.append(Finding("warning", "no_consent", text, consents, "Open the consents"))
        if count := found.no_address[channel]:
            what = "e-mail address" if channel == Channel.EMAIL else "mobile number"
            text = f"{count:,} {of_all} have no {what}: they get no message by {label}."
            missing.append(Finding("warning", "no_address", text, doctors, "Open the doctors"))
    yield from missing
    if look.channels and found.quiet and not missing:
        text = "Every doctor in the segment can be reached on every channel that it uses."
        yield fine("reach", text)


def rivals(look: Look) -> Iterator[Finding]:
    """No other running campaign enrols the same doctors. One query."""
    running = Campaign.objects.running(look.now).exclude(pk=look.campaign.pk)
    others = list(running.filter(segment_type=look.campaign.segment_type))
    for other in others:
        page = reverse("admin:campaigns_campaign_change", args=[other.pk])
        text = (
            f"“{other}” is running on the same segment: both would write to the same doctors "
            "about the same thing. Pause or complete one of them."
        )
        yield Finding("warning", "same_segment", text, page, "Open the other campaign")
    if not others:
        yield fine("rivals", "No other running campaign writes to the same segment.")


# Doctors of this campaign's segment who are under way in another one.
_SHARED = """
    SELECT e.campaign_id, count(DISTINCT e.user_id) FROM campaign_enrollments e
    WHERE e.campaign_id = ANY(%(others)s) AND e.status = 'active' AND NOT e.is_holdout
      AND EXISTS (SELECT FROM user_segments g
                  WHERE g.user_id = e.user_id AND g.segment_type = %(segment)s
                    AND (g.expires_at IS NULL OR g.expires_at > %(now)s))
    GROUP BY 1
"""


def ties(look: Look) -> Iterator[Finding]:
    """No other running campaign has the same claim on the same doctors at the same hour.

    One query, and one more where another one has. Those of the same segment are rivals() already.
    """
    own = look.campaign
    running = Campaign.objects.running(look.now).exclude(pk=own.pk)
    alike = running.exclude(segment_type=own.segment_type).filter(
        priority=own.priority,
        send_from=own.send_from,
        steps__in=CampaignMessage.objects.filter(channel__in=look.channels),
    )
    others = {other.pk: other for other in alike.distinct()}
    if not others:
        return
    values: dict[str, Any] = {
        "others": list(others),
        "segment": own.segment_type,
        "now": look.now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SHARED, values)
        shared = cursor.fetchall()
    for pk, count in shared:
        has = "is" if count == 1 else "are"
        text = (
            f"“{others[pk]}” has the same priority, {own.priority}, and sends from the same hour; "
            f"{counted(count, 'doctor')} of this segment {has} under way in it. Where both want "
            "the same room, the campaign that enrolled a doctor first goes first. Give one of them "
            "another priority, if one matters more."
        )
        yield look.warning("same_priority", text, "priority")


def audience(look: Look) -> Iterator[Finding]:
    """An audience check says who lacks a variable, and it is about what would be sent."""
    if not look.steps:
        return
    start = reverse("admin:campaigns_campaign_check_audience", args=[look.campaign.pk])
    ask = "Check the audience"
    checks = AudienceCheck.objects.filter(campaign=look.campaign)
    check = checks.first()
    if check is None:
        text = (
            "No audience check was made: nobody knows for how many doctors a variable is missing."
        )
        yield Finding("warning", "audience_unchecked", text, start, ask)
        return
    page = reverse("admin:messaging_audiencecheck_change", args=[check.pk])
    if check.state != CheckState.DONE:
        text = f"The last audience check has no result. {report.report(check).title}"
        yield Finding("warning", "audience_unfinished", text, page, "Open the check")
        return
    if old := _outdated(look, check):
        text = f"The audience check of {_at(check.requested_at)} {old}: run it again."
        yield Finding("warning", "audience_stale", text, start, ask)
    said = report.report(check)
    is_fine = said.level in ("success", "info")
    level: Level = "ok" if is_fine else "warning"
    text = f"Audience check: {said.title}"
    yield Finding(level, "audience" if is_fine else "variables", text, page, "Open the check")
    for line in said.lines:
        yield Finding("warning", "audience_texts", line, page, "Open the check")


def _outdated(look: Look, check: AudienceCheck) -> str:
    """Why a finished check says nothing of what would be sent now; '': it does. One query."""
    keys = [step["template_key"] for step in report.steps(check)]
    if keys != [step.template_id for step in look.steps]:
        return "looked at other steps"
    texts = MessageTemplate.objects.filter(template_key__in=keys, updated_at__gt=check.started_at)
    if texts.exists():
        return "looked at texts that were changed since"
    is_old = look.now - check.requested_at > CHECK_GOOD_FOR
    return f"is older than {CHECK_GOOD_FOR.days} days" if is_old else ""


def _at(moment: datetime) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M}"
