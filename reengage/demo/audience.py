"""The sample's doctors while the replay runs: what they are about to do, and its doing."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count

from django.db import connection

from messaging import track
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.optout import opt_out
from reengage.demo.behaviour import Act, Message, Reaction, reactions
from reengage.demo.people import ID_PREFIX
from reengage.demo.returns import come_back

# Whatever comes of a message comes by then; after an interruption these are looked at again.
MEMORY = timedelta(days=10)

_SENT = """
    SELECT a.id, m.id, m.external_id, m.sent_at, m.channel, m.user_id, d.external_id,
           c.segment_type, e.subject, s.template_id, COALESCE(v.label, '')
    FROM delivery_attempts a
    JOIN message_deliveries m ON m.id = a.delivery_id
    JOIN doctors d ON d.id = m.user_id
    JOIN campaign_enrollments e ON e.id = m.enrollment_id
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN campaign_messages s ON s.id = m.campaign_message_id
    LEFT JOIN experiment_variants v ON v.id = m.variant_id
    WHERE {condition} AND a.outcome = 'accepted' AND m.sent_at IS NOT NULL
    ORDER BY a.id
"""
_SENT_SINCE = _SENT.format(condition="a.authorised_at >= %(since)s")
_SENT_AFTER = _SENT.format(condition="a.id > %(last)s")  # ids of attempts grow with time
_NO_ATTEMPT = uuid.UUID(int=0)


class Audience:
    """Doctors who take note of what is sent and react in their own time."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.opted_out = 0
        self.came_back = 0
        self._last = _NO_ATTEMPT
        self._order = count()
        self._to_come: list[tuple[datetime, int, Reaction]] = []

    def remember(self, now: datetime) -> None:
        """Work out again what is to come of the messages of the last days.

        What was done of it already is done again, which changes nothing.
        """
        self._read(_SENT_SINCE, since=now - MEMORY)
        left = set(
            UnsubscribeRecord.objects.filter(delivery__isnull=False).values_list(
                "delivery_id", flat=True
            )
        )
        self._to_come = [
            entry
            for entry in self._to_come
            if entry[2].what is not Act.OPT_OUT or entry[2].message.delivery_id not in left
        ]
        heapq.heapify(self._to_come)

    def notice(self) -> None:
        """Take note of what went out since the last call."""
        self._read(_SENT_AFTER, last=self._last)

    def react(self, now: datetime) -> None:
        """Do everything that is to happen by `now`."""
        due: list[Reaction] = []
        while self._to_come and self._to_come[0][0] <= now:
            due.append(heapq.heappop(self._to_come)[2])
        if not due:
            return
        self.came_back += come_back([one for one in due if one.what is Act.RETURN])
        for reaction in due:
            if reaction.what is Act.OPT_OUT:
                self._opt_out(reaction)
        events = [one.event() for one in due if not isinstance(one.what, Act)]
        if events:
            track.store(events, now)
            track.apply_events(now)

    def _read(self, statement: str, **values: datetime | uuid.UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows = cursor.fetchall()
        if rows:
            self._last = rows[-1][0]
        self._expect(Message(*row[1:]) for row in rows)

    def _expect(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if not message.doctor.startswith(ID_PREFIX):  # somebody tried an import of their own
                continue
            for reaction in reactions(message, self.seed):
                heapq.heappush(self._to_come, (reaction.at, next(self._order), reaction))

    def _opt_out(self, reaction: Reaction) -> None:
        message = reaction.message
        opt_out(
            message.doctor_id,
            None if reaction.scope in {"kind", "all"} else message.channel,
            message.segment_type if reaction.scope == "kind" else None,
            source="link",
            now=reaction.at,  # nothing was sent between then and now
            delivery=MessageDelivery.objects.get(pk=message.delivery_id),
        )
        self.opted_out += 1
