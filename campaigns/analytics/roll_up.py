"""The roll-up of messages: facts of deliveries -> daily figures, also by step, and what they cost.

A fact counts on the local day on which it happened. Counting a day again gives the same.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

# Two roll-ups at once would both be right but for the moment at which each looked.
_LOCK = 7_205_001

# The days' present rows go in as nothing, so that a day that lost its facts is written down to 0.
# Account, price and parts are those of the attempt that went out: what it cost. A message by which
# a doctor opted out twice, of one channel and then of all, counts once, on the first day.
_ROLL_UP = """
    WITH facts AS MATERIALIZED (
        SELECT s.campaign_id, s.id AS step_id, d.variant_id, a.account_id, a.price, a.sms_parts,
               d.channel, f.kind, (f.at AT TIME ZONE %(zone)s)::date AS day
        FROM message_deliveries d
        JOIN campaign_messages s ON s.id = d.campaign_message_id
        LEFT JOIN delivery_attempts a ON a.delivery_id = d.id AND a.counts
        CROSS JOIN LATERAL (VALUES
            ('sent', d.sent_at), ('delivered', d.delivered_at), ('opened', d.opened_at),
            ('clicked', d.clicked_at), ('failed', d.failed_at)
        ) AS f (kind, at)
        WHERE (
                (d.sent_at >= %(start)s AND d.sent_at < %(end)s)
                OR (d.delivered_at >= %(start)s AND d.delivered_at < %(end)s)
                OR (d.opened_at >= %(start)s AND d.opened_at < %(end)s)
                OR (d.clicked_at >= %(start)s AND d.clicked_at < %(end)s)
                OR (d.failed_at >= %(start)s AND d.failed_at < %(end)s)
            )
            AND f.at >= %(start)s AND f.at < %(end)s
        UNION ALL
        (SELECT DISTINCT ON (d.id)
            s.campaign_id, s.id, d.variant_id, a.account_id, NULL::numeric, NULL::smallint,
            d.channel, 'unsubscribed', (u.unsubscribed_at AT TIME ZONE %(zone)s)::date
        FROM unsubscribe_records u
        JOIN message_deliveries d ON d.id = u.delivery_id
        JOIN campaign_messages s ON s.id = d.campaign_message_id
        LEFT JOIN delivery_attempts a ON a.delivery_id = d.id AND a.counts
        WHERE u.unsubscribed_at >= %(start)s AND u.unsubscribed_at < %(end)s
            AND u.paused_until IS NULL
            AND NOT EXISTS (
                SELECT FROM unsubscribe_records b
                WHERE b.delivery_id = u.delivery_id AND b.unsubscribed_at < %(start)s
                    AND b.paused_until IS NULL
            )
        ORDER BY d.id, u.unsubscribed_at)
        UNION ALL
        SELECT campaign_id, NULL, NULL, NULL, NULL, NULL, channel, 'nothing', date
        FROM campaign_analytics WHERE date BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT campaign_id, step_id, variant_id, account_id, NULL, NULL, channel, 'nothing', date
        FROM campaign_step_analytics WHERE date BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT NULL, step_id, NULL, account_id, price, NULL, channel, 'unpaid', date
        FROM message_costs WHERE date BETWEEN %(first)s AND %(last)s
    ), counted AS (
        SELECT campaign_id, step_id, variant_id, account_id, channel, day,
            count(*) FILTER (WHERE kind = 'sent') AS sent,
            count(*) FILTER (WHERE kind = 'delivered') AS delivered,
            count(*) FILTER (WHERE kind = 'opened') AS opened,
            count(*) FILTER (WHERE kind = 'clicked') AS clicked,
            count(*) FILTER (WHERE kind = 'failed') AS failed,
            count(*) FILTER (WHERE kind = 'unsubscribed') AS unsubscribed
        FROM facts WHERE kind <> 'unpaid'
        GROUP BY campaign_id, step_id, variant_id, account_id, channel, day
    ), paid AS (
        INSERT INTO message_costs AS a (
            step_id, account_id, price, channel, date, messages, units, unmeasured
        )
        SELECT step_id, account_id, price, channel, day,
            count(*) FILTER (WHERE kind = 'sent'),
            COALESCE(sum(COALESCE(sms_parts, 1)) FILTER (WHERE kind = 'sent'), 0),
            count(*) FILTER (WHERE kind = 'sent' AND channel = 'sms' AND sms_parts IS NULL)
        FROM facts WHERE kind IN ('sent', 'unpaid')
        GROUP BY step_id, account_id, price, channel, day
        ON CONFLICT (step_id, date, account_id, price) DO UPDATE SET messages = excluded.messages,
            units = excluded.units, unmeasured = excluded.unmeasured
        WHERE (a.messages, a.units, a.unmeasured)
            IS DISTINCT FROM (excluded.messages, excluded.units, excluded.unmeasured)
    ), steps AS (
        INSERT INTO campaign_step_analytics AS a (
            campaign_id, step_id, variant_id, account_id, channel, date, total_sent,
            total_delivered, total_opened, total_clicked, total_failed, total_unsubscribed
        )
        SELECT campaign_id, step_id, variant_id, account_id, channel, day, sent, delivered,
            opened, clicked, failed, unsubscribed
        FROM counted WHERE step_id IS NOT NULL
        ON CONFLICT (campaign_id, date, step_id, variant_id, account_id) DO UPDATE SET {update}
        WHERE {differs}
    )
    INSERT INTO campaign_analytics AS a (
        campaign_id, date, channel, total_sent, total_delivered, total_opened, total_clicked,
        total_failed, total_unsubscribed, updated_at
    )
    SELECT campaign_id, day, channel, sum(sent), sum(delivered), sum(opened), sum(clicked),
        sum(failed), sum(unsubscribed), now()
    FROM counted
    GROUP BY campaign_id, day, channel
    ON CONFLICT (campaign_id, date, channel) DO UPDATE SET
        {update}, updated_at = excluded.updated_at
    WHERE {differs}
"""
TOTALS = tuple(
    f"total_{name}" for name in ("sent", "delivered", "opened", "clicked", "failed", "unsubscribed")
)
_ROLL_UP = _ROLL_UP.format(
    update=", ".join(f"{name} = excluded.{name}" for name in TOTALS),
    differs=f"({', '.join(f'a.{name}' for name in TOTALS)}) IS DISTINCT FROM "
    f"({', '.join(f'excluded.{name}' for name in TOTALS)})",
)


def roll_up(day_from: date, day_to: date) -> int:
    """Count the days again, both ends included, in the settings' time zone.

    Returns how many rows (campaign, day, channel) are new or changed: a second run gives 0.
    """
    start, end = local_span(day_from, day_to)
    parameters: dict[str, str | date] = {
        "zone": settings.TIME_ZONE,
        "start": start,
        "end": end,
        "first": day_from,
        "last": day_to,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        lock()
        cursor.execute(_ROLL_UP, parameters)
        return int(cursor.rowcount)


def lock() -> None:
    """Wait for another roll-up, until the end of the transaction.

    A statement of its own: the count must look after the lock is held.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def local_span(day_from: date, day_to: date) -> tuple[datetime, datetime]:
    """First moment of `day_from` and of the day after `day_to`, in the settings' time zone."""
    zone = timezone.get_default_timezone()
    return (
        datetime.combine(day_from, time(), zone),
        datetime.combine(day_to + timedelta(days=1), time(), zone),
    )
