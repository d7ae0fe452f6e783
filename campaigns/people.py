"""Who is in a campaign's segment now: who would be enrolled, who is held back, and why.

Each member is in exactly one class. They are asked in an order in which the first answer settles
the rest: whoever is under way is not also "not quiet long enough". Whoever is in HOLDOUT,
UNREACHABLE or ENROLLED is who campaigns/enroll.py enrols now; its own conditions are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, models

from campaigns.enroll import (
    _DONE,
    _IN_HOLDOUT,
    _IN_ROLLOUT,
    _MEMBERS,
    _next_subjects,
)
from campaigns.models import Campaign
from messaging.models import Channel


class Why(models.TextChoices):
    """What becomes of a member of the segment, in the order in which it is asked."""

    UNDER_WAY = "under_way", "Under way in this campaign"
    OPTED_OUT = "opted_out", "Opted out"
    SUPPRESSED = "suppressed", "No channel of the campaign is open"
    WAS_IN = "was_in", "Was in it before, about the same thing"
    NOT_QUIET = "not_quiet", "Not quiet for long enough"
    ROLLOUT = "rollout", "Waits for the next stage of the rollout"
    HOLDOUT = "holdout", "Would be in the holdout"
    UNREACHABLE = "unreachable", "Would be enrolled, but gets nothing"
    ENROLLED = "enrolled", "Would be enrolled and written to"


# Those whom enroll.py takes.
TAKEN = (Why.ENROLLED, Why.UNREACHABLE, Why.HOLDOUT)

# No member waits with another subject: spares the look at the whole activity.
_NO_NEXT = "SELECT NULL::int AS user_id, NULL::text AS subject, now() AS inactive_since WHERE false"
# What is shut for a doctor, of the channels that the campaign uses, as in enroll.py.
_SHUT = """
    SELECT u.user_id, array_agg(DISTINCT used.channel) AS channels,
           count(DISTINCT used.channel) FILTER (WHERE u.is_choice) AS chosen
    FROM (
        SELECT user_id, channel, true AS is_choice FROM unsubscribe_records
        WHERE revoked_at IS NULL AND (segment_type IS NULL OR segment_type = %(segment)s)
        UNION ALL
        SELECT user_id, channel, false FROM channel_suppressions WHERE lifted_at IS NULL
    ) u
    JOIN used ON u.channel IS NULL OR u.channel = used.channel
    GROUP BY u.user_id
"""
# When a doctor said yes and no to each channel, last.
_CONSENTS = f"""
    SELECT user_id, {
    ", ".join(
        f"max(recorded_at) FILTER (WHERE channel = '{channel}' AND {given}) AS {channel}_{said}"
        for channel in Channel.values
        for said, given in (("yes", "is_given"), ("no", "NOT is_given"))
    )
}
    FROM consent_records JOIN members USING (user_id)
    WHERE recorded_at <= %(now)s OR NOT is_given
    GROUP BY user_id
"""  # noqa: S608  only constants are put in
_ADDRESSES = {
    Channel.WHATSAPP: "COALESCE(d.whatsapp, d.phone)",
    Channel.SMS: "d.phone",
    Channel.EMAIL: "d.email",
}
# As messaging/facts.py: a channel that is used and not shut, with an address; and the newest
# consent counts, which on some channels has to be there.
_REACHABLE = " OR ".join(
    f"""(
        '{channel}' = ANY(%(channels)s) AND '{channel}' <> ALL(COALESCE(shut.channels, '{{{{}}}}'))
        AND {address} IS NOT NULL
        AND CASE WHEN a.{channel}_no IS NOT NULL
            THEN COALESCE(a.{channel}_yes > a.{channel}_no, false)
            ELSE a.{channel}_yes IS NOT NULL OR '{channel}' <> ALL(%(consent_required)s) END
    )"""
    for channel, address in _ADDRESSES.items()
)
_CLASSES = f"""
    WITH members AS MATERIALIZED ({_MEMBERS}),
    used AS MATERIALIZED (SELECT unnest(%(channels)s::text[]) AS channel),
    been AS (
        SELECT o.user_id, bool_or(o.status = 'active') AS is_active,
               bool_or(o.status = 'unsubscribed') AS has_left,
               bool_or(o.subject = g.subject) AS had_it
        FROM campaign_enrollments o JOIN members g USING (user_id)
        WHERE o.campaign_id = %(campaign)s
        GROUP BY o.user_id
    ),
    next AS MATERIALIZED ({{next_subjects}}),
    shut AS MATERIALIZED ({_SHUT}),
    asked AS MATERIALIZED ({_CONSENTS}),
    e AS (
        SELECT g.user_id, COALESCE(n.subject, g.subject) AS subject,
               COALESCE(n.inactive_since, g.inactive_since) AS inactive_since,
               been.is_active, been.has_left, been.had_it AND n.user_id IS NULL AS was_in
        FROM members g
        LEFT JOIN been ON been.user_id = g.user_id
        LEFT JOIN next n ON n.user_id = g.user_id
    ),
    classes AS MATERIALIZED (
        SELECT e.user_id, e.subject, e.inactive_since,
               ceil(extract(epoch FROM e.inactive_since - %(quiet_since)s) / 86400)::int AS days,
               CASE
               WHEN e.is_active THEN 'under_way'
               WHEN e.has_left OR shut.chosen = (SELECT count(*) FROM used) THEN 'opted_out'
               WHEN cardinality(shut.channels) = (SELECT count(*) FROM used) THEN 'suppressed'
               WHEN e.was_in THEN 'was_in'
               WHEN (e.inactive_since <= %(quiet_since)s) IS NOT TRUE THEN 'not_quiet'
               WHEN c.rollout_percent < 100 AND NOT {_IN_ROLLOUT} THEN 'rollout'
               WHEN {_IN_HOLDOUT} THEN 'holdout'
               WHEN NOT ({_REACHABLE}) THEN 'unreachable'
               ELSE 'enrolled' END AS why
        FROM e
        JOIN campaigns c ON c.id = %(campaign)s
        JOIN doctors d ON d.id = e.user_id
        LEFT JOIN shut ON shut.user_id = e.user_id
        LEFT JOIN asked a ON a.user_id = e.user_id
    )
