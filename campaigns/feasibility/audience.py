"""The campaign for the doctors as they are: many are under way in other campaigns, too.

Doctors are grouped by the other campaigns they are in and since when; each group is reckoned once.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.feasibility.sequence import PlannedStep, Sequence, sequence_of
from campaigns.feasibility.typical import typical
from campaigns.models import Campaign

# The largest groups are reckoned, some milliseconds each; what is left out is told.
MOST_GROUPS = 25
# Days after which a planned message takes no room from another: it may be two days late, and
# counts for a week (strategy, Message Frequency Caps).
COUNTS_FOR = 9

# Whom the campaign writes to: those under way in it, and those of the segment who may be enrolled,
# with the other running campaigns they are under way in: how many days before this one, in which
# those who wait would begin now. Grouped by the whole set: a campaign and its days are one number,
# which is put together and compared ten times as fast as words.
_BASE, _MIDDLE = 1_000_000, 500_000
_GROUPS = """
    WITH own AS (
        SELECT user_id, subject, status, is_holdout, enrolled_at, shifted_days
        FROM campaign_enrollments WHERE campaign_id = %(campaign)s
    ),
    members AS (
        SELECT user_id,
               (enrolled_at AT TIME ZONE %(zone)s)::date + shifted_days AS first_day
        FROM own WHERE status = 'active' AND NOT is_holdout
        UNION ALL
        SELECT g.user_id, (%(now)s::timestamptz AT TIME ZONE %(zone)s)::date
        FROM user_segments g
        WHERE g.segment_type = %(segment)s AND (g.expires_at IS NULL OR g.expires_at > %(now)s)
          AND g.inactive_since <= %(quiet_since)s
          AND NOT EXISTS (
            SELECT FROM own o WHERE o.user_id = g.user_id
            AND (o.status IN ('active', 'unsubscribed') OR o.subject = g.subject)
          )
    ),
    beside AS (
        SELECT m.user_id, array_agg(o.number * %(base)s + %(middle)s
            + (m.first_day - (e.enrolled_at AT TIME ZONE %(zone)s)::date) - e.shifted_days
            ORDER BY o.number) AS others
        FROM members m
        JOIN campaign_enrollments e ON e.user_id = m.user_id AND e.status = 'active'
            AND NOT e.is_holdout
        JOIN unnest(%(others)s::uuid[]) WITH ORDINALITY AS o (id, number) ON o.id = e.campaign_id
        GROUP BY m.user_id
    )
    SELECT COALESCE(b.others, '{}'), count(*)
    FROM members m LEFT JOIN beside b USING (user_id)
    GROUP BY 1
"""

Members = tuple[tuple[uuid.UUID, int], ...]  # other campaigns, and how many days before this one


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the campaign comes to for the doctors whom it writes to, now or soon.

    `doctors`: all of them; `beside`: other campaigns, and how many are under way in each as well;
    `reckoned`: of how many doctors the figures tell; `alone`: messages that would go out to those
    without the other campaigns; `losers`: for each step that goes out when the campaign is alone,
    how many of them never get it; `by_channel`: what `messages` go out on.
    """

    doctors: int
    beside: tuple[tuple[str, int], ...]  # by name, the most first
    reckoned: int
    messages: int  # that go out to those reckoned, if nobody comes back
    alone: int
    losers: Mapping[PlannedStep, int]
    by_channel: Mapping[str, int]

    def lines(self) -> list[str]:
        """A sentence for each other campaign and each message that it costs."""
        found = [
            f"{_doctors(count)} of {self.doctors:,} {_are(count)} under way in “{name}”, too: both "
            "share the same caps."
            for name, count in self.beside
        ]
        places = Counter((step.day, step.channel) for step in self.losers)
        found += [
            f"Because of them {step.label}"
            f"{f' (step {step.number})' if places[step.day, step.channel] > 1 else ''} never goes "
            f"out to {_doctors(count)} of {self.reckoned:,}."
            for step, count in self.losers.items()
            if count
        ]
        if rest := self.doctors - self.reckoned:
            said = f"{_doctors(rest)} {_are(rest)} in rarer combinations, which were not reckoned."
            found.append(said)
        return found


def _doctors(count: int) -> str:
    return "1 doctor" if count == 1 else f"{count:,} doctors"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def crowd(campaign: Campaign, own: Sequence, now: datetime) -> Crowd:
    """Reckon `own` (the campaign's sequence, saved or not) for every doctor it writes to.

    Opt-outs, consents and addresses are not looked at, nor the holdout that is yet to be drawn.
    Three queries, however many doctors, campaigns and groups; the rest is arithmetic.
    """
    running = Campaign.objects.running(now).exclude(pk=campaign.pk).prefetch_related("steps")
    others = {one.pk: sequence_of(one, one.steps.all()) for one in running}
    found = _groups(campaign, list(others), now)
    beside: Counter[uuid.UUID] = Counter()
    near: Counter[Members] = Counter()
    for members, count in found:
        beside.update({other: count for other, _ in members})
        near[tuple(one for one in members if _meets(own, others[one[0]], one[1]))] += count
    reckoned = 0
    by_channel: Counter[str] = Counter()
    alone = typical(own)
    losers = {one.step: 0 for one in alone.outcomes if one.went}
    for members, count in sorted(near.items(), key=lambda item: (-item[1], item[0]))[:MOST_GROUPS]:
        run = typical(own, [(others[pk], days) for pk, days in members])
        reckoned += count
        for one in run.outcomes:
            by_channel[one.step.channel] += count * one.went
        for lost in run.lost:
            if lost.step in losers:
                losers[lost.step] += count
    named = tuple((others[pk].name, count) for pk, count in beside.most_common())
    messages, all_alone = by_channel.total(), reckoned * alone.sent
    return Crowd(near.total(), named, reckoned, messages, all_alone, losers, by_channel)


def _meets(own: Sequence, other: Sequence, days: int) -> bool:
    """Whether messages of another campaign, begun so many days before, take room from this one."""
    return days - other.last_day <= COUNTS_FOR and -days - own.last_day <= COUNTS_FOR


def _groups(
    campaign: Campaign, others: list[uuid.UUID], now: datetime
) -> list[tuple[Members, int]]:
    values: dict[str, Any] = {
        "campaign": campaign.pk,
        "segment": campaign.segment_type,
        "others": others,
        "now": now,
        "quiet_since": now - timedelta(days=campaign.inactivity_days),
        "zone": settings.TIME_ZONE,
        "base": _BASE,
        "middle": _MIDDLE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS, values)
        rows = cursor.fetchall()
    return [(tuple(_member(number, others) for number in found), count) for found, count in rows]


def _member(number: int, others: list[uuid.UUID]) -> tuple[uuid.UUID, int]:
    place, days = divmod(number, _BASE)
    return others[place - 1], days - _MIDDLE
