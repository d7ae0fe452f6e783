"""What stays unknown: asked for where the provider can be asked, and closed after a day."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from datetime import datetime, timedelta

from django.db import connection

from messaging.models import AttemptOutcome, DeliveryAttempt, DeliveryStatus
from messaging.providers import PROVIDERS, instance
from messaging.providers.base import Accepted, CanLookUp, Refused
from messaging.record import Result, Tally, answered, record

logger = logging.getLogger(__name__)

# A provider may learn of a message a little after its own answer was lost.
ASK_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=24)
BATCH = 500

_GIVE_UP = """
    WITH silent AS MATERIALIZED (
        SELECT m.id FROM message_deliveries m
        JOIN delivery_attempts a ON a.delivery_id = m.id AND a.claim_id = m.claim_id
        WHERE m.status = 'unknown' AND a.authorised_at <= %(before)s
        ORDER BY m.id FOR NO KEY UPDATE OF m SKIP LOCKED
    )
    UPDATE message_deliveries m
    SET status = 'failed', failed_at = %(now)s,
        error_message = 'No answer within 24 hours: it may have arrived, and was not sent again.'
    FROM silent WHERE m.id = silent.id
"""


def reconcile(now: datetime) -> int:
    """Settle what is unknown: by asking, or after 24 hours by giving up.

    A provider's "I do not know it" is no proof, so such a message stays unknown until then; a
    report that comes later still counts. Returns how many were settled.
    """
    return _ask(now) + _give_up(now)


def _ask(now: datetime) -> int:
    waiting = DeliveryAttempt.objects.filter(
        delivery__status=DeliveryStatus.UNKNOWN,
        outcome=AttemptOutcome.UNKNOWN,
        authorised_at__lte=now - ASK_AFTER,
        authorised_at__gt=now - GIVE_UP_AFTER,
        account__provider__in=[name for name, kind in PROVIDERS.items() if _can_look_up(kind)],
    )
    by_provider: dict[str, dict[uuid.UUID, uuid.UUID]] = defaultdict(dict)
    for provider, delivery_id, claim_id in waiting.order_by("authorised_at").values_list(
        "account__provider", "delivery_id", "claim_id"
    ):
        by_provider[provider][delivery_id] = claim_id
    settled = 0
    for provider, claims in by_provider.items():
        ids = list(claims)
        for start in range(0, len(ids), BATCH):
            settled += _ask_for(provider, claims, ids[start : start + BATCH], now)
    return settled


def _can_look_up(kind: type) -> bool:
    return issubclass(kind, CanLookUp)


def _ask_for(
    name: str, claims: dict[uuid.UUID, uuid.UUID], ids: list[uuid.UUID], now: datetime
) -> int:
    provider = instance(name)
    if not isinstance(provider, CanLookUp):
        return 0
    try:
        answers = provider.look_up(ids)
    except Exception:  # a provider that is away answers next time
        logger.exception("%s could not be asked", name)
        return 0
    results: list[Result] = [
        answered(delivery_id, claims[delivery_id], receipt)
        for delivery_id, receipt in answers.items()
        if delivery_id in claims and isinstance(receipt, (Accepted, Refused))
    ]
    tally = Tally()
    record(results, now, tally)
    return tally.sent + tally.failed


def _give_up(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_UP, {"now": now, "before": now - GIVE_UP_AFTER})
        return int(cursor.rowcount)