"""  # noqa: S608  only constants are put in
_COUNT = f"""{_CLASSES}
    SELECT why, CASE WHEN why = 'not_quiet' THEN days END, count(*) FROM classes GROUP BY 1, 2
"""  # noqa: S608
_LIST = f"""{_CLASSES}
    SELECT user_id, subject, inactive_since, days FROM classes
    WHERE why = %(why)s AND user_id > %(after)s ORDER BY user_id LIMIT %(size)s
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class People:
    """How many of the segment's members are in each class; all of them together are the segment.

    `quiet_in`: of those not quiet long enough, after how many days they will be (1: within a day).
    """

    counts: Mapping[Why, int]
    quiet_in: Mapping[int, int]

    @property
    def members(self) -> int:
        """Doctors in the segment now."""
        return sum(self.counts.values())

    @property
    def taken(self) -> int:
        """How many would be enrolled, whether or not they get anything."""
        return sum(self.counts[why] for why in TAKEN)

    @property
    def held_back(self) -> int:
        """How many would not, leaving out those under way."""
        return self.members - self.taken - self.counts[Why.UNDER_WAY]


class Member(NamedTuple):
    """A doctor of a class. `quiet_days`: until the doctor is quiet for long enough; 0 or less: is.

    `subject`: the course, session or certificate it is, or would be, about.
    """

    doctor_id: int
    subject: str
    inactive_since: datetime
    quiet_days: int


def people(campaign: Campaign, now: datetime) -> People:
    """Count the campaign's segment as the next enrolment would find it, if the campaign runs."""
    counts = dict.fromkeys(Why, 0)
    quiet_in: dict[int, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(*_query(_COUNT, campaign, now))
        for why, days, count in cursor.fetchall():
            counts[Why(why)] += count
            if days is not None:
                quiet_in[days] = count
    return People(counts, dict(sorted(quiet_in.items())))


def members(
    campaign: Campaign, why: Why, now: datetime, *, after: int = 0, size: int = 50
) -> list[Member]:
    """Doctors of one class in the order of their keys: so many of those beyond `after`."""
    with connection.cursor() as cursor:
        cursor.execute(*_query(_LIST, campaign, now, why=why, after=after, size=size))
        return [Member(*row) for row in cursor.fetchall()]


def _query(
    sql: str, campaign: Campaign, now: datetime, **more: Any
) -> tuple[str, Mapping[str, Any]]:
    """The query and its values; where nobody has had a turn, without the search for another."""
    values = {
        "campaign": campaign.pk,
        "segment": campaign.segment_type,
        "now": now,
        "quiet_since": now - timedelta(days=campaign.inactivity_days),
        "rollout": campaign.rollout_percent,
        "channels": sorted(set(campaign.steps.values_list("channel", flat=True))),
        "consent_required": sorted(settings.CONSENT_REQUIRED),
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({_DONE})", values)
        has_done = cursor.fetchone()[0]
    found = _next_subjects(campaign, now) if has_done else _NO_NEXT
    return sql.format(next_subjects=found), values
