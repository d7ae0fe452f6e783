"""Who is in a campaign's segment now: who would be enrolled, who is held back, and why.

Each member is in exactly one class. They are asked in an order in which the first answer settles
the rest: whoever is under way is not also "not quiet long enough". Whoever is in HOLDOUT,
UNREACHABLE or ENROLLED is who campaigns/enroll.py enrols now; its own conditions are used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.db import connection, models

from campaigns.digest import digest
from campaigns.enroll import (
    IN_HOLDOUT,
    IN_ROLLOUT,
    MEMBERS,
    had_their_turn,
    next_subjects,
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


KEPT = 120  # seconds, as the pre-flight's counts
LAST_KEY = 2**31 - 1  # of doctors
# How many members a list looks at first, how fast that grows and how far, and for how many seconds.
FIRST_SLICE, GROWTH, LARGEST_SLICE = 1_000, 4, 16_000
PATIENCE = 0.4

# Those whom enroll.py takes.
TAKEN = (Why.ENROLLED, Why.UNREACHABLE, Why.HOLDOUT)

# No member waits with another subject: spares the look at the whole activity.
_NO_NEXT = "SELECT NULL::int AS user_id, NULL::text AS subject, now() AS inactive_since WHERE false"
# Of the segment, those whose keys lie in a range: all of them, or a slice that a list looks at.
_LOOKED_AT = f"""
    SELECT user_id, subject, inactive_since FROM ({MEMBERS}) m
    WHERE user_id > %(after)s AND user_id <= %(until)s
"""  # noqa: S608  only constants are put in
# The last of a slice of so many: found by the index on doctor and segment.
_SLICE = f"""
    SELECT max(user_id) FROM (
        SELECT user_id FROM ({MEMBERS}) m WHERE user_id > %(after)s
        ORDER BY user_id LIMIT %(slice)s
    ) slice
"""  # noqa: S608  only constants are put in
# What is shut for a doctor, of the channels that the campaign uses, as in enroll.py.
_SHUT = """
    SELECT u.user_id, array_agg(DISTINCT used.channel) AS channels,
           count(DISTINCT used.channel) FILTER (WHERE u.is_choice) AS chosen
    FROM (
        SELECT user_id, channel, true AS is_choice
        FROM unsubscribe_records JOIN members USING (user_id)
        WHERE revoked_at IS NULL AND (segment_type IS NULL OR segment_type = %(segment)s)
        UNION ALL
        SELECT user_id, channel, false
        FROM channel_suppressions JOIN members USING (user_id)
        WHERE lifted_at IS NULL
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
    WITH members AS MATERIALIZED ({_LOOKED_AT}),
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
               WHEN c.rollout_percent < 100 AND NOT {IN_ROLLOUT} THEN 'rollout'
               WHEN {IN_HOLDOUT} THEN 'holdout'
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
    WHERE why = %(why)s ORDER BY user_id LIMIT %(size)s
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


class Listed(NamedTuple):
    """A part of a class, and the key after which to go on; None: that was all of it."""

    members: Sequence[Member]
    after: int | None


def people(campaign: Campaign, now: datetime) -> People:
    """Count the campaign's segment as the next enrolment would find it, if the campaign runs."""
    counts = dict.fromkeys(Why, 0)
    quiet_in: dict[int, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(*_query(_COUNT, campaign, now, {"after": 0, "until": LAST_KEY}))
        for why, days, count in cursor.fetchall():
            counts[Why(why)] += count
            if days is not None:
                quiet_in[days] = count
    return People(counts, dict(sorted(quiet_in.items())))


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts, and when they were made."""

    at: datetime
    people: People


def people_lately(campaign: Campaign, now: datetime) -> Counted:
    """The counts of the campaign as it stands now; the doctors as they were `KEPT` s ago, at most.

    Without Redis nothing is kept: they are counted each time.
    """
    key = f"people:{campaign.pk}:{campaign.status}:{campaign.rollout_percent}:{digest(campaign)}"
    kept: Counted | None = cache.get(key)
    if kept is None:
        kept = Counted(now, people(campaign, now))
        cache.set(key, kept, KEPT)
    return kept


def members(
    campaign: Campaign, why: Why, now: datetime, *, after: int = 0, size: int = 50
) -> Listed:
    """Doctors of one class in the order of their keys: so many of those beyond `after`.

    They are looked at slice by slice until enough are found: a class that many are in is listed as
    quickly in a large segment as in a small one. After `PATIENCE` it goes no further.
    """
    found: list[Member] = []
    at, many = after, FIRST_SLICE
    patience = time.monotonic() + PATIENCE
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_SLICE, {**_values(campaign, now), "after": at, "slice": many})
            (until,) = cursor.fetchone()
            if until is None:
                return Listed(found, None)
            part = {"after": at, "until": until, "why": why, "size": size + 1 - len(found)}
            cursor.execute(*_query(_LIST, campaign, now, part))
            found += (Member(*row) for row in cursor.fetchall())
        if len(found) > size:
            return Listed(found[:size], found[size - 1].doctor_id)
        if time.monotonic() > patience:
            return Listed(found, until)
        at, many = until, min(many * GROWTH, LARGEST_SLICE)


def _query(
    sql: str, campaign: Campaign, now: datetime, more: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """The query and its values; where nobody has had a turn, without the search for another."""
    values = {**_values(campaign, now), **more}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({had_their_turn(_LOOKED_AT)})", values)
        has_done = cursor.fetchone()[0]
    found = next_subjects(campaign, now, "SELECT * FROM members") if has_done else _NO_NEXT
    return sql.format(next_subjects=found), values


def _values(campaign: Campaign, now: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "segment": campaign.segment_type,
        "now": now,
        "quiet_since": now - timedelta(days=campaign.inactivity_days),
        "rollout": campaign.rollout_percent,
        "channels": sorted(set(campaign.steps.values_list("channel", flat=True))),
        "consent_required": sorted(settings.CONSENT_REQUIRED),
    }
